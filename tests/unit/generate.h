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
#include "controller/rule_text.h"
#include "controller/rules.h"
#include "tests/unit/flow_walk.h"

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

// The sets to which random rules refer, as ipset save writes them.
inline constexpr char kGeneratedSets[] =
    "create hosts hash:ip family inet\n"
    "add hosts 10.0.0.1\n"
    "add hosts 10.0.0.2\n"
    "create nets hash:net family inet\n"
    "add nets 10.0.0.0/8\n"
    "add nets 10.0.0.0/30 nomatch\n"
    "add nets 10.0.0.3/32\n"
    "create nets6 hash:net family inet6\n"
    "add nets6 2001:db8::/32\n"
    "add nets6 2001:db8::1/128 nomatch\n"
    "create services hash:ip,port family inet\n"
    "add services 10.0.0.1,tcp:80\n"
    "add services 10.0.0.1,udp:79-1024\n"
    "add services 10.0.0.2,80\n"
    "create netservices hash:net,port family inet\n"
    "add netservices 10.0.0.0/30,tcp:80\n"
    "add netservices 10.0.0.2/32,tcp:80 nomatch\n"
    "create macs hash:mac\n"
    "add macs 02:00:00:00:00:01\n"
    "add macs 02:00:00:00:00:02\n"
    "create nothing hash:ip family inet\n";

inline const IpSets& GeneratedSets() {
  static const IpSets sets = [] {
    const SourceText source("sets", kGeneratedSets);
    Diagnostics diagnostics;
    IpSets result;
    ReadIpSets(source, &result, &diagnostics);
    RC_ASSERT(Format(source, diagnostics) == "");
    return result;
  }();
  return sets;
}

inline SetMatch GenerateSet(const std::string& name) {
  SetMatch match;
  match.negated = OneIn(2);
  match.set = GeneratedSets().at(name);
  for (size_t i = 0; i < match.set->Dimensions(); i++) {
    const bool source = match.set->type == IpSet::Type::kMac || OneIn(2);
    match.directions.push_back(source ? SetMatch::Direction::kSource
                                      : SetMatch::Direction::kDestination);
  }
  return match;
}

inline MultiportMatch GenerateMultiport() {
  MultiportMatch match;
  match.negated = OneIn(3);
  match.side = OneOf<MultiportMatch::Side>({MultiportMatch::Side::kSource,
                                            MultiportMatch::Side::kDestination,
                                            MultiportMatch::Side::kEither});
  const int n = *rc::gen::inRange(1, 5);
  for (int i = 0; i < n; i++) {
    const PortMatch range = GeneratePorts();
    match.ports.push_back({range.first, range.last});
  }
  return match;
}

inline void GenerateTransport(Matches* m) {
  if (OneIn(2)) {
    m->source_port = GeneratePorts();
  }
  if (OneIn(2)) {
    m->destination_port = GeneratePorts();
  }
  if (OneIn(3)) {
    m->multiports.push_back(GenerateMultiport());
  }
  if (m->protocol->protocol == 6 && OneIn(3)) {
    const auto mask = OneOf<uint8_t>({0x3f, 0x17, 0x02, 0x12});
    m->tcp_flags = {OneIn(3), mask,
                    static_cast<uint8_t>(OneOf<uint8_t>({0, 2, 18}) & mask)};
  }
}

inline void GenerateIcmp(Matches* m) {
  const bool v4 = m->ipv4;
  m->protocol = {false, v4 ? uint8_t{1} : uint8_t{58}};
  IcmpMatch match;
  match.negated = OneIn(3);
  match.family = v4 ? Family::kIpv4 : Family::kIpv6;
  match.type = OneOf<uint8_t>({0, 3, 8, 128});
  if (OneIn(3)) {
    match.code = OneOf<uint8_t>({0, 1, 4});
  }
  m->icmp = match;
}

// What is said of packets of one family.
inline void GenerateOfFamily(Family family, Matches* m) {
  m->ipv4 = family == Family::kIpv4;
  m->ipv6 = family == Family::kIpv6;
  if (OneIn(2)) {
    m->source = GenerateAddresses(family);
  }
  if (OneIn(3)) {
    m->destination = GenerateAddresses(family);
  }
  if (OneIn(4)) {
    const Uint128 a = GenerateBits(family), b = GenerateBits(family);
    m->source_range = {OneIn(3), family, {std::min(a, b), std::max(a, b)}};
  }
  if (OneIn(6)) {
    const Uint128 a = GenerateBits(family);
    m->destination_range = {OneIn(3), family, {a, a + 1000}};
  }
  if (family == Family::kIpv4 && OneIn(6)) {
    m->fragment = {OneIn(2)};
  }
  if (OneIn(3)) {
    m->sets.push_back(
        GenerateSet(family == Family::kIpv6
                        ? std::string("nets6")
                        : OneOf<std::string>({"hosts", "nets", "services",
                                              "netservices", "nothing"})));
  }
}

