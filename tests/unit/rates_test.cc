// SPDX-License-Identifier: Apache-2.0

#include "controller/rates.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ovs_rmirror {
namespace {

struct CountedText {
  std::string rule;  // Without "-A PREROUTING".
  Counters counters;
};

Sample SampleOf(int64_t when, const std::vector<CountedText>& rules,
                const std::string& bridge = "br0") {
  std::string text = "*rmirror\n";
  for (const CountedText& rule : rules) {
    text += "-A PREROUTING " + rule.rule + "\n";
  }
  const SourceText source("p", text + "COMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  ListedChain chain;
  for (size_t i = 0; i < policy.rules.size(); i++) {
    chain.rules.push_back({policy.rules[i], rules[i].counters, false});
  }
  Sample sample;
  sample.when = when;
  sample.Add(bridge, {chain});
  return sample;
}

const char kWeb[] = "-p tcp --dport 80 -j RMIRROR --target 192.0.2.9 --len 100";
const char kDns[] = "-p udp --dport 53 -j RMIRROR --target 192.0.2.9";
const char kReturn[] = "-s 10.0.0.0/8 -j RETURN";

TEST(RuleRates, AreWhatWasCountedPerSecond) {
  const auto rows =
      RuleRates(SampleOf(1000, {{kWeb, {10, 1000}}, {kReturn, {5, 500}}}),
                SampleOf(3000, {{kWeb, {30, 7000}}, {kReturn, {5, 500}}}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].chain, "PREROUTING");
  EXPECT_EQ(rows[0].number, 1u);
  EXPECT_EQ(rows[0].text,
            "-p tcp -m tcp --dport 80 -j RMIRROR --target "
            "192.0.2.9 --len 100");
  EXPECT_EQ(rows[0].total, (Counters{30, 7000}));
  ASSERT_TRUE(rows[0].rate);
  EXPECT_DOUBLE_EQ(rows[0].rate->packets, 10);
  EXPECT_DOUBLE_EQ(rows[0].rate->bits, 24000);
  EXPECT_DOUBLE_EQ(rows[0].rate->mirrored.value(), 8000);
  EXPECT_EQ(rows[1].number, 2u);
  ASSERT_TRUE(rows[1].rate);
  EXPECT_DOUBLE_EQ(rows[1].rate->packets, 0);
  EXPECT_FALSE(rows[1].rate->mirrored);
}

TEST(RuleRates, OfCountersThatWentBackAreThoseOfTheNewValue) {
  const auto rows = RuleRates(SampleOf(0, {{kDns, {1000, 100000}}}),
                              SampleOf(500, {{kDns, {2, 200}}}));
  ASSERT_TRUE(rows.at(0).rate);
  EXPECT_DOUBLE_EQ(rows[0].rate->packets, 4);
  EXPECT_DOUBLE_EQ(rows[0].rate->bits, 3200);
}

TEST(RuleRates, FollowRulesThatMove) {
  const auto rows =
      RuleRates(SampleOf(0, {{kReturn, {50, 50}}, {kDns, {1000, 1000}}}),
                SampleOf(1000, {{kWeb, {7, 7}}, {kDns, {1001, 1060}}}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_FALSE(rows[0].rate) << "it is new";
  ASSERT_TRUE(rows[1].rate);
  EXPECT_DOUBLE_EQ(rows[1].rate->packets, 1);
}

TEST(RuleRates, TellRulesThatAreAlikeApart) {
  const auto rows =
      RuleRates(SampleOf(0, {{kDns, {10, 10}}, {kDns, {20, 20}}}),
                SampleOf(1000, {{kDns, {11, 10}}, {kDns, {23, 20}}}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_DOUBLE_EQ(rows[0].rate.value().packets, 1);
  EXPECT_DOUBLE_EQ(rows[1].rate.value().packets, 3);
}

TEST(RuleRates, TellBridgesApart) {
  Sample before = SampleOf(0, {{kDns, {10, 10}}});
  Sample after = SampleOf(1000, {{kDns, {30, 30}}}, "br1");
  EXPECT_FALSE(RuleRates(before, after).at(0).rate);
}

TEST(RuleRates, AreUnknownUntilTimeHasPassed) {
  const Sample sample = SampleOf(1000, {{kDns, {10, 10}}});
  EXPECT_FALSE(RuleRates(Sample(), sample).at(0).rate);
  EXPECT_FALSE(RuleRates(sample, sample).at(0).rate);
}

TEST(RuleRates, SayHowMuchIsMirrored) {
  const std::vector<std::pair<std::string, std::optional<double>>> cases = {
      {"-j RMIRROR --target 192.0.2.9", 80000},
      {"-j RMIRROR --target 192.0.2.9 --len 500", 40000},
      {"-j RMIRROR --target 192.0.2.9 --len 2000", 80000},
      {"-j RMIRROR --target 192.0.2.9 --len mtu", std::nullopt},
      {"-m statistic --mode random --probability 0.25 -j RMIRROR --target "
       "192.0.2.9 --len 500",
       10000},
      {"-j DROP", std::nullopt},
  };
  for (const auto& [rule, mirrored] : cases) {
    const auto rows = RuleRates(SampleOf(0, {{rule, {0, 0}}}),
                                SampleOf(1000, {{rule, {10, 10000}}}));
    ASSERT_TRUE(rows.at(0).rate);
    ASSERT_EQ(rows[0].rate->mirrored.has_value(), mirrored.has_value()) << rule;
    if (mirrored) {
      EXPECT_NEAR(*rows[0].rate->mirrored, *mirrored, 0.01) << rule;
    }
  }
}

TEST(TargetRates, SumUpTheRulesOfEachSession) {
  const std::string other = "-j RMIRROR --target 192.0.2.9 --key 7 --len mtu";
  const auto rows = TargetRates(
      SampleOf(0, {{kReturn, {}}, {kWeb, {}}, {other, {}}, {kDns, {}}}),
      SampleOf(1000, {{kReturn, {9, 9}},
                      {kWeb, {10, 10000}},
                      {other, {1, 100}},
                      {kDns, {5, 400}}}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].text, "192.0.2.9");
  EXPECT_EQ(rows[0].chain, "");
  EXPECT_EQ(rows[0].number, 2u);
  EXPECT_EQ(rows[0].total, (Counters{15, 10400}));
  EXPECT_DOUBLE_EQ(rows[0].rate.value().packets, 15);
  EXPECT_DOUBLE_EQ(rows[0].rate->bits, 83200);
  EXPECT_DOUBLE_EQ(rows[0].rate->mirrored.value(), 11200);
  EXPECT_EQ(rows[1].text, "192.0.2.9 --key 7");
  EXPECT_FALSE(rows[1].rate.value().mirrored);

  const Rate sum = SumOfTargets(rows);
  EXPECT_DOUBLE_EQ(sum.packets, 16);
  EXPECT_DOUBLE_EQ(sum.bits, 84000);
  EXPECT_FALSE(sum.mirrored) << "that of one is not known";
  EXPECT_DOUBLE_EQ(SumOfTargets({rows[0]}).mirrored.value(), 11200);
  EXPECT_DOUBLE_EQ(SumOfTargets({}).mirrored.value(), 0);
}

TEST(SortRates, PutsTheHighestFirstAndKeepsTheOrderOfEquals) {
  // In packets a b c d e: 1 3 3 - 0; in bits: 800 80 160 - 0.
  const std::vector<std::string> rules = {
      "-s 1.0.0.1 -j RMIRROR --target 192.0.2.9 --len 14",
      "-s 2.0.0.1 -j RMIRROR --target 192.0.2.9",
      "-s 3.0.0.1 -j DROP",
      "-s 4.0.0.1 -j DROP",
      "-s 5.0.0.1 -j DROP",
  };
  const auto rows = RuleRates(SampleOf(0, {{rules[0], {}},
                                           {rules[1], {90, 0}},
                                           {rules[2], {}},
                                           {rules[4], {}}}),
                              SampleOf(1000, {{rules[0], {1, 100}},
                                              {rules[1], {93, 10}},
                                              {rules[2], {3, 20}},
                                              {rules[3], {70, 9}},
                                              {rules[4], {0, 0}}}));
  const auto sorted = [&](const char* name) {
    auto copy = rows;
    SortRates(RateOrderByName(name), &copy);
    std::string order;
    for (const RateRow& row : copy) {
      order += std::to_string(row.number);
    }
    return order;
  };
  EXPECT_EQ(sorted("packets"), "23154");
  EXPECT_EQ(sorted("bits"), "13254");
  EXPECT_EQ(sorted("mirrored"), "12345");
  EXPECT_EQ(sorted("total"), "24315");
  EXPECT_EQ(sorted("policy"), "12345");
}

TEST(FormatRate, TakesFiveCharactersAtMost) {
  const std::vector<std::pair<double, std::string>> cases = {
      {0, "0"},         {0.001, "0"},     {0.25, "0.25"},    {0.5, "0.5"},
      {1, "1"},         {9.994, "9.99"},  {9.996, "10"},     {12.34, "12.3"},
      {99.96, "100"},   {999.4, "999"},   {999.6, "1.00K"},  {1234, "1.23K"},
      {12345, "12.3K"}, {123456, "123K"}, {999600, "1.00M"}, {1.5e9, "1.50G"},
      {4e11, "400G"},   {2e12, "2.00T"},  {7e15, "7.00P"},
  };
  for (const auto& [rate, text] : cases) {
    EXPECT_EQ(FormatRate(rate), text);
  }
}

TEST(FormatRates, IsATable) {
  Sample before = SampleOf(0, {{kWeb, {0, 0}}, {kDns, {0, 0}}});
  Sample after = SampleOf(
      1000, {{kWeb, {1500, 1500000}},
             {kDns, {0, 0}},
             {"-m comment --comment \"a\x1b[2Jb\" -j DROP", {123456, 1}}});
  after.rules[1].listed.dormant = true;
  EXPECT_EQ(FormatRates(RuleRates(before, after)),
            (std::vector<std::string>{
                " PKT/S  BIT/S MIRROR/S   PKTS  CHAIN        NUM  RULE",
                " 1.50K  12.0M    1.20M   1500  PREROUTING     1  -p tcp -m "
                "tcp --dport 80 -j RMIRROR --target 192.0.2.9 --len 100",
                "     0      0        0      0  PREROUTING     2  -p udp -m "
                "udp --dport 53 -j RMIRROR --target 192.0.2.9 [no port]",
                "     -      -        -   123K  PREROUTING     3  -m comment "
                "--comment \"a?[2Jb\" -j DROP"}));
  EXPECT_EQ(FormatRates(TargetRates(before, after)),
            (std::vector<std::string>{
                " PKT/S  BIT/S MIRROR/S   PKTS  RULES  TARGET",
                " 1.50K  12.0M    1.20M   1500      2  192.0.2.9"}));
  EXPECT_EQ(FormatRates({}).size(), 1u);
}

TEST(FormatRates, NamesBridgesIfTheyAreSeveral) {
  Sample after = SampleOf(0, {{kReturn, {}}});
  after.rules.push_back(after.rules[0]);
  after.rules[1].bridge = "br-long-name";
  EXPECT_EQ(FormatRates(RuleRates(Sample(), after)),
            (std::vector<std::string>{
                " PKT/S  BIT/S MIRROR/S   PKTS  BRIDGE       CHAIN        NUM  "
                "RULE",
                "     -      -        -      0  br0          PREROUTING     1  "
                "-s 10.0.0.0/8 -j RETURN",
                "     -      -        -      0  br-long-name PREROUTING     1  "
                "-s 10.0.0.0/8 -j RETURN"}));
}

}  // namespace
}  // namespace ovs_rmirror
