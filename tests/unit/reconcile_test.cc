// SPDX-License-Identifier: Apache-2.0

#include "controller/reconcile.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <tuple>

#include "controller/cookie.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

SwitchFlow FlowOf(uint16_t priority, const std::string& match, uint64_t cookie,
                  const std::string& actions, uint64_t packets = 0) {
  SwitchFlow flow;
  flow.priority = priority;
  flow.match = match;
  flow.cookie = cookie;
  flow.actions = actions;
  flow.packets = packets;
  return flow;
}

std::string ToText(const std::vector<FlowChange>& changes) {
  std::string s;
  for (const FlowChange& change : changes) {
    s += std::string(change.kind == FlowChange::Kind::kAdd      ? "add "
                     : change.kind == FlowChange::Kind::kModify ? "modify "
                                                                : "delete ") +
         std::to_string(change.flow.priority) + " " + change.flow.match + " " +
         change.flow.actions + "\n";
  }
  return s;
}

TEST(Difference, OfTheSameFlowsIsNothingWhateverTheyCounted) {
  EXPECT_EQ(ToText(Difference({FlowOf(1, "ip", 7, "drop", 0)},
                              {FlowOf(1, "ip", 7, "drop", 1000)})),
            "");
}

TEST(Difference, DeletesBeforeItAdds) {
  EXPECT_EQ(ToText(Difference({FlowOf(1, "ip", 7, "drop")},
                              {FlowOf(2, "ip", 7, "drop")})),
            "delete 2 ip drop\nadd 1 ip drop\n");
}

TEST(Difference, DeletesTheHighestPriorityLast) {
  EXPECT_EQ(ToText(Difference(
                {}, {FlowOf(3, "ip", 7, "drop"), FlowOf(1, "ip", 8, "drop"),
                     FlowOf(2, "ip", 9, "drop")})),
            "delete 1 ip drop\ndelete 2 ip drop\ndelete 3 ip drop\n");
}

TEST(Difference, ModifiesAFlowOfTheSameRule) {
  EXPECT_EQ(ToText(Difference({FlowOf(1, "ip", 7, "new")},
                              {FlowOf(1, "ip", 7, "old")})),
            "modify 1 ip new\n");
}

TEST(Difference, ReplacesAFlowOfAnotherRule) {
  EXPECT_EQ(ToText(Difference({FlowOf(1, "ip", 8, "new")},
                              {FlowOf(1, "ip", 7, "old")})),
            "delete 1 ip old\nadd 1 ip new\n");
}

TEST(Difference, OfNothingDeletesEverything) {
  EXPECT_EQ(ToText(Difference({}, {FlowOf(1, "ip", 7, "drop")})),
            "delete 1 ip drop\n");
}

TEST(Difference, TellsTheTablesApart) {
  SwitchFlow egress = FlowOf(1, "ip", 7, "drop");
  egress.table = 1;
  EXPECT_EQ(ToText(Difference({egress}, {FlowOf(1, "ip", 7, "drop")})),
            "delete 1 ip drop\nadd 1 ip drop\n");
}

