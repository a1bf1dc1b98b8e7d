// SPDX-License-Identifier: Apache-2.0
//
// Third stage: the policy in types, each value checked and resolved.

#ifndef CONTROLLER_RULES_H
#define CONTROLLER_RULES_H

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/parser.h"
#include "rmirror/netlink.h"

namespace ovs_rmirror {

enum class Chain {
  kPrerouting,  // Packets that enter the bridge by any port but LOCAL.
  kOutput,      // Packets that enter the bridge by LOCAL, from the host.
};
inline constexpr std::array<Chain, 2> kChains = {Chain::kPrerouting,
                                                 Chain::kOutput};
std::string_view ChainName(Chain chain);

// A verdict ends the evaluation of the policy for a packet, and nothing else:
// it neither drops nor accepts the packet.
enum class Verdict { kAccept, kDrop, kReturn };
std::string_view VerdictName(Verdict verdict);

// A stream of copies as the collector sees it.
struct Session {
  Address target;
  std::optional<uint32_t> key;        // GRE key; none: no key on the wire.
  uint8_t ttl = RMIRROR_TTL_DEFAULT;  // Outer TTL or hop limit.
  // Outer DSCP and ECN; none: inherit the inner packet's.
  std::optional<uint8_t> tos = RMIRROR_TOS_DEFAULT;
  bool df = false;  // Outer IPv4 "don't fragment".

  bool operator==(const Session&) const = default;
};

// What a copy keeps of its frame.
struct Length {
  bool mtu = false;  // As much as fits the MTU of the route to the target.
  // From the first byte of the frame; RMIRROR_LEN_ALL: all of it.
  uint16_t bytes = RMIRROR_LEN_ALL;

  bool operator==(const Length&) const = default;
};

struct Mirror {
  Session session;
  Length len;

  bool operator==(const Mirror&) const = default;
};

// [!] NETWORK,...: any of `networks`, or none of them.
struct AddressMatch {
  bool negated = false;
  std::vector<Network> networks;  // Only one if negated.
};

struct ProtocolMatch {
  bool negated = false;
  uint8_t protocol = 0;
};

// [!] FIRST:LAST, of transport ports.
struct PortMatch {
  bool negated = false;
  uint16_t first = 0;
  uint16_t last = 65535;
};

struct MacMatch {
  bool negated = false;
  uint64_t mac = 0;
};

struct Rule {
  Chain chain = Chain::kPrerouting;
  Location where;  // Of the rule's "-A".

  // The families of IP packets that the rule can match.  Meaningful only if
  // MatchesLayer3(): a rule without layer-3 match applies to every frame.
  bool ipv4 = true;
  bool ipv6 = true;

  std::optional<AddressMatch> source;
  std::optional<AddressMatch> destination;
  std::optional<ProtocolMatch> protocol;
  std::optional<std::string> in_interface;  // Name of a port of the bridge.
  std::optional<PortMatch> source_port;
  std::optional<PortMatch> destination_port;
  std::optional<MacMatch> mac_source;
  std::string comment;

  std::variant<Mirror, Verdict> target;

  const Mirror* mirror() const { return std::get_if<Mirror>(&target); }
  const Verdict* verdict() const { return std::get_if<Verdict>(&target); }
  bool MatchesLayer3() const {
    return !ipv4 || !ipv6 || source || destination || protocol;
  }
};

struct Policy {
  std::vector<Rule> rules;                  // In the order of the file.
  std::map<Chain, Verdict> chain_policies;  // kAccept if absent.
};

// Returns the typed policy, which is whole if no error was added.
Policy BuildRules(const ParsedPolicy& parsed, Diagnostics* diagnostics);

// The three stages at once.
Policy ReadPolicy(const SourceText& source, Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RULES_H
