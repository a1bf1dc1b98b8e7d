// SPDX-License-Identifier: Apache-2.0

#include "controller/flows.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "controller/flow_text.h"
#include "controller/rule_text.h"
#include "tests/unit/flow_walk.h"
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

using Texts = std::vector<std::string>;

struct Compiled {
  Policy policy;
  Program program;
  TapFlows tap;
};

Compiled Compile(const std::string& rules,
                 const PortNumbers& ports = GeneratedPorts()) {
  Compiled compiled;
  Diagnostics diagnostics;
  compiled.policy = Read(rules);
  compiled.program = BuildStages(compiled.policy, {}, &diagnostics);
  compiled.tap = CompileFlows(compiled.policy, compiled.program, ports,
                              kMaxFlows, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  return compiled;
}

// The matches of a rule's flows, without the stage.
std::vector<std::string> MatchesOf(const std::string& rule) {
  const Compiled compiled = Compile(rule + " -j RMIRROR --target 192.0.2.9\n");
  std::vector<std::string> matches;
  for (Flow flow : compiled.tap.flows) {
    if (flow.cookie.role == Role::kMirror) {
      flow.match.stage = 0;
      std::string text = FormatMatch(flow.match);
      const size_t reg0 = text.find("reg0=0");
      text.erase(reg0, reg0 + 6 < text.size() ? 7 : 6);
      matches.push_back(text);
    }
  }
  return matches;
}

// "TABLE PRIORITY MATCH" of the flows by which packets enter chains.
Texts EntriesOf(const Compiled& compiled) {
  Texts texts;
  for (const Flow& flow : compiled.tap.flows) {
    if (flow.cookie.role == Role::kEntry) {
      texts.push_back((flow.tap == Tap::kIngress ? "ingress " : "egress ") +
                      std::to_string(flow.priority) + " " +
                      FormatMatch(flow.match));
    }
  }
  return texts;
}

TEST(Flows, OfAnEmptyPolicyAreNone) {
  EXPECT_TRUE(Compile("").tap.flows.empty());
}

TEST(Flows, AreThoseOfTheTapsThatThePolicyUses) {
  EXPECT_EQ(EntriesOf(Compile("-A PREROUTING -j DROP\n")),
            (Texts{"ingress 1 reg0=0", "ingress 2 reg0=0,in_port=LOCAL"}));
  EXPECT_EQ(EntriesOf(Compile("-A INPUT -j DROP\n")),
            (Texts{"egress 3 actset_output=LOCAL,reg0=0", "egress 1 reg0=0",
                   "egress 2 reg0=0,in_port=LOCAL",
                   // Where FORWARD goes on.
                   "egress 2 reg0=0x3af4c257,reg1=0"}));
}

TEST(Flows, WithoutLayer3MatchTakeEveryFrame) {
  EXPECT_EQ(MatchesOf("-A PREROUTING"), Texts{""});
}

TEST(Flows, OfAProtocolAreForBothFamilies) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -p tcp"), (Texts{"tcp,", "tcp6,"}));
  EXPECT_EQ(MatchesOf("-A PREROUTING -4 -p tcp"), Texts{"tcp,"});
}

TEST(Flows, OfAnAddressAreForItsFamily) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -s 10.0.0.0/8"),
            Texts{"ip,nw_src=10.0.0.0/8"});
  EXPECT_EQ(MatchesOf("-A PREROUTING -d 2001:db8::1"),
            Texts{"ipv6,ipv6_dst=2001:db8::1"});
  EXPECT_EQ(MatchesOf("-A PREROUTING -s 10.0.0.1,2001:db8::1"),
            (Texts{"ip,nw_src=10.0.0.1", "ipv6,ipv6_src=2001:db8::1"}));
}

// A list of `n` addresses that are not next to each other.
std::string Sources(int n) {
  std::string list;
  for (int i = 0; i < n; i++) {
    list += (i ? "," : "") +
            FormatAddress({Family::kIpv4,
                           (Uint128{10} << 24) + static_cast<Uint128>(2 * i)});
  }
  return list;
}

// A list of `n` ports that are not next to each other.
std::string Ports(int n) {
  std::string list;
  for (int i = 0; i < n; i++) {
    list += (i ? "," : "") + std::to_string(1000 + 2 * i);
  }
  return list;
}

