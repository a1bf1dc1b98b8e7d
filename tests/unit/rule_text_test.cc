// SPDX-License-Identifier: Apache-2.0

#include "controller/rule_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/unit/flow_walk.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

Policy Read(const std::string& text) {
  const SourceText source("p", text);
  Diagnostics diagnostics;
  Policy policy = ReadPolicy(source, GeneratedSets(), &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  return policy;
}

// The canonical text of one rule.
std::string Canonical(const std::string& rule) {
  const Policy policy = Read("*rmirror\n" + rule + "\nCOMMIT\n");
  return policy.rules.empty() ? "" : FormatRule(policy.rules[0]);
}

TEST(RuleText, IsOrderedAsIptablesSaveOrdersIt) {
  EXPECT_EQ(Canonical("-A PREROUTING -p tcp -i eth0 --dport http -m comment "
                      "--comment hi -d 10.0.0.1 ! -s 10.0.0.0/255.0.0.0 -j "
                      "RMIRROR --df --len 0x60 --target 192.0.2.9"),
            "-A PREROUTING ! -s 10.0.0.0/8 -d 10.0.0.1/32 -i eth0 -p tcp -m "
            "tcp --dport 80 -m comment --comment \"hi\" -j RMIRROR --target "
            "192.0.2.9 --len 96 --df");
}

TEST(RuleText, LeavesDefaultsOut) {
  EXPECT_EQ(Canonical("-A OUTPUT -p all -j RMIRROR --target 192.0.2.9 --len 0 "
                      "--ttl 255 --tos 0"),
            "-A OUTPUT -j RMIRROR --target 192.0.2.9");
}

TEST(RuleText, KeepsAKeyOfZeroBecauseItIsOnTheWire) {
  EXPECT_EQ(Canonical("-A OUTPUT -j RMIRROR --target 192.0.2.9 --key 0"),
            "-A OUTPUT -j RMIRROR --target 192.0.2.9 --key 0");
}

TEST(RuleText, QuotesCommentsSoThatTheyReadBack) {
  const std::string rule =
      R"(-A OUTPUT -m comment --comment "a \"b\" \\ c" -j DROP)";
  EXPECT_EQ(Canonical(rule), rule);
}

TEST(RuleText, QuotesNamesThatWouldBeNoWords) {
  for (const char* name : {R"("!")", R"("[1:2]")", R"("a b")", R"("a\\b")"}) {
    const std::string rule = std::string("-A FORWARD -i ") + name + " -j DROP";
    EXPECT_EQ(Canonical(rule), rule);
  }
  EXPECT_EQ(Canonical(R"(-A FORWARD -i "eth0" -j DROP)"),
            "-A FORWARD -i eth0 -j DROP");
}

TEST(RuleText, CanLeaveTheCommentOut) {
  const Policy policy =
      Read("*rmirror\n-A OUTPUT -m comment --comment x -j DROP\nCOMMIT\n");
  EXPECT_EQ(FormatRule(policy.rules[0], RuleText::kIdentity),
            "-A OUTPUT -j DROP");
}

TEST(RuleText, OfAPolicyIsAFile) {
  EXPECT_EQ(FormatPolicy(Read("*rmirror\n:OUTPUT DROP\n-A OUTPUT -6 -j RETURN\n"
                              "COMMIT\n")),
            "*rmirror\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n"
            ":FORWARD ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n"
            ":POSTROUTING ACCEPT [0:0]\n-A OUTPUT -6 -j RETURN\nCOMMIT\n");
}

RC_GTEST_PROP(RuleText, ReadsBackAsARuleThatDoesTheSame, ()) {
  const Policy policy = GeneratePolicy();
  const std::string text = FormatPolicy(policy);
  const Policy again = Read(text);
  RC_ASSERT(FormatPolicy(again) == text);
  for (int i = 0; i < 20; i++) {
    const Trip trip = GenerateTrip();
    RC_ASSERT(FollowRules(policy, GeneratedPorts(), trip) ==
              FollowRules(again, GeneratedPorts(), trip));
  }
}

}  // namespace
}  // namespace ovs_rmirror
