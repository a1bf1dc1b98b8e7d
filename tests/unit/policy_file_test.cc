// SPDX-License-Identifier: Apache-2.0

#include "controller/policy_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "controller/allowed_targets.h"

namespace ovs_rmirror {
namespace {

// A policy of `rules`, each ended by a newline, and of sets.
PolicyText Text(const std::string& rules,
                const std::vector<std::string>& sets = {}) {
  PolicyText text;
  text.rules = {"test.policy", "*rmirror\n" + rules + "COMMIT\n"};
  for (const std::string& set : sets) {
    text.sets.push_back({"test.sets", set});
  }
  return text;
}

const std::string kToSet =
    "-A PREROUTING -m set --match-set web src -j RMIRROR --target 192.0.2.9\n";
const std::string kWeb = "create web hash:ip family inet\nadd web 10.0.0.1\n";

TEST(CheckPolicyTest, GivesThePolicy) {
  const CheckedPolicy checked =
      CheckPolicy(Text("-A PREROUTING -j RMIRROR --target 192.0.2.9\n"), {});
  ASSERT_TRUE(checked.policy);
  EXPECT_EQ(checked.policy->rules.size(), 1u);
  EXPECT_EQ(checked.messages, "");
}

TEST(CheckPolicyTest, GivesThePolicyWithItsWarnings) {
  const CheckedPolicy checked =
      CheckPolicy(Text("-A PREROUTING -j ACCEPT\n"
                       "-A PREROUTING -j RMIRROR --target 192.0.2.9\n"),
                  {});
  EXPECT_TRUE(checked.policy);
  EXPECT_EQ(checked.messages.substr(0, 24), "test.policy:3:1: warning");
}

TEST(CheckPolicyTest, SaysWhereThePolicyIsWrong) {
  const CheckedPolicy checked =
      CheckPolicy(Text("-A PREROUTING -j RMIRORR\n"), {});
  EXPECT_FALSE(checked.policy);
  EXPECT_EQ(checked.messages,
            "test.policy:2:18: error: target 'RMIRORR' is not supported\n"
            "    -A PREROUTING -j RMIRORR\n"
            "                     ^~~~~~~\n"
            "    did you mean RMIRROR?\n");
}

TEST(CheckPolicyTest, RefusesEveryBeginningOfAPolicy) {
  const PolicyText whole =
      Text("-A PREROUTING -j RMIRROR --target 192.0.2.9\n");
  // Without the last newline it is whole, too.
  for (size_t n = 0; n + 1 < whole.rules.text.size(); n++) {
    PolicyText part = whole;
    part.rules.text.resize(n);
    const CheckedPolicy checked = CheckPolicy(part, {});
    EXPECT_FALSE(checked.policy) << part.rules.text;
    EXPECT_NE(checked.messages, "");
  }
}

TEST(CheckPolicyTest, RefusesAPolicyOfTooManyFlowsWhateverPortsThereAre) {
  const CheckedPolicy checked = CheckPolicy(
      Text("-A PREROUTING -i vnet0 ! -s 192.0.2.1 -j RMIRROR --target "
           "192.0.2.9\n"),
      {.max_flows = 10});
  EXPECT_FALSE(checked.policy);
  EXPECT_NE(checked.messages.find("more than 10"), std::string::npos);
}

TEST(CheckPolicyTest, RefusesATargetThatIsNotAllowed) {
  const PolicyText text = Text(
      "-A PREROUTING -j RMIRROR --target 192.0.2.9\n"
      "-A PREROUTING -j RMIRROR --len 60 --target 203.0.113.5\n");
  PolicyBounds bounds;
  ASSERT_EQ(
      ParseAllowedTargets("192.0.2.0/24,2001:db8::9", &bounds.allowed_targets),
      "");
  const CheckedPolicy checked = CheckPolicy(text, bounds);
  EXPECT_FALSE(checked.policy);
  EXPECT_EQ(checked.messages,
            "test.policy:3:44: error: the target 203.0.113.5 is not allowed "
            "here\n"
            "    -A PREROUTING -j RMIRROR --len 60 --target 203.0.113.5\n"
            "                                               ^~~~~~~~~~~\n"
            "    --allow-targets allows 192.0.2.0/24, 2001:db8::9\n");
  EXPECT_TRUE(CheckPolicy(text, {}).policy);
  ASSERT_EQ(ParseAllowedTargets("203.0.113.5", &bounds.allowed_targets), "");
  EXPECT_TRUE(CheckPolicy(text, bounds).policy);
}

TEST(CheckPolicyTest, LetsRulesReferToSets) {
  const CheckedPolicy checked = CheckPolicy(Text(kToSet, {kWeb}), {});
  ASSERT_TRUE(checked.policy) << checked.messages;
  EXPECT_EQ(checked.policy->rules[0].matches.sets[0].set->entries.size(), 1u);
  EXPECT_FALSE(CheckPolicy(Text(kToSet), {}).policy);
}

TEST(CheckPolicyTest, SaysWhereASetIsWrongAndNothingOfItsUsers) {
  const CheckedPolicy checked =
      CheckPolicy(Text(kToSet, {"create web hash:ip\nadd web x\n"}), {});
  EXPECT_FALSE(checked.policy);
  EXPECT_EQ(checked.messages.substr(0, 42),
            "test.sets:2:9: error: 'x' is no IPv4 entry");
  EXPECT_EQ(checked.messages.find("test.policy"), std::string::npos);
}

class PolicyFileTest : public testing::Test {
 protected:
  PolicyFileTest()
      : rules_(testing::TempDir() + "policy-file-" + std::to_string(getpid())),
        sets_(rules_ + ".sets") {}
  ~PolicyFileTest() override {
    std::remove(rules_.c_str());
    std::remove(sets_.c_str());
  }

  const std::string rules_;
  const std::string sets_;
};

TEST_F(PolicyFileTest, ReadsWhatTheFilesHold) {
  std::ofstream(rules_) << "rules";
  std::ofstream(sets_) << "sets";
  PolicyText text;
  EXPECT_EQ(PolicyFile(rules_, {sets_}).Read(&text), "");
  EXPECT_EQ(text, (PolicyText{{rules_, "rules"}, {{sets_, "sets"}}}));
}

TEST_F(PolicyFileTest, NamesEveryFileThatItCannotRead) {
  PolicyText text;
  EXPECT_EQ(PolicyFile(rules_, {sets_}).Read(&text),
            sets_ + ": cannot be read: No such file or directory\n" + rules_ +
                ": cannot be read: No such file or directory\n");
}

}  // namespace
}  // namespace ovs_rmirror
