// SPDX-License-Identifier: Apache-2.0
//
// Second stage: tokens to the file's structure.  The parser knows the lines of
// iptables-save's format, the names of the options and how many arguments each
// takes.  It does not look into arguments: that is for rules.h.

#ifndef CONTROLLER_PARSER_H
#define CONTROLLER_PARSER_H

#include <optional>
#include <string_view>
#include <vector>

#include "controller/diagnostic.h"
#include "controller/scanner.h"

namespace ovs_rmirror {

enum class OptionId {
  kSource,            // -s
  kDestination,       // -d
  kProtocol,          // -p
  kInInterface,       // -i
  kOutInterface,      // -o
  kJump,              // -j
  kGoto,              // -g
  kMatch,             // -m
  kIpv4,              // -4
  kIpv6,              // -6
  kFragment,          // -f
  kSourcePort,        // --sport, of -p tcp, udp and sctp
  kDestinationPort,   // --dport, likewise
  kTcpFlags,          // --tcp-flags MASK SET, of -p tcp
  kSyn,               // --syn, of -p tcp
  kIcmpType,          // --icmp-type, of -p icmp
  kIcmpv6Type,        // --icmpv6-type, of -p icmpv6
  kSourcePorts,       // --sports, of -m multiport
  kDestinationPorts,  // --dports, likewise
  kPorts,             // --ports, likewise
  kMacSource,         // --mac-source, of -m mac
  kSourceRange,       // --src-range, of -m iprange
  kDestinationRange,  // --dst-range, likewise
  kMatchSet,          // --match-set NAME DIRECTION,..., of -m set
  kDscp,              // --dscp, of -m dscp
  kDscpClass,         // --dscp-class, likewise
  kMark,              // --mark, of -m mark
  kSourceType,        // --src-type, of -m addrtype
  kDestinationType,   // --dst-type, likewise
  kVlanId,            // --vlan-id, of -m vlan
  kLimit,             // --limit, of -m limit
  kLimitBurst,        // --limit-burst, likewise
  kMode,              // --mode, of -m statistic
  kProbability,       // --probability, likewise
  kEvery,             // --every, likewise
  kPacket,            // --packet, likewise
  kComment,           // --comment, of -m comment
  kTarget,            // --target, of -j RMIRROR, as all that follow
  kLen,               // --len
  kKey,               // --key
  kTtl,               // --ttl
  kTos,               // --tos
  kDf,                // --df
};

// "[!] NAME [VALUE [SECOND]]".
struct ParsedOption {
  OptionId id;
  Token name;  // As written: a short or a long form.
  std::optional<Token> negation;
  std::optional<Token> value;  // Present for exactly the options that take one.
  std::optional<Token> second;  // Likewise, for those that take two.
};

// "[PACKETS:BYTES] -A CHAIN OPTION..."
struct ParsedRule {
  Token append;
  Token chain;
  std::vector<ParsedOption> options;
};

// ":NAME POLICY [PACKETS:BYTES]"
struct ParsedChain {
  Token name;
  Token policy;
};

struct ParsedPolicy {
  std::vector<ParsedChain> chains;
  std::vector<ParsedRule> rules;
};

// Returns what can be made of `lines`, which is everything if it adds no error
// to `diagnostics`.
ParsedPolicy Parse(const std::vector<TokenLine>& lines,
                   Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PARSER_H
