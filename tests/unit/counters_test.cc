// SPDX-License-Identifier: Apache-2.0

#include "controller/counters.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

SwitchFlow Counting(const Cookie& cookie, uint64_t packets, uint64_t bytes) {
  SwitchFlow flow;
  flow.cookie = EncodeCookie(cookie);
  flow.packets = packets;
  flow.bytes = bytes;
  return flow;
}

TEST(Counters, OfARuleAreThoseOfAllItsFlows) {
  SwitchFlow foreign;
  foreign.packets = 100;
  const CookieCounters sums =
      SumByCookie({Counting({Role::kMirror, 1}, 1, 60),
                   Counting({Role::kMirror, 1}, 2, 120),
                   Counting({Role::kMirror, 2}, 5, 5), foreign});
  EXPECT_EQ(sums, (CookieCounters{{EncodeCookie({Role::kMirror, 1}), {3, 180}},
                                  {EncodeCookie({Role::kMirror, 2}), {5, 5}}}));
}

TEST(Counters, OfAVerdictAreNotThoseInTheStagesOfSessions) {
  const SourceText source("p",
                          "*rmirror\n-A OUTPUT -p tcp -j RETURN\n"
                          "-A OUTPUT -p udp -j ACCEPT\n"
                          "-A OUTPUT -j RMIRROR --target 192.0.2.9\n"
                          "COMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  const Program program = BuildStages(policy, {}, &diagnostics);
  const PolicyCounters counters = CountPolicy(
      policy, program,
      SumByCookie({Counting({Role::kGuard, program.ids[0]}, 7, 7),
                   Counting({Role::kVerdict, program.ids[0]}, 2, 20),
                   Counting({Role::kVerdict, program.ids[1]}, 4, 40),
                   Counting({Role::kMirror, program.ids[2]}, 3, 30),
                   Counting({Role::kEntry, ChainId(Chain::kOutput)}, 99, 99),
                   Counting({Role::kPolicy, ChainId(Chain::kOutput)}, 1, 10)}));
  EXPECT_EQ(counters.rules, (std::vector<Counters>{{2, 20}, {4, 40}, {3, 30}}));
  // RETURN leads to the chain's policy, ACCEPT does not.
  EXPECT_EQ(counters.chains.at(Chain::kOutput), (Counters{3, 30}));
  EXPECT_EQ(counters.chains.at(Chain::kPrerouting), (Counters{0, 0}));
}

TEST(Counters, OfARuleAreNotThoseOverItsLimit) {
  const SourceText source(
      "p",
      "*rmirror\n-A OUTPUT -m limit --limit 10 -j RMIRROR --target 192.0.2.9\n"
      "-A OUTPUT -m limit --limit 10 -j RMIRROR --target 192.0.2.10\nCOMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  const Program program = BuildStages(policy, {}, &diagnostics);
  const PolicyCounters counters = CountPolicy(
      policy, program,
      SumByCookie({Counting({Role::kMirror, program.ids[0]}, 7, 70),
                   Counting({Role::kMirror, program.ids[1]}, 3, 30)}),
      {{program.ids[0], {5, 50}}, {program.ids[1], {4, 40}}});
  // What the meter has counted meanwhile does not make a rule count backward.
  EXPECT_EQ(counters.rules, (std::vector<Counters>{{2, 20}, {0, 0}}));
}

}  // namespace
}  // namespace ovs_rmirror
