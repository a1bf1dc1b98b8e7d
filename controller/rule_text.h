// SPDX-License-Identifier: Apache-2.0
//
// Rules as iptables-save writes them: the canonical text of a rule.  Reading it
// gives the same rule again.

#ifndef CONTROLLER_RULE_TEXT_H
#define CONTROLLER_RULE_TEXT_H

#include <string>

#include "controller/rules.h"

namespace ovs_rmirror {

enum class RuleText {
  kWhole,
  // What the rule is: without its comment, and the budget, which is that of
  // its session.
  kIdentity,
};

// "-A PREROUTING -s 10.0.0.0/8 -p tcp -m tcp --dport 80 -j RMIRROR --target
// 192.0.2.9 --len 96": numbers, no names; defaults omitted.
std::string FormatRule(const Rule& rule, RuleText text = RuleText::kWhole);

// " -s 10.0.0.0/8 -p tcp -m tcp --dport 80": what `matches` says, or nothing.
std::string FormatMatches(const Matches& matches);

// The policy's chains as a file declares them: ":WEB - [0:0]" and a newline
// each.
std::string FormatChains(const Policy& policy);

// " --key 7 --ttl 64": what of `session` is not default, except the target.
std::string FormatSessionOptions(const Session& session);

// The policy as a file: *rmirror, chains, rules, COMMIT.
std::string FormatPolicy(const Policy& policy);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RULE_TEXT_H