TEST(Flows, OfManySourcesAndPortsAreASumAndNoProduct) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -p tcp -s " + Sources(1000) +
                      " -m multiport --dports " + Ports(100))
                .size(),
            1101u);
}

TEST(Flows, OfManySourcesAndPortsAreASumAtEgress) {
  const Compiled compiled =
      Compile("-A FORWARD -o two -p tcp -s " + Sources(1000) +
              " -m multiport --dports " + Ports(100) +
              " -j RMIRROR --target 192.0.2.9\n");
  EXPECT_EQ(compiled.tap.flows_of_rule[0], 1101u);
  EXPECT_LT(compiled.tap.flows.size(), 1120u);
}

TEST(Flows, OfANegatedAddressAreNotMultipliedByTheRestOfTheRule) {
  EXPECT_EQ(
      MatchesOf("-A PREROUTING ! -s 2001:db8::1 -p tcp --dport 1:65534").size(),
      128u + 30u + 1u);
}

TEST(Flows, OfAConjunctionAreItsClausesAndItsId) {
  const Texts matches = MatchesOf("-A PREROUTING -p tcp -s " + Sources(10) +
                                  " -m multiport --dports " + Ports(10));
  ASSERT_EQ(matches.size(), 21u);
  EXPECT_EQ(matches[0], "tcp,nw_src=10.0.0.0,nw_frag=not_later");
  EXPECT_EQ(matches[10], "tcp,nw_frag=not_later,tp_dst=1000");
  EXPECT_EQ(matches[20].substr(0, 8), "conj_id=");
}

// Open vSwitch wants a flow for each clause even where one could say both.
TEST(Flows, OfTwoClausesWithTheSameAlternativeDiffer) {
  const Compiled compiled =
      Compile("-A PREROUTING -p tcp -m multiport --ports " + Ports(10) +
              " -m multiport --ports " + Ports(11) + " -j DROP\n");
  Trip trip;
  trip.packet.family = Family::kIpv4;
  trip.packet.nw_proto = 6;
  trip.packet.tp_src = 1002;
  const FlowTables tables(compiled.tap);
  EXPECT_EQ(
      FollowFlows(compiled.policy, compiled.program, tables, trip).hits.size(),
      1u);
}

TEST(Flows, OfANegatedProtocolAreAnExceptionOfHigherPriority) {
  const Compiled compiled =
      Compile("-A PREROUTING -4 ! -p tcp -j RMIRROR --target 192.0.2.9\n");
  Texts texts;
  for (const Flow& flow : compiled.tap.flows) {
    if (flow.match.stage == compiled.program.stages[0].number) {
      texts.push_back(std::to_string(flow.priority) + " " +
                      FormatActions(flow.actions, 252));
    }
  }
  EXPECT_EQ(texts, (Texts{"65001 drop", "48750 rmirror(target=192.0.2.9)"}));
}