inline InterfaceMatch GenerateInterface() {
  if (OneIn(16)) {
    return {true, "", true};
  }
  if (OneIn(4)) {
    return {OneIn(3), OneOf<std::string>({"o", "t", "b", "x"}), true};
  }
  return {OneIn(3), OneOf<std::string>({"one", "two", "br0", "absent"}), false};
}

// What a rule in `chain` can say.
inline Matches GenerateMatches(const std::string& chain_name) {
  const std::optional<Chain> chain = ChainByName(chain_name);
  Matches m;
  if (OneIn(2)) {
    GenerateOfFamily(OneIn(3) ? Family::kIpv6 : Family::kIpv4, &m);
  }
  if (m.ipv4 != m.ipv6 && OneIn(6)) {
    GenerateIcmp(&m);
  } else if (OneIn(2)) {
    const bool with_ports = OneIn(2);
    m.protocol = {
        !with_ports && OneIn(4),
        OneOf<uint8_t>(with_ports ? std::vector<uint8_t>{6, 17, 132}
                                  : std::vector<uint8_t>{1, 6, 47, 58})};
    if (with_ports) {
      GenerateTransport(&m);
    }
  }
  if (OneIn(6)) {
    m.destination_type = {OneIn(3), OneIn(2), OneIn(2), true};
  }
  if (chain != Chain::kOutput && chain != Chain::kPostrouting && OneIn(4)) {
    m.in_interface = GenerateInterface();
  }
  if ((!chain || chain == Chain::kForward || chain == Chain::kPostrouting) &&
      OneIn(4)) {
    m.out_interface = GenerateInterface();
  }
  if (OneIn(6)) {
    m.mac_source = {OneIn(2), 0x020000000000u + static_cast<uint64_t>(
                                                    *rc::gen::inRange(0, 3))};
  }
  if (OneIn(8)) {
    m.sets.push_back(GenerateSet("macs"));
  }
  if (OneIn(8)) {
    m.vlan = {OneIn(2), OneOf<uint16_t>({0, 7, 4095})};
  }
  if (OneIn(8)) {
    const auto mask = OneOf<uint32_t>({0xffffffff, 0xff, 1});
    m.mark = {OneIn(2), {OneOf<uint32_t>({0, 1, 0x101}) & mask, mask}};
  }
  if (OneIn(8)) {
    m.dscp = {OneIn(2), OneOf<uint8_t>({0, 46, 63})};
  }
  return m;
}

// A rule of `chain` that may jump to one of `chains`.
inline Rule GenerateRule(const std::string& chain,
                         const std::vector<std::string>& chains) {
  Rule rule;
  rule.chain = chain;
  rule.matches = GenerateMatches(chain);
  if (!chains.empty() && OneIn(3)) {
    rule.target = Jump{OneOf(chains), OneIn(4)};
  } else if (OneIn(3)) {
    rule.target =
        OneOf<Verdict>({Verdict::kAccept, Verdict::kDrop, Verdict::kReturn});
  } else {
    rule.target = GenerateMirror();
    if (OneIn(8)) {
      rule.matches.limit = {OneOf<uint32_t>({1, 10, UINT32_MAX}),
                            OneOf<uint32_t>({1, 5, 100})};
    }
    if (OneIn(8)) {
      rule.matches.statistic = {
          OneOf<uint32_t>({1, 0x40000000, 0x55555555, 0xfffffffe})};
    }
  }
  return rule;
}

// Gives some sessions of `*policy` a budget, and their rules no limit.
inline void GenerateBudgets(Policy* policy) {
  std::map<std::string, std::optional<Budget>> budgets;
  for (Rule& rule : policy->rules) {
    if (!rule.mirror()) {
      continue;
    }
    auto& mirror = std::get<Mirror>(rule.target);
    const std::string session = FormatAddress(mirror.session.target) +
                                FormatSessionOptions(mirror.session);
    if (!budgets.contains(session)) {
      budgets[session] =
          OneIn(4) ? std::optional(
                         Budget{OneOf<Budget::Unit>({Budget::Unit::kPackets,
                                                     Budget::Unit::kKilobits}),
                                OneOf<uint32_t>({1, 1000, UINT32_MAX}),
                                OneOf<uint32_t>({1, 1000, 524})})
                   : std::nullopt;
    }
    mirror.budget = budgets[session];
    if (mirror.budget) {
      rule.matches.limit.reset();
    }
  }
}