// A switch as far as flow modifications go.
RC_GTEST_PROP(Difference, MakesTheSwitchAsWanted, ()) {
  const auto generate = [] {
    std::map<std::tuple<uint8_t, uint16_t, std::string>, SwitchFlow> flows;
    const int n = *rc::gen::inRange(0, 12);
    for (int i = 0; i < n; i++) {
      SwitchFlow flow = FlowOf(*rc::gen::inRange<uint16_t>(0, 3),
                               OneOf<std::string>({"ip", "tcp", "udp"}),
                               *rc::gen::inRange<uint64_t>(0, 3),
                               OneOf<std::string>({"drop", "rmirror"}));
      flow.table = *rc::gen::inRange<uint8_t>(0, 2);
      flows[{flow.table, flow.priority, flow.match}] = flow;
    }
    return flows;
  };
  const auto wanted = generate();
  auto table = generate();
  std::vector<SwitchFlow> wanted_list, found_list;
  for (const auto& [key, flow] : wanted) {
    wanted_list.push_back(flow);
  }
  for (const auto& [key, flow] : table) {
    found_list.push_back(flow);
  }
  for (const FlowChange& change : Difference(wanted_list, found_list)) {
    const auto key = std::make_tuple(change.flow.table, change.flow.priority,
                                     change.flow.match);
    switch (change.kind) {
      case FlowChange::Kind::kDelete:
        RC_ASSERT(table.erase(key) == 1u);
        break;
      case FlowChange::Kind::kReset:
        RC_FAIL("counters are nobody's difference");
        break;
      case FlowChange::Kind::kModify:
        RC_ASSERT(table.contains(key));
        RC_ASSERT(table[key].actions != change.flow.actions);
        table[key].actions = change.flow.actions;
        break;
      case FlowChange::Kind::kAdd:
        RC_ASSERT(!table.contains(key));
        table[key] = change.flow;
        break;
    }
  }
  RC_ASSERT(table.size() == wanted.size());
  for (const auto& [key, flow] : wanted) {
    RC_ASSERT(table.contains(key));
    RC_ASSERT(table[key].cookie == flow.cookie);
    RC_ASSERT(table[key].actions == flow.actions);
  }
}

TEST(FindMeters, ReadsThemFromTheFlowsThatCopy) {
  EXPECT_EQ(FindMeters({FlowOf(5, "a", EncodeCookie({Role::kMirror, 1}),
                               "rmirror(target=192.0.2.9,meter=60)"),
                        FlowOf(5, "b", EncodeCookie({Role::kMirror, 2}),
                               "rmirror(target=192.0.2.9)"),
                        FlowOf(5, "c", 0, "rmirror(target=::1,meter=7)")}),
            (MeterNumbers{{1, 60}}));
}

// Meters as a switch of 8 has them; those from 5 on are for us.
std::string PlanText(const std::vector<Meter>& wanted,
                     const std::vector<SwitchMeter>& found,
                     const MeterNumbers& ours, bool reset = false) {
  MeterNumbers numbers;
  std::vector<MeterChange> changes;
  std::string s = PlanMeters(wanted, found, 8, ours, reset, &numbers, &changes);
  for (const auto& [rule, number] : numbers) {
    s += std::to_string(rule) + ":" + std::to_string(number) + " ";
  }
  for (const auto& [kind, meter] : changes) {
    s += (kind == MeterChange::Kind::kAdd      ? "+"
          : kind == MeterChange::Kind::kModify ? "="
                                               : "-") +
         std::to_string(meter.number) + " ";
  }
  return s;
}

TEST(PlanMeters, GivesARuleAlwaysTheSameNumber) {
  EXPECT_EQ(PlanText({{1, 10, 5}, {2, 10, 5}}, {}, {}), "1:6 2:7 +6 +7 ");
  EXPECT_EQ(PlanText({{2, 10, 5}}, {}, {}), "2:7 +7 ");
}

TEST(PlanMeters, UsesWhatIsThereAsItShouldBe) {
  EXPECT_EQ(PlanText({{1, 10, 5}}, {{6, true, 10, 5}}, {}), "1:6 ");
  EXPECT_EQ(PlanText({{1, 10, 5}}, {{6, true, 10, 5}}, {}, true), "1:6 =6 ");
}

TEST(PlanMeters, ModifiesItsOwnAndAvoidsThoseOfOthers) {
  EXPECT_EQ(PlanText({{1, 10, 5}}, {{6, true, 9, 5}}, {{1, 6}}), "1:6 =6 ");
  EXPECT_EQ(PlanText({{1, 10, 5}}, {{6, true, 9, 5}}, {}), "1:7 +7 ");
  EXPECT_EQ(PlanText({{3, 10, 5}}, {{8, false}}, {}), "3:5 +5 ");
}

