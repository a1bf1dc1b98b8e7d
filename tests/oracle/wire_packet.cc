// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/wire_packet.h"

#include <algorithm>

#include "tests/unit/generate.h"

namespace ovs_rmirror {

namespace {

// Protocols, and extension headers of IPv6.
constexpr uint8_t kHopByHop = 0, kUdp = 17, kRouting = 43, kFragment = 44,
                  kEsp = 50, kAuthentication = 51, kNoNextHeader = 59,
                  kDestinationOptions = 60;

void Put(Bytes* bytes, uint64_t value, int size) {
  for (int i = size - 1; i >= 0; i--) {
    bytes->push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
}

void PutAddress(Bytes* bytes, Family family, Uint128 bits) {
  if (family == Family::kIpv6) {
    Put(bytes, static_cast<uint64_t>(bits >> 64), 8);
    Put(bytes, static_cast<uint64_t>(bits), 8);
  } else {
    Put(bytes, static_cast<uint64_t>(bits), 4);
  }
}

void Fill(Bytes* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    bytes->push_back(static_cast<uint8_t>(i));
  }
}

bool IsIcmp(const Packet& p) {
  return p.nw_proto == (*p.family == Family::kIpv4 ? 1 : 58);
}

// What is behind the IP header and the extension headers.
Bytes Transport(const WirePacket& packet) {
  const Packet& p = packet.seen;
  Bytes bytes;
  if (p.later_fragment) {
    // Nothing but payload, whatever it may look like.
  } else if (p.nw_proto == 6) {
    Put(&bytes, p.tp_src, 2);
    Put(&bytes, p.tp_dst, 2);
    Put(&bytes, 0x0102030405060708, 8);
    Put(&bytes, packet.tcp_options ? 6u << 4 : 5u << 4, 1);
    Put(&bytes, p.tcp_flags, 1);
    Put(&bytes, 0xffff0000, 4);
    Put(&bytes, 0, 2);
    if (packet.tcp_options) {
      Put(&bytes, 0x01010100, 4);
    }
  } else if (p.nw_proto == 17) {
    Put(&bytes, p.tp_src, 2);
    Put(&bytes, p.tp_dst, 2);
    Put(&bytes, 8u + packet.payload, 2);
    Put(&bytes, 0, 2);
  } else if (p.nw_proto == 132) {
    Put(&bytes, p.tp_src, 2);
    Put(&bytes, p.tp_dst, 2);
    Put(&bytes, 0, 8);
  } else if (IsIcmp(p)) {
    Put(&bytes, p.tp_src, 1);
    Put(&bytes, p.tp_dst, 1);
    Put(&bytes, 0, 6);
  } else if (p.nw_proto == 47) {
    Put(&bytes, 0x00000800, 4);
  }
  Fill(&bytes, packet.payload);
  return bytes;
}

void SetIpv4Checksum(Bytes* header) {
  uint32_t sum = 0;
  for (size_t i = 0; i < header->size(); i += 2) {
    sum += static_cast<uint32_t>((*header)[i] << 8 | (*header)[i + 1]);
  }
  sum = (sum & 0xffff) + (sum >> 16);
  sum = ~((sum & 0xffff) + (sum >> 16));
  (*header)[10] = static_cast<uint8_t>(sum >> 8);
  (*header)[11] = static_cast<uint8_t>(sum);
}

Bytes Ipv4(const WirePacket& packet) {
  const Packet& p = packet.seen;
  const Bytes payload = Transport(packet);
  Bytes bytes;
  const size_t size = packet.options ? 24 : 20;
  Put(&bytes, 0x40 | size / 4, 1);
  Put(&bytes, p.dscp << 2 | packet.ecn, 1);
  Put(&bytes, size + payload.size(), 2);
  Put(&bytes, 0x1234, 2);
  Put(&bytes, p.later_fragment ? 185 : packet.first_fragment ? 0x2000 : 0, 2);
  Put(&bytes, packet.ttl, 1);
  Put(&bytes, p.nw_proto, 1);
  Put(&bytes, 0, 2);
  PutAddress(&bytes, Family::kIpv4, p.nw_src);
  PutAddress(&bytes, Family::kIpv4, p.nw_dst);
  if (packet.options) {
    Put(&bytes, 0x01010100, 4);
  }
  SetIpv4Checksum(&bytes);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

Bytes Ipv6(const WirePacket& packet) {
  const Packet& p = packet.seen;
  // A later fragment does not say its protocol to a switch, but it has one.
  const uint8_t protocol = p.later_fragment ? kUdp : p.nw_proto;
  std::vector<uint8_t> headers = packet.extensions;
  if (packet.first_fragment || p.later_fragment) {
    headers.push_back(kFragment);
  }
  headers.push_back(protocol);
  Bytes behind;
  for (size_t i = 0; i + 1 < headers.size(); i++) {
    Put(&behind, headers[i + 1], 1);
    switch (headers[i]) {
      case kFragment:
        Put(&behind, 0, 1);
        Put(&behind, p.later_fragment ? 185 << 3 : 1, 2);
        Put(&behind, 0x12345678, 4);
        break;
      case kAuthentication:
        Put(&behind, 4, 1);  // 24 bytes.
        Put(&behind, 0, 2);
        Fill(&behind, 20);
        break;
      case kRouting:
        Put(&behind, 0, 1);        // 8 bytes.
        Put(&behind, 0x04'00, 2);  // No segments are left.
        Put(&behind, 0, 4);
        break;
      default:
        Put(&behind, 0x00'01'04'00'00'00'00, 7);  // 8 bytes, PadN.
        break;
    }
  }
  const Bytes payload = Transport(packet);
  behind.insert(behind.end(), payload.begin(), payload.end());

  Bytes bytes;
  Put(&bytes,
      0x60000000u | static_cast<uint32_t>(p.dscp << 2 | packet.ecn) << 20, 4);
  Put(&bytes, behind.size(), 2);
  Put(&bytes, headers[0], 1);
  Put(&bytes, packet.ttl, 1);
  PutAddress(&bytes, Family::kIpv6, p.nw_src);
  PutAddress(&bytes, Family::kIpv6, p.nw_dst);
  bytes.insert(bytes.end(), behind.begin(), behind.end());
  return bytes;
}

// The Ethernet address that leads to `out_ports`, which are one, or all ports
// but LOCAL and the one by which the packet comes.
uint64_t Destination(const std::vector<uint32_t>& out_ports) {
  constexpr uint64_t kPrefix = 0x020000000100;
  if (out_ports.size() > 1) {
    return kPrefix | 0xff;
  }
  return kPrefix | (out_ports[0] == kPortLocal ? 0 : out_ports[0]);
}

Bytes EthernetFrame(const WirePacket& packet, bool tagged) {
  const Packet& p = packet.seen;
  Bytes bytes;
  Put(&bytes, Destination(packet.out_ports), 6);
  Put(&bytes, p.dl_src, 6);
  if (tagged && p.vlan) {
    Put(&bytes, 0x8100, 2);
    Put(&bytes, *p.vlan, 2);
  }
  if (!p.family) {
    Put(&bytes, 0x88b5, 2);  // IEEE 802 local experimental.
    Fill(&bytes, packet.payload);
  } else {
    Put(&bytes, *p.family == Family::kIpv4 ? 0x0800 : 0x86dd, 2);
    const Bytes layer3 = packet.Layer3();
    bytes.insert(bytes.end(), layer3.begin(), layer3.end());
  }
  bytes.resize(bytes.size() + packet.padding);
  return bytes;
}

}  // namespace

Bytes WirePacket::Layer3() const {
  return *seen.family == Family::kIpv4 ? Ipv4(*this) : Ipv6(*this);
}

Bytes WirePacket::Frame() const { return EthernetFrame(*this, true); }

Bytes WirePacket::UntaggedFrame() const { return EthernetFrame(*this, false); }

namespace {

template <typename T>
std::string FormatNumbers(const std::vector<T>& numbers) {
  std::string s;
  for (const T number : numbers) {
    s += (s.empty() ? "" : "/") + std::to_string(number);
  }
  return s;
}

}  // namespace

std::string FormatWirePacket(const WirePacket& packet) {
  std::string s = FormatPacket(packet.seen) +
                  ",out_ports=" + FormatNumbers(packet.out_ports) +
                  (packet.options ? ",options" : "") +
                  ",extensions=" + FormatNumbers(packet.extensions) +
                  (packet.first_fragment ? ",first" : "") +
                  ",padding=" + std::to_string(packet.padding) + " ";
  for (const uint8_t byte : packet.Frame()) {
    constexpr char kDigits[] = "0123456789abcdef";
    s += kDigits[byte >> 4];
    s += kDigits[byte & 15];
  }
  return s;
}

WirePacket GenerateWirePacket() {
  WirePacket packet;
  Packet& p = packet.seen;
  p = GeneratePacket();
  p.mark = p.in_port == kPortLocal
               ? 0
               : OneOf<uint32_t>({std::begin(kMarks), std::end(kMarks)});
  std::vector<uint32_t> out_ports = {1, 2, 3, kPortLocal};
  std::erase(out_ports, p.in_port);
  if (p.in_port != kPortLocal && OneIn(6)) {
    std::erase(out_ports, kPortLocal);
    packet.out_ports = out_ports;
  } else {
    packet.out_ports = {OneOf(out_ports)};
  }
  packet.payload = *rc::gen::inRange<uint16_t>(0, 300);
  packet.ttl = *rc::gen::inRange<uint8_t>(1, 255);
  packet.ecn = *rc::gen::inRange<uint8_t>(0, 4);
  packet.padding = OneIn(6) ? 6 : 0;
  if (!p.family) {
    return packet;
  }
  if (p.nw_proto == 200) {
    p.nw_proto = OneOf<uint8_t>({kEsp, kNoNextHeader, 200});
  }
  packet.tcp_options = OneIn(2);
  packet.first_fragment = !p.later_fragment && OneIn(8);
  if (*p.family == Family::kIpv4) {
    packet.options = OneIn(5);
  } else {
    // In the order of RFC 8200.
    for (const uint8_t header :
         {kHopByHop, kRouting, kAuthentication, kDestinationOptions}) {
      if (OneIn(8)) {
        packet.extensions.push_back(header);
      }
    }
    if (p.later_fragment) {
      p.nw_proto = kFragment;
    }
  }
  if (packet.out_ports[0] == kPortLocal) {
    // What Linux would not let in, or put together from fragments before.
    if (*p.family == Family::kIpv4) {
      packet.first_fragment = p.later_fragment = false;
      if (p.nw_dst >> 28 == 0xe || p.nw_dst == 0 || p.nw_dst == 0xffffffff) {
        p.nw_dst = (10u << 24) + 1;
      }
    } else if (p.nw_dst >> 120 == 0xff) {
      p.nw_dst = (Uint128{0x20010db8} << 96) + 1;
    }
  }
  return packet;
}

}  // namespace ovs_rmirror
