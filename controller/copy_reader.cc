// SPDX-License-Identifier: Apache-2.0

#include "controller/copy_reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "rmirror/netlink.h"

namespace ovs_rmirror {

namespace {

constexpr size_t kEthernetHeader = 14;
constexpr size_t kVlanTag = 4;
constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr size_t kFragmentHeader = 8;
constexpr uint16_t kTypeIpv4 = 0x0800;
constexpr uint16_t kTypeIpv6 = 0x86dd;
constexpr uint16_t kTypeVlan = 0x8100;
constexpr uint16_t kTypeServiceVlan = 0x88a8;
constexpr uint8_t kProtocolFragment = 44;
constexpr uint8_t kProtocolGre = 47;

// Packets of which fragments are missing: more are not remembered.
constexpr size_t kMaxPartial = 256;

// No IP packet has more bytes behind its header.
constexpr size_t kMaxPayload = 65535;

// A number of `size` bytes in network byte order.
uint64_t Number(std::string_view bytes, size_t offset, size_t size) {
  uint64_t number = 0;
  for (const char byte : bytes.substr(offset, size)) {
    number = number << 8 | static_cast<unsigned char>(byte);
  }
  return number;
}

Address AddressAt(std::string_view bytes, size_t offset, Family family) {
  Address address;
  address.family = family;
  if (family == Family::kIpv4) {
    address.bits = Number(bytes, offset, 4);
  } else {
    address.bits =
        Uint128{Number(bytes, offset, 8)} << 64 | Number(bytes, offset + 8, 8);
  }
  return address;
}

// Where what is in an Ethernet frame begins, behind all tags, and its type; 0
// if it ends before.
std::pair<size_t, uint16_t> BehindEthernet(std::string_view frame) {
  size_t offset = kEthernetHeader;
  while (offset <= frame.size()) {
    const auto type = static_cast<uint16_t>(Number(frame, offset - 2, 2));
    if (type != kTypeVlan && type != kTypeServiceVlan) {
      return {offset, type};
    }
    offset += kVlanTag;
  }
  return {0, 0};
}

// An IP packet, or a fragment of one.
struct Datagram {
  CarriedCopy copy;  // As far as the IP header says it.
  uint8_t protocol = 0;
  std::string key;    // What its other fragments have in common with it.
  size_t offset = 0;  // Of the payload, in bytes.
  bool more = false;  // Behind it, fragments are to come.
  std::string_view payload;
};

std::optional<Datagram> ReadIpv4(std::string_view ip) {
  if (ip.size() < kIpv4Header) {
    return std::nullopt;
  }
  const size_t header = Number(ip, 0, 1) % 16 * 4;
  const size_t total = Number(ip, 2, 2);
  if (header < kIpv4Header || total < header || total > ip.size()) {
    return std::nullopt;
  }
  Datagram datagram;
  const uint64_t fragment = Number(ip, 6, 2);
  datagram.copy.source = AddressAt(ip, 12, Family::kIpv4);
  Session& session = datagram.copy.session;
  session.target = AddressAt(ip, 16, Family::kIpv4);
  session.tos = static_cast<uint8_t>(Number(ip, 1, 1));
  session.ttl = static_cast<uint8_t>(Number(ip, 8, 1));
  session.df = (fragment & 0x4000) != 0;
  datagram.protocol = static_cast<uint8_t>(Number(ip, 9, 1));
  datagram.offset = (fragment & 0x1fff) * 8;
  datagram.more = (fragment & 0x2000) != 0;
  // Identification and addresses.
  datagram.key = std::string(ip.substr(4, 2)) + std::string(ip.substr(12, 8));
  datagram.payload = ip.substr(header, total - header);
  return datagram;
}

std::optional<Datagram> ReadIpv6(std::string_view ip) {
  if (ip.size() < kIpv6Header || kIpv6Header + Number(ip, 4, 2) > ip.size()) {
    return std::nullopt;
  }
  Datagram datagram;
  datagram.copy.source = AddressAt(ip, 8, Family::kIpv6);
  Session& session = datagram.copy.session;
  session.target = AddressAt(ip, 24, Family::kIpv6);
  session.tos = static_cast<uint8_t>(Number(ip, 0, 2) >> 4);
  session.ttl = static_cast<uint8_t>(Number(ip, 7, 1));
  datagram.protocol = static_cast<uint8_t>(Number(ip, 6, 1));
  datagram.payload = ip.substr(kIpv6Header, Number(ip, 4, 2));
  if (datagram.protocol == kProtocolFragment) {
    if (datagram.payload.size() < kFragmentHeader) {
      return std::nullopt;
    }
    const uint64_t fragment = Number(datagram.payload, 2, 2);
    datagram.protocol = static_cast<uint8_t>(Number(datagram.payload, 0, 1));
    datagram.offset = fragment & 0xfff8;
    datagram.more = (fragment & 1) != 0;
    datagram.key = std::string(datagram.payload.substr(4, 4)) +
                   std::string(ip.substr(8, 32));
    datagram.payload.remove_prefix(kFragmentHeader);
  }
  return datagram;
}

// Takes the GRE header off.
std::optional<CarriedCopy> ReadGre(std::string_view gre, CarriedCopy copy) {
  if (gre.size() < RMIRROR_GRE_HLEN) {
    return std::nullopt;
  }
  const uint64_t flags = Number(gre, 0, 2);
  const size_t header =
      RMIRROR_GRE_HLEN +
      (flags & RMIRROR_GRE_FLAG_KEY ? RMIRROR_GRE_KEY_LEN : 0);
  if (gre.size() < header || (flags & ~uint64_t{RMIRROR_GRE_FLAG_KEY}) != 0 ||
      Number(gre, 2, 2) != RMIRROR_GRE_PROTO) {
    return std::nullopt;
  }
  if (flags & RMIRROR_GRE_FLAG_KEY) {
    copy.session.key = static_cast<uint32_t>(Number(gre, RMIRROR_GRE_HLEN, 4));
  }
  copy.frame = gre.substr(header);
  return copy;
}

}  // namespace

std::optional<CarriedCopy> CopyReader::Read(std::string_view packet,
                                            bool ethernet) {
  if (ethernet) {
    const auto [offset, type] = BehindEthernet(packet);
    if (type != kTypeIpv4 && type != kTypeIpv6) {
      return std::nullopt;
    }
    packet.remove_prefix(offset);
  }
  if (packet.empty()) {
    return std::nullopt;
  }
  std::optional<Datagram> datagram;
  switch (Number(packet, 0, 1) >> 4) {
    case 4:
      datagram = ReadIpv4(packet);
      break;
    case 6:
      datagram = ReadIpv6(packet);
      break;
  }
  if (!datagram || datagram->protocol != kProtocolGre) {
    return std::nullopt;
  }
  if (datagram->offset == 0 && !datagram->more) {
    return ReadGre(datagram->payload, std::move(datagram->copy));
  }
  const std::optional<std::string> whole = Reassemble(
      datagram->key, datagram->offset, datagram->more, datagram->payload);
  return whole ? ReadGre(*whole, std::move(datagram->copy)) : std::nullopt;
}

// Adds `piece` to the packet of `key`, and returns that when it is whole.
std::optional<std::string> CopyReader::Reassemble(const std::string& key,
                                                  size_t offset, bool more,
                                                  std::string_view piece) {
  auto found = std::find_if(
      partial_.begin(), partial_.end(),
      [&](const Fragments& fragments) { return fragments.key == key; });
  if (found == partial_.end()) {
    if (partial_.size() == kMaxPartial) {
      partial_.pop_front();
      incomplete_++;
    }
    partial_.push_back({key, {}, 0, {}});
    found = std::prev(partial_.end());
  }
  std::string& kept = found->pieces[offset];
  found->bytes = found->bytes - kept.size() + piece.size();
  kept = piece;
  if (offset + piece.size() > kMaxPayload || found->bytes > kMaxPayload) {
    // Whoever sent these wants us to run out of memory.
    partial_.erase(found);
    incomplete_++;
    return std::nullopt;
  }
  if (!more) {
    found->size = offset + piece.size();
  }
  if (found->size != found->bytes) {
    return std::nullopt;
  }
  std::string whole;
  for (const auto& [begin, bytes] : found->pieces) {
    if (begin != whole.size()) {
      return std::nullopt;
    }
    whole += bytes;
  }
  partial_.erase(found);
  return whole;
}

size_t OriginalLength(std::string_view frame) {
  const auto [offset, type] = BehindEthernet(frame);
  size_t length = 0;
  if (type == kTypeIpv4 && frame.size() >= offset + 4) {
    length = offset + Number(frame, offset + 2, 2);
  } else if (type == kTypeIpv6 && frame.size() >= offset + 6) {
    length = offset + kIpv6Header + Number(frame, offset + 4, 2);
  }
  // A short frame has padding behind its IP packet.
  return std::max(length, frame.size());
}

}  // namespace ovs_rmirror
