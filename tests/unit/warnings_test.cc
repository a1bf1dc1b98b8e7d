// SPDX-License-Identifier: Apache-2.0

#include "controller/warnings.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/flow_walk.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

// The warnings of a policy without errors.
std::string Warnings(const std::string& rules) {
  const SourceText source("p", "*rmirror\n" + rules + "COMMIT\n");
  Diagnostics diagnostics;
  ReadPolicy(source, GeneratedSets(), &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  std::string s;
  for (const Diagnostic& d : diagnostics.Sorted()) {
    s += std::to_string(d.where.line) + ": " + d.what + "\n";
  }
  return s;
}

const std::string kTo9 = "-j RMIRROR --target 192.0.2.9\n";
const std::string kTo10 = "-j RMIRROR --target 192.0.2.10\n";

TEST(Warnings, TellOfRulesBehindAVerdictForAllTheirPackets) {
  EXPECT_EQ(Warnings("-A OUTPUT -s 10.0.0.0/8 -j DROP\n"
                     "-A OUTPUT -s 10.1.0.0/16 -p tcp " +
                     kTo9),
            "3: this rule can never match: line 2 takes all of its packets\n");
  EXPECT_EQ(Warnings(":WEB -\n-A OUTPUT -g WEB\n-A OUTPUT -j DROP\n"),
            "4: this rule can never match: line 3 takes all of its packets\n");
}

TEST(Warnings, TellOfRulesWhoseSessionHasItsCopy) {
  EXPECT_EQ(Warnings("-A OUTPUT -p tcp --dport 1:100 " + kTo9 +
                     "-A OUTPUT -p tcp --dport 80 -j RMIRROR --target "
                     "192.0.2.9 --len 96\n"),
            "3: this rule can never mirror: its session has a copy of all of "
            "its packets by line 2\n");
}

TEST(Warnings, AreNotForRulesThatGetPackets) {
  EXPECT_EQ(
      Warnings("-A OUTPUT -s 10.0.0.0/8 " + kTo9 + "-A OUTPUT -s 10.1.0.0/16 " +
               kTo10 + "-A OUTPUT -s 10.0.0.0/7 " + kTo9 +
               "-A PREROUTING -p tcp --dport 80 -j DROP\n"
               "-A PREROUTING -p tcp " +
               kTo9 + "-A OUTPUT -4 -j DROP\n-A OUTPUT -j DROP\n"),
      "");
}

TEST(Warnings, TellOfPacketsOverALimitThatNoLaterRuleCopies) {
  const std::string limited = "-A OUTPUT -p tcp -m limit --limit 10 " + kTo9;
  EXPECT_EQ(Warnings(limited + "-A OUTPUT -p tcp --dport 80 " + kTo9),
            "3: this rule can never mirror: its session takes all of its "
            "packets by line 2, copied or not\n");
  EXPECT_EQ(Warnings("-A OUTPUT -p tcp -m statistic --mode random "
                     "--probability 0.5 " +
                     kTo9 + "-A OUTPUT -s 10.0.0.1 " + kTo9),
            "3: what line 2 matches and does not copy will not be copied by "
            "this rule, either: they have the same session\n");
  EXPECT_EQ(Warnings(limited + "-A OUTPUT -p udp " + kTo9 +
                     "-A OUTPUT -p tcp " + kTo10 + "-A INPUT -p tcp " + kTo9),
            "");
}

TEST(Warnings, KnowThePortsByWhichPacketsEnterAndLeave) {
  EXPECT_EQ(Warnings("-A FORWARD -i vnet+ -o eth0 -j ACCEPT\n"
                     "-A FORWARD -i vnet1 -o eth0 " +
                     kTo9 + "-A FORWARD -i vnet1 -o eth1 " + kTo9 +
                     "-A FORWARD -i vne+ -o eth0 " + kTo9),
            "3: this rule can never match: line 2 takes all of its packets\n");
}

TEST(Warnings, TellOfTargetsThatAreThisHost) {
  const SourceText source(
      "p", "*rmirror\n-A OUTPUT " + kTo9 + "-A OUTPUT " + kTo10 + "COMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  WarnOfLocalTargets(policy, {*ParseAddress("192.0.2.10")}, &diagnostics);
  ASSERT_EQ(diagnostics.Sorted().size(), 1u);
  EXPECT_EQ(diagnostics.Sorted()[0].where.line, 3);
  EXPECT_EQ(diagnostics.Sorted()[0].what,
            "the target 192.0.2.10 is an address of this host");
}

TEST(LocalAddresses, HoldTheLoopback) {
  const std::vector<Address> local = LocalAddresses();
  EXPECT_NE(std::find(local.begin(), local.end(), *ParseAddress("127.0.0.1")),
            local.end());
}

// A rule that is warned of gets no packet, whatever the packet.
RC_GTEST_PROP(Warnings, AreTrue, ()) {
  Policy policy = GeneratePolicy();
  for (size_t r = 0; r < policy.rules.size(); r++) {
    policy.rules[r].where.line = static_cast<int>(r);
  }
  Diagnostics diagnostics;
  WarnOfShadowedRules(&policy, &diagnostics);
  std::vector<Diagnostic> warnings = diagnostics.Sorted();
  std::erase_if(warnings, [](const Diagnostic& warning) {
    return !warning.what.starts_with("this rule can never");
  });
  RC_CLASSIFY(!warnings.empty());
  for (int i = 0; i < 30; i++) {
    const Trip trip = GenerateTrip();
    const Tally outcome = FollowRules(policy, GeneratedPorts(), trip);
    for (const Diagnostic& warning : warnings) {
      RC_ASSERT(
          !outcome.hits.contains(static_cast<size_t>(warning.where.line)));
    }
  }
}

}  // namespace
}  // namespace ovs_rmirror