TEST(PlanMeters, KeepsNumbersInUse) {
  EXPECT_EQ(PlanText({{1, 10, 5}}, {{8, true, 10, 5}}, {{1, 8}}), "1:8 ");
  EXPECT_EQ(PlanText({{5, 10, 5}, {1, 10, 5}},
                     {{6, true, 10, 5}, {7, true, 10, 5}}, {{1, 6}}),
            "1:6 5:7 ");
}

TEST(PlanMeters, DeletesItsOwnThatNoRuleNeeds) {
  EXPECT_EQ(PlanText({}, {{6, true, 10, 5}, {7, true, 10, 5}}, {{1, 6}}),
            "-6 ");
}

TEST(PlanMeters, KeepsTheMeterOfASessionAsLongAsARuleOfItStays) {
  const Meter session = {100, 10, 5, false, {1, 2}};
  EXPECT_EQ(PlanText({session}, {}, {}), "100:5 +5 ");
  EXPECT_EQ(PlanText({session}, {{7, true, 10, 5}}, {{2, 7}, {3, 7}}),
            "100:7 ");
  EXPECT_EQ(PlanText({session}, {{7, true, 9, 5}}, {{2, 7}}), "100:7 =7 ");
}

TEST(PlanMeters, TellsPacketsFromKilobits) {
  EXPECT_EQ(PlanText({{1, 10, 5, true}}, {{6, true, 10, 5}}, {{1, 6}}),
            "1:6 =6 ");
  EXPECT_EQ(PlanText({{1, 10, 5, true}}, {{6, true, 10, 5, true}}, {{1, 6}}),
            "1:6 ");
}

TEST(PlanMeters, NeverTouchesTheLowerHalf) {
  EXPECT_EQ(PlanText({{1, 10, 5}}, {{2, true, 9, 5}}, {{1, 2}}), "1:6 +6 ");
  EXPECT_EQ(PlanText({}, {{2, true, 9, 5}}, {{1, 2}}), "");
}

TEST(PlanMeters, SaysThatThereAreTooFew) {
  EXPECT_EQ(
      PlanText({{1, 1, 1}, {2, 1, 1}, {3, 1, 1}, {4, 1, 1}, {5, 1, 1}}, {}, {}),
      "the policy needs 5 meters for its limits, and the switch has 4 for "
      "them");
  EXPECT_NE(PlanText({{1, 1, 1}},
                     {{5, false}, {6, false}, {7, false}, {8, false}}, {})
                .find("no number left"),
            std::string::npos);
}

TEST(FindPriorities, ReadsThemFromTheFlowsOfRules) {
  EXPECT_EQ(
      FindPriorities({FlowOf(5, "a", EncodeCookie({Role::kMirror, 1}), ""),
                      FlowOf(6, "b", EncodeCookie({Role::kVerdict, 2}), ""),
                      FlowOf(1, "c", EncodeCookie({Role::kEntry, 3}), ""),
                      FlowOf(9, "d", 0x1234, "")}),
      (InstalledPriorities{{1, 5}, {2, 6}}));
}

TEST(Cookie, IsReadAsItIsWritten) {
  const Cookie cookie{Role::kGuard, kMaxRuleId};
  EXPECT_EQ(DecodeCookie(EncodeCookie(cookie)), cookie);
  EXPECT_EQ(EncodeCookie({Role::kEntry, 1}), 0x726d010000000001u);
}

TEST(Cookie, OfSomebodyElseIsNotOurs) {
  for (const uint64_t cookie :
       {uint64_t{0}, uint64_t{0x726d000000000001}, uint64_t{0x726d060000000001},
        uint64_t{0x726e020000000001}, ~uint64_t{0}}) {
    EXPECT_FALSE(DecodeCookie(cookie)) << cookie;
  }
}

}  // namespace
}  // namespace ovs_rmirror
