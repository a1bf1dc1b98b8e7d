// SPDX-License-Identifier: Apache-2.0

#include "controller/packet_path.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include "controller/match_reader.h"
#include "controller/packet_reader.h"
#include "controller/scanner.h"

namespace ovs_rmirror {

namespace {

// The highest number of a port, OFPP_MAX - 1.
constexpr uint32_t kMaxPort = 0xfeff;

constexpr uint16_t kVlanPresent = 0x1000;

Uint128 AddressFrom(const uint8_t* bytes, Family family) {
  Uint128 bits = 0;
  for (int i = 0; i < AddressWidth(family) / 8; i++) {
    bits = bits << 8 | bytes[i];
  }
  return bits;
}

Packet PacketFrom(const packet_fields& fields) {
  Packet packet;
  packet.mark = fields.pkt_mark;
  if (fields.vlan_tci & kVlanPresent) {
    packet.vlan = static_cast<uint16_t>(fields.vlan_tci & 0xfff);
  }
  for (const uint8_t byte : fields.dl_src) {
    packet.dl_src = packet.dl_src << 8 | byte;
  }
  if (fields.dl_type != 0x0800 && fields.dl_type != 0x86dd) {
    return packet;
  }
  const Family family =
      fields.dl_type == 0x0800 ? Family::kIpv4 : Family::kIpv6;
  packet.family = family;
  packet.nw_proto = fields.nw_proto;
  packet.dscp = fields.nw_tos >> 2;
  packet.nw_src = AddressFrom(fields.nw_src, family);
  packet.nw_dst = AddressFrom(fields.nw_dst, family);
  packet.later_fragment = fields.later_fragment;
  packet.tp_src = fields.tp_src;
  packet.tp_dst = fields.tp_dst;
  packet.tcp_flags = static_cast<uint8_t>(fields.tcp_flags);
  return packet;
}

// The value of `key` in "KEY=VALUE,KEY=VALUE".
std::optional<std::string> ValueOf(const std::string& text,
                                   const std::string& key) {
  for (const auto& [begin, size] : SplitList(text)) {
    const size_t first = text.find_first_not_of(" \t", begin);
    if (first < begin + size &&
        text.compare(first, key.size() + 1, key + "=") == 0 &&
        first + key.size() + 1 <= begin + size) {
      return text.substr(first + key.size() + 1,
                         begin + size - first - key.size() - 1);
    }
  }
  return std::nullopt;
}

// What Open vSwitch is to read of `text`: not the names of ports, which need
// not be there, nor the length, which is no field.  To ovs-ofctl, tp_src and
// tp_dst are ports of any protocol, but where prerequisites count, of TCP
// alone.
std::string FieldsOf(const std::string& text) {
  std::string protocol;
  std::string fields;
  for (const auto& [begin, size] : SplitList(text)) {
    std::string part = text.substr(begin, size);
    part.erase(0, part.find_first_not_of(" \t"));
    if (part == "udp" || part == "udp6") {
      protocol = "udp";
    } else if (part == "sctp" || part == "sctp6") {
      protocol = "sctp";
    } else if (part.starts_with("in_port=") || part.starts_with("len=")) {
      continue;
    } else if (!protocol.empty() &&
               (part.starts_with("tp_src=") || part.starts_with("tp_dst="))) {
      part.replace(0, 2, protocol);
    }
    fields += (fields.empty() ? "" : ",") + part;
  }
  return fields;
}

}  // namespace

uint32_t PortOf(const std::string& text, PortNumbers* ports) {
  if (text == "LOCAL") {
    return kPortLocal;
  } else if (const auto known = ports->find(text); known != ports->end()) {
    return known->second;
  } else if (const auto number = ParseNumber(text, kMaxPort)) {
    return static_cast<uint32_t>(*number);
  }
  uint32_t number = kMaxPort;
  while (std::any_of(ports->begin(), ports->end(),
                     [&](const auto& port) { return port.second == number; })) {
    number--;
  }
  (*ports)[text] = number;
  return number;
}

std::string ReadPacketText(const std::string& text, PortNumbers* ports,
                           PacketPath* path) {
  path->text = text;
  if (text.find('\0') != std::string::npos) {
    return "a packet has no NUL bytes\n";
  }
  const std::optional<std::string> in_port = ValueOf(text, "in_port");
  if (!in_port || in_port->empty()) {
    return "'" + text +
           "' says not by which port the packet enters: write in_port=NAME, "
           "or in_port=LOCAL\n";
  }
  if (const std::optional<std::string> length = ValueOf(text, "len")) {
    path->length = ParseNumber(*length, RMIRROR_LEN_MAX);
    if (!path->length) {
      return "len: '" + *length + "' is no length: write a number of bytes\n";
    }
  }
  packet_fields fields;
  const std::unique_ptr<char, void (*)(void*)> error(
      packet_parse(FieldsOf(text).c_str(), &fields), free);
  if (error) {
    return std::string(error.get()) + "\n";
  }
  path->packet = PacketFrom(fields);
  path->packet.in_port = PortOf(*in_port, ports);
  return "";
}

std::string ReadPacketFile(const std::string& name, const std::string& in_port,
                           PortNumbers* ports, std::vector<PacketPath>* paths) {
  packet_file* opened;
  if (const int error = packet_file_open(name.c_str(), &opened)) {
    return name + ": " +
           (error == EPROTO ? "no file of captured Ethernet frames, as tcpdump "
                              "-w writes it"
                            : std::strerror(error)) +
           "\n";
  }
  const std::unique_ptr<packet_file, void (*)(packet_file*)> file(
      opened, packet_file_close);
  for (size_t number = 1;; number++) {
    packet_fields fields;
    size_t length;
    const int error = packet_file_next(file.get(), &fields, &length);
    if (error == EOF) {
      return "";
    } else if (error) {
      return name + ": packet " + std::to_string(number) + ": " +
             std::strerror(error) + "\n";
    }
    PacketPath path;
    path.text = name + ": packet " + std::to_string(number);
    path.packet = PacketFrom(fields);
    path.packet.in_port = PortOf(in_port, ports);
    path.length = length;
    // With the name of the port, not its number.
    const std::string fields_text = FormatPacket(path.packet);
    path.text +=
        ": in_port=" + in_port +
        fields_text.substr(std::min(fields_text.find(','), fields_text.size()));
    paths->push_back(std::move(path));
  }
}

}  // namespace ovs_rmirror
