// SPDX-License-Identifier: Apache-2.0

#include "controller/stages.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

Policy Read(const std::string& rules) {
  const SourceText source("p", "*rmirror\n" + rules + "COMMIT\n");
  Diagnostics diagnostics;
  Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  return policy;
}

Program Build(const Policy& policy, const InstalledPriorities& installed = {}) {
  Diagnostics diagnostics;
  Program program = BuildStages(policy, installed, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  return program;
}

const std::string kMirror9 = "-j RMIRROR --target 192.0.2.9\n";
const std::string kMirror10 = "-j RMIRROR --target 192.0.2.10\n";

TEST(Stages, AreOnePerSessionAndOneForTheVerdicts) {
  const Program program = Build(Read("-A PREROUTING -p tcp " + kMirror9 +
                                     "-A PREROUTING -s 10.0.0.1 -j RETURN\n"
                                     "-A PREROUTING -p udp " +
                                     kMirror10 + "-A PREROUTING -p icmp " +
                                     kMirror9 + "-A PREROUTING -j DROP\n"));
  ASSERT_EQ(program.stages.size(), 4u);
  // Each session's stage ends with its last rule.
  EXPECT_EQ(program.stages[0].rules, (std::vector<size_t>{0, 1, 3}));
  EXPECT_EQ(program.stages[1].rules, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(program.stages[2].rules, (std::vector<size_t>{1, 4}));
  EXPECT_FALSE(program.stages[2].session);
  EXPECT_EQ(program.stages[3].chain, "OUTPUT");
  EXPECT_TRUE(program.stages[3].rules.empty());
}

TEST(Stages, SeparateSessionsByAnyOfTheirFields) {
  const Program program =
      Build(Read("-A OUTPUT -j RMIRROR --target 192.0.2.9\n"
                 "-A OUTPUT -j RMIRROR --target 192.0.2.9 --len 96\n"
                 "-A OUTPUT -j RMIRROR --target 192.0.2.9 --key 0\n"
                 "-A OUTPUT -j RMIRROR --target 192.0.2.9 --ttl 1\n"
                 "-A OUTPUT -j RMIRROR --target 192.0.2.9 --tos 1\n"
                 "-A OUTPUT -j RMIRROR --target 192.0.2.9 --tos inherit\n"
                 "-A OUTPUT -j RMIRROR --target 192.0.2.9 --df\n"));
  // PREROUTING's verdicts, 6 sessions, OUTPUT's verdicts.
  ASSERT_EQ(program.stages.size(), 8u);
  EXPECT_EQ(program.stages[1].rules, (std::vector<size_t>{0, 1}));
}

TEST(Stages, OfTwoChainsAreApartEvenForTheSameSession) {
  const Program program =
      Build(Read("-A PREROUTING " + kMirror9 + "-A OUTPUT " + kMirror9));
  ASSERT_EQ(program.stages.size(), 4u);
  EXPECT_NE(program.stages[0].number, program.stages[2].number);
}

TEST(Stages, HaveNumbersThatDoNotDependOnOtherStages) {
  const Program before = Build(Read("-A OUTPUT " + kMirror9));
  const Program after =
      Build(Read("-A OUTPUT " + kMirror10 + "-A OUTPUT " + kMirror9));
  EXPECT_EQ(before.stages[1].number, after.stages[2].number);
}

RC_GTEST_PROP(Stages, HaveDifferentNumbersThatAreNotZero, ()) {
  const Program program = Build(GeneratePolicy());
  std::set<std::pair<Tap, uint32_t>> numbers = {
      {Tap::kEgress, program.postrouting}};
  for (const Stage& stage : program.stages) {
    RC_ASSERT(stage.number != 0u);
    RC_ASSERT(numbers.insert({stage.tap, stage.number}).second);
  }
}

// "CHAIN SESSION: RULE..." of each stage, for chains of the user and rules by
// number.
std::vector<std::string> Describe(const Program& program) {
  std::vector<std::string> lines;
  for (const Stage& stage : program.stages) {
    std::string line =
        stage.chain + " " +
        (stage.session ? FormatAddress(stage.session->target) : "verdicts") +
        ":";
    for (const size_t r : stage.rules) {
      line += " " + std::to_string(r);
    }
    if (stage.chain != "OUTPUT" || !stage.rules.empty()) {
      lines.push_back(line);
    }
  }
  return lines;
}

TEST(Stages, AreCutBehindJumpsThatComeBack) {
  EXPECT_EQ(Describe(Build(Read(":WEB -\n"
                                "-A PREROUTING -p tcp -j WEB\n"
                                "-A PREROUTING " +
                                kMirror9 + "-A WEB " + kMirror9))),
            (std::vector<std::string>{
                "PREROUTING 192.0.2.9: 0", "PREROUTING 192.0.2.9: 1",
                "WEB 192.0.2.9: 2", "PREROUTING verdicts: 0",
                "PREROUTING verdicts:"}));
}

TEST(Stages, AreNotCutBetweenJumpsThatExcludeEachOther) {
  EXPECT_EQ(Describe(Build(Read(":A -\n:B -\n"
                                "-A PREROUTING -i one -j A\n"
                                "-A PREROUTING -i two -j B\n"
                                "-A A " +
                                kMirror9 + "-A B " + kMirror9))),
            (std::vector<std::string>{
                "PREROUTING 192.0.2.9: 0 1", "A 192.0.2.9: 2", "B 192.0.2.9: 3",
                "PREROUTING verdicts: 0 1", "PREROUTING verdicts:"}));
}

TEST(Stages, LeaveOutJumpsThatDoNothingForASession) {
  EXPECT_EQ(Describe(Build(Read(":WEB -\n"
                                "-A PREROUTING -j WEB\n"
                                "-A PREROUTING " +
                                kMirror10 + "-A WEB " + kMirror9))),
            (std::vector<std::string>{
                "PREROUTING 192.0.2.9: 0", "WEB 192.0.2.9: 2",
                "PREROUTING 192.0.2.10: 1", "PREROUTING verdicts: 0",
                "PREROUTING verdicts:"}));
}

TEST(Stages, OfAUsersChainAreSharedByAllJumpsToIt) {
  const Program program =
      Build(Read(":WEB -\n"
                 "-A PREROUTING -p tcp -j WEB\n"
                 "-A PREROUTING -p tcp -g WEB\n"
                 "-A OUTPUT -j WEB\n"
                 "-A WEB " +
                 kMirror9));
  EXPECT_EQ(std::count_if(program.stages.begin(), program.stages.end(),
                          [](const Stage& s) { return s.chain == "WEB"; }),
            1);
}

TEST(Stages, HoldARuleWithExceptionsAtTheirBeginning) {
  EXPECT_EQ(Describe(Build(Read("-A PREROUTING -j RETURN\n"
                                "-A PREROUTING ! -p tcp " +
                                kMirror9 + "-A PREROUTING " + kMirror9))),
            (std::vector<std::string>{
                "PREROUTING 192.0.2.9: 0", "PREROUTING 192.0.2.9: 1",
                "PREROUTING 192.0.2.9: 2", "PREROUTING verdicts: 0"}));
}

TEST(Stages, KeepTheirNumbersWhenOthersAreAdded) {
  const std::string rest =
      "-A PREROUTING -j WEB\n-A PREROUTING " + kMirror9 + "-A WEB " + kMirror9;
  const Program before = Build(Read(":WEB -\n" + rest));
  const Program after =
      Build(Read(":WEB -\n:X -\n-A PREROUTING -j X\n-A X " + kMirror9 + rest));
  const auto numbers = [](const Program& program) {
    std::set<uint32_t> result;
    for (const Stage& stage : program.stages) {
      result.insert(stage.number);
    }
    return result;
  };
  const auto old_numbers = numbers(before), new_numbers = numbers(after);
  EXPECT_TRUE(std::includes(new_numbers.begin(), new_numbers.end(),
                            old_numbers.begin(), old_numbers.end()));
}

TEST(Stages, OfAUsersChainAreAtEachTapFromWhichItIsReached) {
  const Program program = Build(
      Read(":WEB -\n-A FORWARD -j WEB\n-A OUTPUT -j WEB\n-A WEB " + kMirror9));
  std::map<Tap, uint32_t> numbers;
  for (const Stage& stage : program.stages) {
    if (stage.chain == "WEB") {
      numbers[stage.tap] = stage.number;
    }
  }
  ASSERT_EQ(numbers.size(), 2u);
  // The same in another table.
  EXPECT_EQ(numbers[Tap::kIngress], numbers[Tap::kEgress]);
}

TEST(Stages, AreNoneAtATapWithoutRules) {
  for (const Stage& stage :
       Build(Read("-A INPUT " + kMirror9 + ":WEB -\n-A WEB -j DROP\n"))
           .stages) {
    EXPECT_EQ(stage.tap, Tap::kEgress);
  }
  EXPECT_TRUE(Build(Read("")).stages.empty());
}

TEST(Stages, OfIngressDoNotDependOnThoseOfEgress) {
  const auto numbers = [](const std::string& rules) {
    std::vector<uint32_t> result;
    for (const Stage& stage : Build(Read(rules)).stages) {
      if (stage.tap == Tap::kIngress) {
        result.push_back(stage.number);
      }
    }
    return result;
  };
  const std::string rules = ":WEB -\n-A OUTPUT -j WEB\n-A WEB " + kMirror9;
  EXPECT_EQ(numbers(rules), numbers(rules + "-A INPUT -j WEB\n"));
}

TEST(BuildStages, AddsUpWhatAPacketMeetsInForwardAndPostrouting) {
  std::string chains;
  for (int i = 0; i < 10; i++) {
    const std::string chain = "C" + std::to_string(i);
    chains += ":" + chain + " -\n";
    for (int j = 0; j < 2; j++) {
      chains += "-A " + chain + " -j C" + std::to_string(i + 1) + "\n";
    }
  }
  chains += ":C10 -\n-A C10 -j RETURN\n";
  const auto errors = [&](const std::string& rules) {
    Diagnostics diagnostics;
    BuildStages(Read(rules + chains), {}, &diagnostics);
    return diagnostics.HasErrors() ? diagnostics.Sorted()[0].what : "";
  };
  EXPECT_EQ(errors("-A FORWARD -j C0\n-A INPUT -j C0\n"), "");
  EXPECT_EQ(errors("-A FORWARD -j C0\n-A POSTROUTING -j C0\n"),
            "FORWARD and POSTROUTING together have too many jumps, negations "
            "and sessions for one packet to go through");
}

TEST(BuildStages, RefusesMoreJumpsThanAPacketCanTake) {
  // Each chain goes through the next one twice.
  std::string rules = "-A OUTPUT -j C0\n";
  for (int i = 0; i < 13; i++) {
    const std::string next = "C" + std::to_string(i + 1);
    rules += ":C" + std::to_string(i) + " -\n";
    for (int j = 0; j < 2; j++) {
      rules += "-A C" + std::to_string(i) + " -j " + next + "\n";
    }
  }
  Diagnostics diagnostics;
  BuildStages(Read(rules + ":C13 -\n-A C13 " + kMirror9), {}, &diagnostics);
  ASSERT_TRUE(diagnostics.HasErrors());
  EXPECT_EQ(diagnostics.Sorted()[0].what,
            "chain OUTPUT has too many jumps, negations and sessions for one "
            "packet to go through");
}

TEST(RuleIds, SurviveOtherRulesAndComments) {
  const Program before = Build(Read("-A OUTPUT -p tcp " + kMirror9));
  const Program after =
      Build(Read("-A OUTPUT -j DROP\n"
                 "-A OUTPUT -m comment --comment x -p tcp " +
                 kMirror9));
  EXPECT_EQ(before.ids[0], after.ids[1]);
}

TEST(RuleIds, AreTheOnesThatSwitchesHaveFromEarlierVersions) {
  const Program program = Build(Read("-A OUTPUT -p tcp " + kMirror9));
  EXPECT_EQ(ChainId(Chain::kPrerouting), 0x9e02ae5c98u);
  EXPECT_EQ(ChainId(Chain::kOutput), 0xe7902b75a3u);
  EXPECT_EQ(program.ids[0], 105958812101u);
}

TEST(RuleIds, DifferForTheSameRuleTwice) {
  const Program program = Build(Read("-A OUTPUT -j DROP\n-A OUTPUT -j DROP\n"));
  EXPECT_NE(program.ids[0], program.ids[1]);
}

TEST(Priorities, LeaveRoomAroundAndBetweenFreshRules) {
  EXPECT_EQ(AssignPriorities({1, 2, 3}, {}),
            (std::vector<uint16_t>{48750, 48686, 48622}));
}

TEST(Priorities, OfInstalledRulesStayWhenOthersAreAddedAnywhere) {
  const InstalledPriorities installed = {{1, 1000}, {2, 936}};
  EXPECT_EQ(AssignPriorities({7, 8, 1, 9, 2, 5, 6}, installed),
            (std::vector<uint16_t>{1128, 1064, 1000, 968, 936, 872, 808}));
}

TEST(Priorities, OfInstalledRulesStayWhenOthersAreRemoved) {
  EXPECT_EQ(AssignPriorities({1, 3}, {{1, 1000}, {2, 900}, {3, 800}}),
            (std::vector<uint16_t>{1000, 800}));
}

TEST(Priorities, OfARuleThatMovedAreTheOnlyOnesToChange) {
  EXPECT_EQ(AssignPriorities({2, 3, 1}, {{1, 1000}, {2, 900}, {3, 800}}),
            (std::vector<uint16_t>{900, 800, 736}));
}

TEST(Priorities, AreAllFreshWhenThereIsNoRoom) {
  EXPECT_EQ(AssignPriorities({1, 9, 2}, {{1, 100}, {2, 99}}),
            AssignPriorities({1, 9, 2}, {}));
  EXPECT_EQ(AssignPriorities({9, 1}, {{1, kMaxRulePriority}}),
            AssignPriorities({9, 1}, {}));
  EXPECT_EQ(AssignPriorities({1, 9}, {{1, kMinRulePriority}}),
            AssignPriorities({1, 9}, {}));
}

TEST(Priorities, FitAsManyRulesAsAPolicyMayHave) {
  std::vector<RuleId> ids(kMaxRulePriority);
  for (size_t i = 0; i < ids.size(); i++) {
    ids[i] = i + 1;
  }
  const auto priorities = AssignPriorities(ids, {});
  EXPECT_EQ(priorities.front(), kMaxRulePriority);
  EXPECT_EQ(priorities.back(), kMinRulePriority);
}

RC_GTEST_PROP(Priorities, FallAndKeepWhatIsInOrder, ()) {
  const auto n = *rc::gen::inRange<size_t>(0, 40);
  std::vector<RuleId> ids(n);
  InstalledPriorities installed;
  for (size_t i = 0; i < n; i++) {
    ids[i] = i;
    if (OneIn(2)) {
      installed[i] = *rc::gen::inRange<uint16_t>(0, 300);
    }
  }
  const auto priorities = AssignPriorities(ids, installed);
  RC_ASSERT(priorities.size() == n);
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    RC_ASSERT(priorities[i] >= kMinRulePriority);
    RC_ASSERT(priorities[i] <= kMaxRulePriority);
    RC_ASSERT((i == 0 || priorities[i] < priorities[i - 1]));
    kept += installed.contains(i) && installed[i] == priorities[i];
  }
  // Either the longest possible sequence stays, or there was no room.
  std::vector<size_t> best(n + 1, 0);
  size_t longest = 0;
  for (size_t i = 0; i < n; i++) {
    if (installed.contains(i) && installed[i] > 0) {
      best[i] = 1;
      for (size_t j = 0; j < i; j++) {
        if (best[j] && installed[j] > installed[i]) {
          best[i] = std::max(best[i], best[j] + 1);
        }
      }
      longest = std::max(longest, best[i]);
    }
  }
  RC_ASSERT((kept >= longest || priorities == AssignPriorities(ids, {})));
}

TEST(BuildStages, RefusesMoreSessionsThanAnEntryFlowHolds) {
  std::string rules;
  for (size_t i = 0; i <= kMaxSessionsPerChain; i++) {
    rules += "-A OUTPUT -j RMIRROR --target 192.0.2.9 --key " +
             std::to_string(i) + "\n";
  }
  Diagnostics diagnostics;
  BuildStages(Read(rules), {}, &diagnostics);
  ASSERT_TRUE(diagnostics.HasErrors());
  EXPECT_EQ(diagnostics.Sorted()[0].where.line, 1002);
}

TEST(FormatStages, ShowsRulesWithTheirPriorities) {
  const Policy policy = Read("-A OUTPUT " + kMirror9);
  EXPECT_EQ(FormatStages(policy, Build(policy)),
            "0xf8801132 ingress PREROUTING verdicts\n"
            "0xa89a6215 ingress OUTPUT --target 192.0.2.9\n"
            "  48750 -A OUTPUT -j RMIRROR --target 192.0.2.9\n"
            "0x63fd5375 ingress OUTPUT verdicts\n");
}

}  // namespace
}  // namespace ovs_rmirror