// A policy in which chains jump only to those that follow them.
inline Policy GeneratePolicy() {
  Policy policy;
  static const std::vector<std::string> kUserChains = {"WEB", "a-b_c", "C"};
  const size_t chains = OneIn(2) ? 0 : *rc::gen::inRange<size_t>(1, 4);
  policy.user_chains.assign(
      kUserChains.begin(),
      kUserChains.begin() + static_cast<ptrdiff_t>(chains));
  std::vector<Chain> built_in = {Chain::kPrerouting, Chain::kPrerouting,
                                 Chain::kPrerouting, Chain::kOutput};
  if (OneIn(2)) {
    built_in = {Chain::kForward, Chain::kForward, Chain::kPostrouting,
                Chain::kPostrouting, Chain::kInput};
  }
  if (OneIn(2)) {
    built_in.assign(kChains.begin(), kChains.end());
  }
  for (const Chain chain : kChains) {
    if (OneIn(4)) {
      policy.chain_policies[chain] = Verdict::kDrop;
    }
  }
  const int n = *rc::gen::inRange(0, chains ? 14 : 9);
  for (int i = 0; i < n; i++) {
    // Now and then the same rule again.
    if (i > 0 && OneIn(8)) {
      policy.rules.push_back(policy.rules.back());
    } else if (chains && OneIn(2)) {
      const size_t c = *rc::gen::inRange<size_t>(0, chains);
      policy.rules.push_back(GenerateRule(
          policy.user_chains[c],
          {policy.user_chains.begin() + static_cast<ptrdiff_t>(c) + 1,
           policy.user_chains.end()}));
    } else {
      policy.rules.push_back(GenerateRule(
          std::string(ChainName(OneOf(built_in))), policy.user_chains));
    }
  }
  GenerateBudgets(&policy);
  return policy;
}

inline uint32_t GeneratePortNumber() {
  return OneOf<uint32_t>({1, 1, 2, 3, kPortLocal});
}

inline Packet GeneratePacket() {
  Packet packet;
  packet.in_port = GeneratePortNumber();
  packet.mark = OneOf<uint32_t>({0, 0, 1, 0x101, 0xffffffff});
  if (OneIn(4)) {
    packet.vlan = OneOf<uint16_t>({0, 7, 8, 4095});
  }
  packet.dl_src =
      0x020000000000u + static_cast<uint64_t>(*rc::gen::inRange(0, 4));
  if (OneIn(8)) {
    return packet;
  }
  packet.family = OneIn(3) ? Family::kIpv6 : Family::kIpv4;
  packet.nw_src = GenerateBits(*packet.family);
  packet.nw_dst = GenerateBits(*packet.family);
  if (OneIn(6)) {
    packet.nw_dst = packet.family == Family::kIpv4
                        ? OneOf<uint32_t>({0, 0xe0000001, 0xffffffff})
                        : Uint128{0xff02} << 112;
  }
  packet.dscp = OneOf<uint8_t>({0, 0, 46, 63});
  packet.nw_proto = OneOf<uint8_t>({1, 6, 6, 17, 17, 47, 58, 132, 200});
  packet.later_fragment = OneIn(6);
  if (packet.later_fragment) {
    return packet;
  }
  if (packet.nw_proto == 6 || packet.nw_proto == 17 || packet.nw_proto == 132) {
    packet.tp_src = GeneratePort();
    packet.tp_dst = GeneratePort();
  } else if (packet.nw_proto == 1 || packet.nw_proto == 58) {
    packet.tp_src = OneOf<uint16_t>({0, 3, 8, 128, 255});
    packet.tp_dst = OneOf<uint16_t>({0, 1, 4});
  }
  if (packet.nw_proto == 6) {
    packet.tcp_flags = OneOf<uint8_t>({0, 2, 16, 18, 0x3f});
  }
  return packet;
}

inline Trip GenerateTrip() {
  Trip trip = {GeneratePacket(), {}};
  const int n = *rc::gen::inRange(0, 4);
  for (int i = 0; i < n; i++) {
    trip.outputs.push_back(GeneratePortNumber());
  }
  return trip;
}

}  // namespace ovs_rmirror

#endif  // TESTS_UNIT_GENERATE_H
