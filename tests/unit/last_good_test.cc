// SPDX-License-Identifier: Apache-2.0

#include "controller/last_good.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace ovs_rmirror {
namespace {

namespace fs = std::filesystem;

const PolicyText kText = {{"/etc/test.policy", "*rmirror\nCOMMIT\n"},
                          {{"/etc/a.sets", "a\n"}, {"/etc/b.sets", ""}}};

TEST(PolicyTextTest, IsReadAsItWasWritten) {
  const bool good =
      rc::check([](const std::string& name, const std::string& rules,
                   const std::vector<std::string>& sets) {
        PolicyText text = {{name, rules}, {}};
        for (const std::string& set : sets) {
          text.sets.push_back({set + name, set});
        }
        RC_ASSERT(ParsePolicyText(FormatPolicyText(text)) == text);
      });
  EXPECT_TRUE(good);
}

TEST(PolicyTextTest, IsNotReadUnlessItIsComplete) {
  const std::string whole = FormatPolicyText(kText);
  for (size_t n = 0; n < whole.size(); n++) {
    EXPECT_EQ(ParsePolicyText(whole.substr(0, n)), std::nullopt) << n;
  }
  EXPECT_EQ(ParsePolicyText(whole + "x"), std::nullopt);
  EXPECT_EQ(ParsePolicyText("ovs-rmirror policy 1\nrules -1 9\nend\n"),
            std::nullopt);
  EXPECT_EQ(ParsePolicyText("ovs-rmirror policy 1\n"
                            "rules 18446744073709551615 0\nend\n"),
            std::nullopt);
}

class LastGoodTest : public testing::Test {
 protected:
  LastGoodTest()
      : folder_(fs::path(testing::TempDir()) /
                ("last-good-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
  }
  ~LastGoodTest() override { fs::remove_all(folder_); }

  const fs::path folder_;
};

TEST_F(LastGoodTest, KeepsWhatWasWrittenLast) {
  const LastGood copy(folder_, "br0");
  EXPECT_EQ(copy.Write(kText), "");
  PolicyText changed = kText;
  changed.rules.text = "other";
  EXPECT_EQ(copy.Write(changed), "");
  PolicyText text;
  EXPECT_EQ(LastGood(folder_, "br0").Read(&text), "");
  EXPECT_EQ(text, changed);
}

TEST_F(LastGoodTest, IsForItsOwnerAlone) {
  const LastGood copy(folder_, "br0");
  const mode_t before = umask(0);
  EXPECT_EQ(copy.Write(kText), "");
  umask(before);
  EXPECT_EQ(fs::status(copy.name()).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(fs::status(folder_).permissions(), fs::perms::owner_all);
}

TEST_F(LastGoodTest, IsAFileForEachBridgeInTheFolderAndNothingElse) {
  const std::string bridges[] = {"br0", "br1", "unix:/run/a", "..", "a%b"};
  for (const std::string& bridge : bridges) {
    PolicyText text = kText;
    text.rules.text = bridge;
    EXPECT_EQ(LastGood(folder_, bridge).Write(text), "");
  }
  for (const std::string& bridge : bridges) {
    PolicyText text;
    EXPECT_EQ(LastGood(folder_, bridge).Read(&text), "");
    EXPECT_EQ(text.rules.text, bridge);
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 5);
}

TEST_F(LastGoodTest, ReplacesWhatAnEarlierAttemptLeft) {
  fs::create_directory(folder_);
  std::ofstream(folder_ / ".br0.policy.new") << "half";
  EXPECT_EQ(LastGood(folder_, "br0").Write(kText), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(LastGoodTest, SaysWhyItCannotBeWritten) {
  std::ofstream(folder_.string()) << "a file";
  EXPECT_EQ(LastGood(folder_, "br0").Write(kText),
            folder_.string() +
                "/.br0.policy.new: cannot be removed: Not a directory");
  fs::remove(folder_);
  EXPECT_EQ(
      LastGood(folder_ / "deep", "br0").Write(kText),
      folder_.string() + "/deep: cannot be made: No such file or directory");
}

TEST_F(LastGoodTest, SaysWhyItCannotBeRead) {
  const LastGood copy(folder_, "br0");
  PolicyText text;
  EXPECT_EQ(copy.Read(&text),
            copy.name() + ": cannot be read: No such file or directory");
  fs::create_directory(folder_);
  std::ofstream(copy.name()) << "half";
  EXPECT_EQ(copy.Read(&text),
            copy.name() + ": is no complete copy of a policy");
}

}  // namespace
}  // namespace ovs_rmirror
