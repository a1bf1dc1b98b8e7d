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
#include "controller/budget.h"
#include "controller/diagnostic.h"
#include "controller/ipset.h"
#include "controller/matches.h"
#include "controller/parser.h"
#include "controller/tap.h"
#include "rmirror/netlink.h"

namespace ovs_rmirror {

// The chains at which packets enter the policy.
enum class Chain {
  kPrerouting,   // Packets that enter the bridge by any port but LOCAL.
  kInput,        // Packets that leave the bridge by LOCAL, for the host.
  kForward,      // Packets that neither enter nor leave the bridge by LOCAL.
  kOutput,       // Packets that enter the bridge by LOCAL, from the host.
  kPostrouting,  // Packets that leave the bridge by any port but LOCAL.
};
// In the order in which iptables lists them.
inline constexpr std::array<Chain, 5> kChains = {
    Chain::kPrerouting, Chain::kInput, Chain::kForward, Chain::kOutput,
    Chain::kPostrouting};
std::string_view ChainName(Chain chain);
std::optional<Chain> ChainByName(std::string_view name);

// Where packets are offered to `chain`.  At egress, a packet for which FORWARD
// is meets POSTROUTING behind it, unless DROP ends FORWARD.
Tap TapOf(Chain chain);

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
  // That of the session: all of its rules have the same, whichever names it.
  std::optional<Budget> budget = {};

  bool operator==(const Mirror&) const = default;
};

// -j CHAIN or -g CHAIN: go on in a user's chain.
struct Jump {
  std::string chain;
  bool is_goto = false;  // At its end, do not come back to the rule's chain.

  bool operator==(const Jump&) const = default;
};

struct Rule {
  std::string chain = "PREROUTING";
  Location where;  // Of the rule's "-A".
  Matches matches;
  std::string comment;
  std::variant<Mirror, Verdict, Jump> target;
  std::string never = {};  // Why no packet can get here, if that is certain.
  Location target_where = {};  // Of the collector's address, if it mirrors.
  // Where it names the budget of its session, if it does.
  std::optional<Location> budget_where = {};

  const Mirror* mirror() const { return std::get_if<Mirror>(&target); }
  const Verdict* verdict() const { return std::get_if<Verdict>(&target); }
  const Jump* jump() const { return std::get_if<Jump>(&target); }
};

struct Policy {
  std::vector<Rule> rules;                  // In the order of the file.
  std::map<Chain, Verdict> chain_policies;  // kAccept if absent.
  std::vector<std::string> user_chains;     // In the order of the file.

  // The verdict at the end of `chain`.
  Verdict PolicyOf(Chain chain) const;

  // Whether a rule stands in a chain at which packets enter there.  At a tap
  // without rules, no packet is looked at, or counted.
  bool Uses(Tap tap) const;
};

// The longest name that iptables gives a chain, in bytes.
inline constexpr size_t kMaxChainName = 28;

// How deep jumps may be nested.
inline constexpr size_t kMaxJumps = 32;

// Returns the typed policy, which is whole if no error was added: each jump
// leads to a chain of the policy, and none back to where it came from.  Rules
// may refer to `sets`.
Policy BuildRules(const ParsedPolicy& parsed, const IpSets& sets,
                  Diagnostics* diagnostics);

// The three stages at once.
Policy ReadPolicy(const SourceText& source, const IpSets& sets,
                  Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RULES_H
