// SPDX-License-Identifier: Apache-2.0

#include "controller/evaluate.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace ovs_rmirror {
namespace {

constexpr uint32_t kOne = 1, kTwo = 2;

// What rules do with a TCP packet that enters by one port and leaves by others.
class Evaluate {
 public:
  explicit Evaluate(const std::string& rules) {
    const SourceText source("p", "*rmirror\n" + rules + "COMMIT\n");
    Diagnostics diagnostics;
    policy_ = ReadPolicy(source, {}, &diagnostics);
    EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  }

  Outcome operator()(uint32_t in_port,
                     const std::vector<uint32_t>& outputs) const {
    const PortNumbers ports = {
        {"br0", kPortLocal}, {"one", kOne}, {"two", kTwo}};
    Packet packet;
    packet.in_port = in_port;
    packet.family = Family::kIpv4;
    packet.nw_proto = 6;
    Evaluation evaluation(policy_, ports);
    evaluation.Enter(packet);
    for (const uint32_t port : outputs) {
      evaluation.Leave(packet, port);
    }
    return evaluation.outcome();
  }

 private:
  Policy policy_;
};

using Chains = std::vector<Chain>;

TEST(Evaluation, OffersAPacketToTheChainsOfItsWay) {
  const Evaluate evaluate(
      "-A PREROUTING -j ACCEPT\n-A POSTROUTING -j ACCEPT\n");
  EXPECT_EQ(evaluate(kOne, {}).entered, Chains{Chain::kPrerouting});
  EXPECT_EQ(evaluate(kPortLocal, {}).entered, Chains{Chain::kOutput});
  EXPECT_EQ(evaluate(kOne, {kPortLocal}).entered,
            (Chains{Chain::kPrerouting, Chain::kInput}));
  EXPECT_EQ(evaluate(kOne, {kTwo}).entered,
            (Chains{Chain::kPrerouting, Chain::kForward, Chain::kPostrouting}));
  EXPECT_EQ(evaluate(kPortLocal, {kTwo}).entered,
            (Chains{Chain::kOutput, Chain::kPostrouting}));
  EXPECT_EQ(evaluate(kPortLocal, {kOne, kTwo}).entered,
            (Chains{Chain::kOutput, Chain::kPostrouting, Chain::kPostrouting}));
}

TEST(Evaluation, LeavesOutTapsThatThePolicyDoesNotUse) {
  EXPECT_EQ(Evaluate("-A PREROUTING -j ACCEPT\n")(kOne, {kTwo}).entered,
            Chains{Chain::kPrerouting});
  EXPECT_EQ(Evaluate("-A INPUT -j ACCEPT\n")(kOne, {kPortLocal}).entered,
            Chains{Chain::kInput});
}

// The chains that a packet enters if FORWARD is as `rules` say.
Chains WayThroughForward(const std::string& rules) {
  return Evaluate(rules + "-A PREROUTING -j DROP\n")(kOne, {kTwo}).entered;
}

TEST(Evaluation, GoesOnBehindForwardUnlessThatDrops) {
  const Chains all = {Chain::kPrerouting, Chain::kForward, Chain::kPostrouting};
  const Chains dropped = {Chain::kPrerouting, Chain::kForward};
  EXPECT_EQ(WayThroughForward("-A FORWARD -p udp -j DROP\n"), all);
  EXPECT_EQ(WayThroughForward("-A FORWARD -j ACCEPT\n"), all);
  EXPECT_EQ(WayThroughForward("-A FORWARD -j RETURN\n"), all);
  EXPECT_EQ(WayThroughForward("-A FORWARD -j DROP\n"), dropped);
  EXPECT_EQ(WayThroughForward(":C -\n-A FORWARD -j C\n-A C -j DROP\n"),
            dropped);
  EXPECT_EQ(WayThroughForward(":C -\n-A FORWARD -j C\n-A C -j ACCEPT\n"), all);
  const std::string policy = ":FORWARD DROP\n";
  EXPECT_EQ(WayThroughForward(policy + "-A FORWARD -p udp -j ACCEPT\n"),
            dropped);
  EXPECT_EQ(WayThroughForward(policy + "-A FORWARD -j RETURN\n"), dropped);
  EXPECT_EQ(WayThroughForward(policy + "-A FORWARD -j ACCEPT\n"), all);
}

TEST(Evaluation, CopiesOncePerSessionAndCountsOncePerChainAndOutput) {
  const std::string mirror = " -j RMIRROR --target 192.0.2.9\n";
  const Outcome outcome =
      Evaluate("-A PREROUTING -p tcp" + mirror + "-A PREROUTING" + mirror +
               "-A POSTROUTING" + mirror +
               "-A POSTROUTING -j RMIRROR --target 192.0.2.9 --key 7\n")(
          kOne, {kTwo, kTwo});
  EXPECT_EQ(outcome.steps,
            (std::vector<Step>{{Chain::kPrerouting, 0, Effect::kCopy},
                               {Chain::kPrerouting, 1, Effect::kSkip},
                               {Chain::kPostrouting, 2, Effect::kRepeat},
                               {Chain::kPostrouting, 3, Effect::kCopy},
                               {Chain::kPostrouting, 2, Effect::kRepeat},
                               {Chain::kPostrouting, 3, Effect::kRepeat}}));
}

TEST(Evaluation, TakesAPacketForASessionThatMayNotCopyIt) {
  const Outcome outcome = Evaluate(
      "-A INPUT -m limit --limit 10 -j RMIRROR --target 192.0.2.9\n"
      "-A INPUT -j RMIRROR --target 192.0.2.9 --len 96\n")(kOne, {kPortLocal});
  EXPECT_EQ(outcome.steps,
            (std::vector<Step>{{Chain::kInput, 0, Effect::kMayCopy},
                               {Chain::kInput, 1, Effect::kSkip}}));
}

TEST(Evaluation, NamesNoPortWhereThereIsNone) {
  const Evaluate evaluate(
      ":C -\n-A PREROUTING -j C\n-A OUTPUT -j C\n-A INPUT -j C\n"
      "-A POSTROUTING -j C\n"
      "-A C -o two -j RMIRROR --target 192.0.2.9\n"
      "-A C ! -o two -j RMIRROR --target 192.0.2.10\n"
      "-A C -i one -j RMIRROR --target 192.0.2.11\n"
      "-A C ! -i b+ -j RMIRROR --target 192.0.2.12\n");
  const auto rules_in = [&](Chain chain, uint32_t in_port, uint32_t output) {
    std::vector<size_t> rules;
    for (const Step& step : evaluate(in_port, {output}).steps) {
      if (step.chain == chain && step.effect != Effect::kJump) {
        rules.push_back(step.rule);
      }
    }
    return rules;
  };
  using Rules = std::vector<size_t>;
  EXPECT_EQ(rules_in(Chain::kPrerouting, kOne, kTwo), (Rules{5, 6, 7}));
  EXPECT_EQ(rules_in(Chain::kPostrouting, kOne, kTwo), (Rules{4, 6, 7}));
  EXPECT_EQ(rules_in(Chain::kPostrouting, kTwo, kOne), (Rules{5, 7}));
  // LOCAL has no name.
  EXPECT_EQ(rules_in(Chain::kOutput, kPortLocal, kTwo), (Rules{5, 7}));
  EXPECT_EQ(rules_in(Chain::kPostrouting, kPortLocal, kTwo), (Rules{4, 7}));
  EXPECT_EQ(rules_in(Chain::kInput, kTwo, kPortLocal), (Rules{5, 7}));
}

TEST(Evaluation, GoesThroughChainsAsIptablesDoes) {
  const Outcome outcome = Evaluate(
      ":A -\n:B -\n:C -\n"
      "-A INPUT -j A\n"     // 0
      "-A INPUT -g B\n"     // 1
      "-A INPUT -j DROP\n"  // 2: never, because -g does not come back.
      "-A A -j RETURN\n"    // 3
      "-A A -j DROP\n"      // 4
      "-A B -j C\n"         // 5
      "-A B -p udp -j C\n")(kOne, {kPortLocal});  // 6
  std::vector<size_t> rules;
  for (const Step& step : outcome.steps) {
    rules.push_back(step.rule);
  }
  EXPECT_EQ(rules, (std::vector<size_t>{0, 3, 1, 5}));
  EXPECT_EQ(outcome.fell_through, Chains{Chain::kInput});
}

}  // namespace
}  // namespace ovs_rmirror