TEST(Flows, OfANegatedSetAreAsManyAsItHasEntries) {
  std::string text = "create hosts hash:ip,port family inet\n";
  for (int i = 0; i < 500; i++) {
    text += "add hosts 10.0." + std::to_string(i / 100) + "." +
            std::to_string(i % 100 * 2) + ",tcp:80\n";
  }
  const SourceText source("sets", text);
  IpSets sets;
  Diagnostics diagnostics;
  ReadIpSets(source, &sets, &diagnostics);
  const SourceText rules("p",
                         "*rmirror\n-A OUTPUT -m set ! --match-set hosts "
                         "src,dst -j DROP\nCOMMIT\n");
  const Policy policy = ReadPolicy(rules, sets, &diagnostics);
  const Program program = BuildStages(policy, {}, &diagnostics);
  const TapFlows tap =
      CompileFlows(policy, program, {}, kMaxFlows, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  EXPECT_EQ(tap.flows_of_rule[0], 501u);
}

TEST(Flows, OfAPrefixOfPortNamesAreForAllThatHaveIt) {
  const PortNumbers ports = {{"vnet1", 4}, {"vnet2", 7}, {"eth0", 1}};
  const Compiled compiled = Compile("-A PREROUTING -i vnet+ -j DROP\n", ports);
  std::set<uint32_t> numbers;
  for (const Flow& flow : compiled.tap.flows) {
    if (flow.cookie.role == Role::kVerdict) {
      numbers.insert(*flow.match.in_port);
    }
  }
  EXPECT_EQ(numbers, (std::set<uint32_t>{4, 7}));
  EXPECT_EQ(Compile("-A PREROUTING -i vnet+ -j DROP\n", {}).tap.dormant,
            std::vector<size_t>{0});
}

TEST(Flows, OfAnOutputPortAreForItsNumber) {
  EXPECT_EQ(MatchesOf("-A POSTROUTING -o two"), Texts{"actset_output=2,"});
  EXPECT_EQ(MatchesOf("-A FORWARD -i one -o t+"),
            Texts{"actset_output=2,in_port=1"});
}

TEST(Flows, OfAMissingOutputPortSleep) {
  EXPECT_EQ(Compile("-A FORWARD -i one -o absent -j DROP\n").tap.dormant,
            std::vector<size_t>{0});
  EXPECT_EQ(Compile("-A FORWARD -o br0 -j DROP\n").tap.dormant,
            std::vector<size_t>{0});
}

// As in iptables, which has no output there to compare with.
TEST(Flows, OfAnOutputPortAreNoneAtIngress) {
  const auto taps = [](const std::string& match) {
    std::multiset<Tap> result;
    for (const Flow& flow : Compile(":WEB -\n-A PREROUTING -j WEB\n"
                                    "-A FORWARD -j WEB\n-A WEB " +
                                    match + " -j RMIRROR --target 192.0.2.9\n")
                                .tap.flows) {
      if (flow.cookie.role == Role::kMirror) {
        result.insert(flow.tap);
      }
    }
    return result;
  };
  EXPECT_EQ(taps("-o two"), (std::multiset<Tap>{Tap::kEgress}));
  EXPECT_EQ(taps("! -o two"),
            (std::multiset<Tap>{Tap::kIngress, Tap::kEgress}));
}

TEST(Flows, OfPortsFollowTheirNumbers) {
  const std::string rules =
      "-A FORWARD -i one -o two -p tcp -j DROP\n-A PREROUTING -j DROP\n";
  const Compiled before = Compile(rules, {{"one", 1}, {"two", 2}});
  const Compiled after = Compile(rules, {{"one", 1}, {"two", 7}});
  EXPECT_EQ(before.program.ids, after.program.ids);
  Texts changed;
  for (const Flow& flow : after.tap.flows) {
    if (std::find(before.tap.flows.begin(), before.tap.flows.end(), flow) ==
        before.tap.flows.end()) {
      changed.push_back(FormatMatch(flow.match));
    }
  }
  ASSERT_EQ(changed.size(), 2u);
  EXPECT_EQ(changed[0].substr(0, 20), "actset_output=7,tcp,");
}

TEST(Flows, OfALimitShareAMeter) {
  const Compiled compiled = Compile(
      ":C -\n-A PREROUTING -j C\n-A FORWARD -j C\n"
      "-A C -p tcp -m limit --limit 10/s -m statistic --mode random "
      "--probability 0.25 -j RMIRROR --target 192.0.2.9\n"
      "-A C -i absent -m limit --limit 10/s -j RMIRROR --target 192.0.2.9\n");
  const RuleId rule = compiled.program.ids[2];
  EXPECT_EQ(compiled.tap.meters, (std::vector<Meter>{{rule, 10, 5}}));
  size_t copies = 0;
  for (const Flow& flow : compiled.tap.flows) {
    if (flow.cookie.role == Role::kMirror) {
      const Copy& copy = std::get<Copy>(flow.actions[0]);
      EXPECT_EQ(copy.meter, rule);
      EXPECT_EQ(copy.probability, 0x40000000u);
      copies++;
    }
  }
  EXPECT_EQ(copies, 4u);  // IPv4 and IPv6 at both taps.
}

TEST(Flows, OfASessionShareTheMeterOfItsBudget) {
  const Compiled compiled = Compile(
      "-A PREROUTING -p tcp -j RMIRROR --target 192.0.2.9 --limit 1mbit\n"
      "-A FORWARD -p udp -j RMIRROR --target 192.0.2.9\n"
      "-A FORWARD -i absent -j RMIRROR --target 192.0.2.9\n"
      "-A FORWARD -p udp -j RMIRROR --target 192.0.2.10\n"
      "-A FORWARD -i absent -j RMIRROR --target 192.0.2.11 --limit 9/s\n");
  const MeterId id = BudgetId(compiled.policy.rules[0].mirror()->session);
  const std::vector<RuleId>& ids = compiled.program.ids;
  EXPECT_GT(id, kMaxRuleId);
  EXPECT_EQ(compiled.tap.meters,
            (std::vector<Meter>{{id, 1000, 1000, true, {ids[0], ids[1]}}}));
  for (const Flow& flow : compiled.tap.flows) {
    if (flow.cookie.role == Role::kMirror) {
      const Copy& copy = std::get<Copy>(flow.actions[0]);
      EXPECT_EQ(copy.meter,
                flow.cookie.id == ids[3] ? std::nullopt : std::optional(id));
    }
  }
}

TEST(Flows, OfAMissingPortThatIsNegatedDoNotSleep) {
  EXPECT_TRUE(
      Compile("-A PREROUTING ! -i absent -j DROP\n").tap.dormant.empty());
}

TEST(Flows, ShowWhatEachRuleCosts) {
  const Compiled compiled = Compile(
      "-A PREROUTING -p tcp -j RMIRROR --target 192.0.2.9\n"
      "-A PREROUTING -j DROP\n");
  EXPECT_EQ(FormatStatistics(compiled.policy, compiled.program, compiled.tap),
            "flows stages rule\n"
            "    2      1 -A PREROUTING -p tcp -j RMIRROR --target 192.0.2.9\n"
            "    1      1 -A PREROUTING -j DROP\n"
            "    7      3 all, entries and policies of chains included\n");
}

TEST(Flows, ShowTheMetersThatTheyNeed) {
  const Compiled compiled = Compile(
      "-A OUTPUT -m limit --limit 10/s -j RMIRROR --target 192.0.2.9\n");
  EXPECT_EQ(FormatStatistics(compiled.policy, compiled.program, compiled.tap),
            "flows stages rule\n"
            "    1      1 -A OUTPUT -m limit --limit 10/sec -j RMIRROR "
            "--target 192.0.2.9\n"
            "    5      3 all, entries and policies of chains included\n"
            "    1        meters, one for each limit\n");
}

TEST(Flows, OfListsAreAllCombinations) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -s 10.0.0.1,10.0.0.2 -d 10.1.0.1,10.1.0.2")
                .size(),
            4u);
}

