// SPDX-License-Identifier: Apache-2.0
//
// Random rules and packets for properties.  Values come from small pools, so
// that rules meet packets and each other.

#ifndef TESTS_UNIT_GENERATE_H
#define TESTS_UNIT_GENERATE_H

#include <rapidcheck.h>

#include <algorithm>
#include <string>
#include <vector>

#include "controller/address.h"
#include "controller/rules.h"
#include "tests/unit/evaluate.h"

namespace ovs_rmirror {

// The ports of the bridge to which random rules and packets refer; rules also
// name "absent".
inline PortNumbers GeneratedPorts() {
  return {{"br0", kPortLocal}, {"one", 1}, {"two", 2}};
}

inline bool OneIn(int n) { return *rc::gen::inRange(0, n) == 0; }

template <typename T>
T OneOf(const std::vector<T>& values) {
  return *rc::gen::elementOf(values);
}

inline Uint128 GenerateBits(Family family) {
  const Uint128 low = static_cast<Uint128>(*rc::gen::inRange(0, 4));
  return family == Family::kIpv4
             ? (Uint128{10} << 24) + low
             : (Uint128{0x20010db8} << 96) + (low >> 1 << 64) + (low & 1);
}

inline Network GenerateNetwork(Family family) {
  const int width = AddressWidth(family);
  Uint128 mask = PrefixMask(
      family, OneOf<int>({0, 1, 8, width / 2, width - 1, width, width, width}));
  if (OneIn(4)) {
    mask ^= Uint128{1} << *rc::gen::inRange(0, width);
  }
  for (const auto& part : Complement(Masked<Uint128>{0, mask}, width)) {
    if (!IsReadableMask(family, part.mask)) {
      mask = PrefixMask(family, width);
      break;
    }
  }
  return {family, {GenerateBits(family) & mask, mask}};
}

inline AddressMatch GenerateAddresses(Family family) {
  AddressMatch match;
  match.negated = OneIn(4);
  const int n = match.negated ? 1 : *rc::gen::inRange(1, 4);
  for (int i = 0; i < n; i++) {
    const Network network = GenerateNetwork(family);
    // Reading a list drops what it holds twice.
    if (std::find(match.networks.begin(), match.networks.end(), network) ==
        match.networks.end()) {
      match.networks.push_back(network);
    }
  }
  return match;
}

inline uint16_t GeneratePort() {
  return OneOf<uint16_t>({0, 1, 79, 80, 81, 1023, 1024, 32768, 65534, 65535});
}

inline PortMatch GeneratePorts() {
  const uint16_t a = GeneratePort(), b = OneIn(2) ? a : GeneratePort();
  return {OneIn(4), std::min(a, b), std::max(a, b)};
}

inline Mirror GenerateMirror() {
  Mirror mirror;
  Session& session = mirror.session;
  session.target = *ParseAddress(OneOf<std::string>(
      {"192.0.2.9", "192.0.2.9", "192.0.2.10", "2001:db8::9"}));
  if (OneIn(4)) {
    session.key = OneOf<uint32_t>({0, 7, 0xffffffff});
  }
  if (OneIn(8)) {
    session.ttl = 64;
  }
  if (OneIn(8)) {
    session.tos = OneIn(2) ? std::optional<uint8_t>(0x20) : std::nullopt;
  }
  session.df = OneIn(8);
  mirror.len.mtu = OneIn(8);
  if (!mirror.len.mtu) {
    mirror.len.bytes = OneOf<uint16_t>({0, 14, 96, 65535});
  }
  return mirror;
}

inline Rule GenerateRule() {
  Rule rule;
  rule.chain = OneIn(4) ? Chain::kOutput : Chain::kPrerouting;
  if (OneIn(2)) {
    const Family family = OneIn(3) ? Family::kIpv6 : Family::kIpv4;
    rule.ipv4 = family == Family::kIpv4;
    rule.ipv6 = family == Family::kIpv6;
    if (OneIn(2)) {
      rule.source = GenerateAddresses(family);
    }
    if (OneIn(3)) {
      rule.destination = GenerateAddresses(family);
    }
  }
  if (OneIn(2)) {
    const bool with_ports = OneIn(2);
    rule.protocol = {
        !with_ports && OneIn(4),
        OneOf<uint8_t>(with_ports ? std::vector<uint8_t>{6, 17, 132}
                                  : std::vector<uint8_t>{1, 6, 47, 58})};
    if (with_ports && OneIn(2)) {
      rule.source_port = GeneratePorts();
    }
    if (with_ports && OneIn(2)) {
      rule.destination_port = GeneratePorts();
    }
  }
  if (rule.chain == Chain::kPrerouting && OneIn(4)) {
    rule.in_interface = OneOf<std::string>({"one", "two", "br0", "absent"});
  }
  if (OneIn(6)) {
    rule.mac_source = {
        OneIn(2),
        0x020000000000u + static_cast<uint64_t>(*rc::gen::inRange(0, 3))};
  }
  if (OneIn(3)) {
    rule.target =
        OneOf<Verdict>({Verdict::kAccept, Verdict::kDrop, Verdict::kReturn});
  } else {
    rule.target = GenerateMirror();
  }
  return rule;
}

inline Policy GeneratePolicy() {
  Policy policy;
  const int n = *rc::gen::inRange(0, 9);
  for (int i = 0; i < n; i++) {
    // Now and then the same rule again.
    policy.rules.push_back(i > 0 && OneIn(8) ? policy.rules.back()
                                             : GenerateRule());
  }
  return policy;
}

inline Packet GeneratePacket() {
  Packet packet;
  packet.in_port = OneOf<uint32_t>({1, 1, 2, 3, kPortLocal});
  packet.dl_src =
      0x020000000000u + static_cast<uint64_t>(*rc::gen::inRange(0, 4));
  if (OneIn(8)) {
    return packet;
  }
  packet.family = OneIn(3) ? Family::kIpv6 : Family::kIpv4;
  packet.nw_src = GenerateBits(*packet.family);
  packet.nw_dst = GenerateBits(*packet.family);
  packet.nw_proto = OneOf<uint8_t>({1, 6, 6, 17, 17, 47, 58, 132, 200});
  packet.later_fragment = OneIn(6);
  if (!packet.later_fragment &&
      (packet.nw_proto == 6 || packet.nw_proto == 17 ||
       packet.nw_proto == 132)) {
    packet.tp_src = GeneratePort();
    packet.tp_dst = GeneratePort();
  }
  return packet;
}

}  // namespace ovs_rmirror

#endif  // TESTS_UNIT_GENERATE_H
