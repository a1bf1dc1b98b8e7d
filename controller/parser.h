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
  kSource,           // -s
  kDestination,      // -d
  kProtocol,         // -p
  kInInterface,      // -i
  kJump,             // -j
  kMatch,            // -m
  kIpv4,             // -4
  kIpv6,             // -6
  kSourcePort,       // --sport, of -p tcp, udp and sctp
  kDestinationPort,  // --dport, likewise
  kMacSource,        // --mac-source, of -m mac
  kComment,          // --comment, of -m comment
  kTarget,           // --target, of -j RMIRROR, as all that follow
  kLen,              // --len
  kKey,              // --key
  kTtl,              // --ttl
  kTos,              // --tos
  kDf,               // --df
};

// "[!] NAME [VALUE]".
struct ParsedOption {
  OptionId id;
  Token name;  // As written: a short or a long form.
  std::optional<Token> negation;
  std::optional<Token> value;  // Present for exactly the options that take one.
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