TEST(Flows, OfPortsAreNotForLaterFragments) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -4 -p udp --dport 53"),
            Texts{"udp,nw_frag=not_later,tp_dst=53"});
  EXPECT_EQ(MatchesOf("-A PREROUTING -4 -p udp --dport 0:65535"),
            Texts{"udp,nw_frag=not_later"});
}

TEST(Flows, OfARangeOfPortsAreMasked) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -4 -p tcp --sport 1024:"),
            (Texts{"tcp,nw_frag=not_later,tp_src=0x400/0xfc00",
                   "tcp,nw_frag=not_later,tp_src=0x800/0xf800",
                   "tcp,nw_frag=not_later,tp_src=0x1000/0xf000",
                   "tcp,nw_frag=not_later,tp_src=0x2000/0xe000",
                   "tcp,nw_frag=not_later,tp_src=0x4000/0xc000",
                   "tcp,nw_frag=not_later,tp_src=0x8000/0x8000"}));
}

TEST(Flows, OfANegatedAddressAreItsComplement) {
  EXPECT_EQ(MatchesOf("-A PREROUTING ! -s 192.0.0.0/2"),
            (Texts{"ip,nw_src=0.0.0.0/1", "ip,nw_src=128.0.0.0/2"}));
  EXPECT_EQ(MatchesOf("-A PREROUTING ! -s 2001:db8::1").size(), 128u);
}

TEST(Flows, OfANegatedMacAreItsComplement) {
  const Texts matches =
      MatchesOf("-A PREROUTING -m mac ! --mac-source 02:00:00:00:00:05");
  ASSERT_EQ(matches.size(), 48u);
  EXPECT_EQ(matches[0], "dl_src=80:00:00:00:00:00/80:00:00:00:00:00");
}

TEST(Flows, OfAPortNameHaveItsNumber) {
  EXPECT_EQ(MatchesOf("-A PREROUTING -i two"), Texts{"in_port=2"});
}

TEST(Flows, OfAMissingPortSleep) {
  const Compiled compiled =
      Compile("-A PREROUTING -i absent -j DROP\n-A PREROUTING -j DROP\n");
  EXPECT_EQ(compiled.tap.dormant, std::vector<size_t>{0});
  EXPECT_EQ(compiled.tap.flows.size(), 5u);
}

