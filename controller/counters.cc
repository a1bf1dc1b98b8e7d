// SPDX-License-Identifier: Apache-2.0

#include "controller/counters.h"

#include <algorithm>

namespace ovs_rmirror {

CookieCounters SumByCookie(const std::vector<SwitchFlow>& flows) {
  CookieCounters sums;
  for (const SwitchFlow& flow : flows) {
    if (DecodeCookie(flow.cookie)) {
      sums[flow.cookie] += {flow.packets, flow.bytes};
    }
  }
  return sums;
}

PolicyCounters CountPolicy(const Policy& policy, const Program& program,
                           const CookieCounters& counters,
                           const MeterCounters& over_limit) {
  const auto find = [&](Role role, RuleId id) {
    const auto it = counters.find(EncodeCookie({role, id}));
    return it == counters.end() ? Counters{} : it->second;
  };
  PolicyCounters result;
  for (const Chain chain : kChains) {
    result.chains[chain] = find(Role::kPolicy, ChainId(chain));
  }
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Rule& rule = policy.rules[r];
    Counters c =
        find(rule.mirror() ? Role::kMirror : Role::kVerdict, program.ids[r]);
    const auto over = over_limit.find(program.ids[r]);
    if (over != over_limit.end()) {
      // The two were not read at the same moment.
      c.packets -= std::min(c.packets, over->second.packets);
      c.bytes -= std::min(c.bytes, over->second.bytes);
    }
    result.rules.push_back(c);
    const std::optional<Chain> chain = ChainByName(rule.chain);
    if (chain && rule.verdict() && *rule.verdict() == Verdict::kReturn) {
      result.chains[*chain] += c;
    }
  }
  return result;
}

}  // namespace ovs_rmirror
