// SPDX-License-Identifier: Apache-2.0

#include "controller/compile_json.h"

#include <algorithm>

#include "controller/rule_text.h"

namespace ovs_rmirror {

using nlohmann::json;

json TokensAsJson(const std::vector<TokenLine>& lines) {
  json all = json::array();
  for (const TokenLine& line : lines) {
    for (const Token& token : line) {
      all.push_back({{"line", token.where.line},
                     {"column", token.where.offset + 1},
                     {"kind", TokenKindName(token.kind)},
                     {"text", token.text}});
    }
  }
  return all;
}

json PolicyAsJson(const Policy& policy) {
  json chains = json::array();
  for (const Chain chain : kChains) {
    const auto it = policy.chain_policies.find(chain);
    chains.push_back({{"chain", ChainName(chain)},
                      {"policy", VerdictName(it == policy.chain_policies.end()
                                                 ? Verdict::kAccept
                                                 : it->second)}});
  }
  for (const std::string& chain : policy.user_chains) {
    chains.push_back({{"chain", chain}});
  }
  json rules = json::array();
  for (const Rule& rule : policy.rules) {
    rules.push_back({{"line", rule.where.line},
                     {"chain", rule.chain},
                     {"rule", FormatRule(rule)}});
  }
  return {{"chains", chains}, {"rules", rules}};
}

json StagesAsJson(const Policy& policy, const Program& program) {
  json stages = json::array();
  for (const Stage& stage : program.stages) {
    json rules = json::array();
    for (const size_t r : stage.rules) {
      rules.push_back({{"priority", program.priorities[r]},
                       {"rule", FormatRule(policy.rules[r])}});
    }
    stages.push_back(
        {{"number", stage.number},
         {"chain", stage.chain},
         {"session",
          stage.session ? json(FormatSession(*stage.session)) : json()},
         {"rules", rules}});
  }
  return stages;
}

json FlowsAsJson(const TapFlows& tap, const TapTables& tables,
                 const MeterNumbers& meters) {
  json flows = json::array();
  for (const Flow& flow : tap.flows) {
    const uint8_t table = tables.of(flow.tap);
    flows.push_back({{"table", table},
                     {"priority", flow.priority},
                     {"cookie", EncodeCookie(flow.cookie)},
                     {"match", FormatMatch(flow.match)},
                     {"actions", FormatActions(flow.actions, table, meters)}});
  }
  json numbered = json::array();
  for (const Meter& meter : tap.meters) {
    numbered.push_back({{"meter", meters.at(meter.id)},
                        {"rate", meter.rate},
                        {"burst", meter.burst},
                        {"unit", meter.kilobits ? "kbit" : "packets"}});
  }
  return {{"flows", flows}, {"meters", numbered}};
}

json StatisticsAsJson(const Policy& policy, const Program& program,
                      const TapFlows& tap) {
  json rules = json::array();
  for (size_t r = 0; r < policy.rules.size(); r++) {
    ptrdiff_t stages = 0;
    for (const Stage& stage : program.stages) {
      stages += std::count(stage.rules.begin(), stage.rules.end(), r);
    }
    rules.push_back({{"line", policy.rules[r].where.line},
                     {"rule", FormatRule(policy.rules[r])},
                     {"flows", tap.flows_of_rule[r]},
                     {"stages", stages}});
  }
  return {{"flows", tap.flows.size()},
          {"stages", program.stages.size()},
          {"rules", rules}};
}

}  // namespace ovs_rmirror