TEST(Flows, OfTheBridgesOwnPortSleepBecauseNothingEntersPreroutingByIt) {
  EXPECT_EQ(Compile("-A PREROUTING -i br0 -j DROP\n").tap.dormant,
            std::vector<size_t>{0});
}

TEST(Flows, DoNotChangeForOtherRulesOfAPolicy) {
  const Compiled before = Compile(
      "-A PREROUTING -p tcp -j RMIRROR --target "
      "192.0.2.9\n");
  const Compiled after = Compile(
      "-A PREROUTING -p tcp -j RMIRROR --target "
      "192.0.2.9\n"
      "-A PREROUTING -p udp -j RMIRROR --target "
      "192.0.2.9 --key 1\n");
  for (const Flow& flow : before.tap.flows) {
    if (flow.cookie.role != Role::kEntry) {
      EXPECT_NE(std::find(after.tap.flows.begin(), after.tap.flows.end(), flow),
                after.tap.flows.end())
          << FormatFlow(flow, TapTables());
    }
  }
}

TEST(Flows, AreRefusedIfTheyAreMoreThanSomebodyWants) {
  const Policy policy = Read(
      "-A PREROUTING -j DROP\n"
      "-A PREROUTING ! -s 2001:db8::1 ! -d 2001:db8::2 -j DROP\n");
  Diagnostics diagnostics;
  const Program program = BuildStages(policy, {}, &diagnostics);
  CompileFlows(policy, program, {}, 100, &diagnostics);
  ASSERT_TRUE(diagnostics.HasErrors());
  EXPECT_EQ(diagnostics.Sorted()[0].where.line, 3);
  EXPECT_EQ(diagnostics.Sorted()[0].what,
            "with this rule, which takes 257 flows, the policy takes more "
            "than 100");
}

// The central property: the flows do what the rules say, for every packet, and
// count what iptables would count.
RC_GTEST_PROP(Flows, DoAndCountWhatTheRulesSay, ()) {
  const Policy policy = GeneratePolicy();
  Diagnostics diagnostics;
  const Program program = BuildStages(policy, {}, &diagnostics);
  const TapFlows tap =
      CompileFlows(policy, program, GeneratedPorts(), kMaxFlows, &diagnostics);
  RC_PRE(!diagnostics.HasErrors());
  const FlowTables tables(tap);
  RC_LOG() << FormatPolicy(policy);
  for (int i = 0; i < 30; i++) {
    const Trip trip = GenerateTrip();
    RC_LOG() << FormatTrip(trip) << "\n";
    const Tally expected = FollowRules(policy, GeneratedPorts(), trip);
    const Tally found = FollowFlows(policy, program, tables, trip);
    RC_ASSERT(found.copies == expected.copies);
    RC_ASSERT(found.hits == expected.hits);
    RC_ASSERT(found.entered == expected.entered);
    RC_ASSERT(found.fell_through == expected.fell_through);
  }
}

// The same with priorities that a switch has from an earlier policy.
RC_GTEST_PROP(Flows, DoTheSameWithInheritedPriorities, ()) {
  Policy policy = GeneratePolicy();
  Diagnostics diagnostics;
  const Program before = BuildStages(policy, {}, &diagnostics);
  InstalledPriorities installed;
  for (size_t r = 0; r < policy.rules.size(); r++) {
    installed[before.ids[r]] = before.priorities[r];
  }
  const Policy more = GeneratePolicy();
  policy.rules.insert(policy.rules.begin(), more.rules.begin(),
                      more.rules.end());
  if (!policy.rules.empty()) {
    std::swap(policy.rules.front(), policy.rules.back());
  }
  const Program program = BuildStages(policy, installed, &diagnostics);
  const TapFlows tap =
      CompileFlows(policy, program, GeneratedPorts(), kMaxFlows, &diagnostics);
  RC_PRE(!diagnostics.HasErrors());
  const FlowTables tables(tap);
  for (int i = 0; i < 10; i++) {
    const Trip trip = GenerateTrip();
    RC_ASSERT(FollowFlows(policy, program, tables, trip) ==
              FollowRules(policy, GeneratedPorts(), trip));
  }
}

}  // namespace
}  // namespace ovs_rmirror
