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
