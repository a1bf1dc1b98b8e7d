// SPDX-License-Identifier: Apache-2.0
//
// The stages of the compiler for programs.

#ifndef CONTROLLER_COMPILE_JSON_H
#define CONTROLLER_COMPILE_JSON_H

#include <nlohmann/json.hpp>
#include <vector>

#include "controller/flow_text.h"
#include "controller/flows.h"
#include "controller/rules.h"
#include "controller/scanner.h"
#include "controller/stages.h"
#include "controller/tap.h"

namespace ovs_rmirror {

// An array of objects with the members line, column (in bytes, from 1), kind
// and text.
nlohmann::json TokensAsJson(const std::vector<TokenLine>& lines);

// An object with the members chains, an array of objects with chain and, if it
// is built in, policy; and rules, an array of objects with line, chain and
// rule, which is the rule's canonical text.
nlohmann::json PolicyAsJson(const Policy& policy);

// An array of objects with the members number, chain, session, which is null
// for the verdicts, and rules, an array of objects with priority and rule.
nlohmann::json StagesAsJson(const Policy& policy, const Program& program);

// An object with the members flows, an array of objects with table, priority,
// cookie, match and actions, the last two as ovs-ofctl(8) writes them; and
// meters, an array of objects with meter, its number, and rate and burst in
// packets.
nlohmann::json FlowsAsJson(const TapFlows& tap, const TapTables& tables,
                           const MeterNumbers& meters);

// An object with the members flows and stages, numbers, and rules, an array of
// objects with line, rule, flows and stages.
nlohmann::json StatisticsAsJson(const Policy& policy, const Program& program,
                                const TapFlows& tap);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_COMPILE_JSON_H
