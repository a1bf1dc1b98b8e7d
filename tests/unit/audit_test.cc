// SPDX-License-Identifier: Apache-2.0

#include "controller/audit.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace ovs_rmirror {
namespace {

Policy Read(const std::string& rules) {
  const CheckedPolicy checked =
      CheckPolicy({{"p", "*rmirror\n" + rules + "COMMIT\n"}, {}}, {});
  EXPECT_TRUE(checked.policy) << checked.messages;
  return checked.policy.value_or(Policy());
}

std::string To(int last) {
  return "-A OUTPUT -j RMIRROR --target 192.0.2." + std::to_string(last) + "\n";
}

TEST(Audit, SaysWhichRulesHaveComeAndGone) {
  EXPECT_EQ(DescribeRules(Policy(), Read(To(1))),
            "1 rule, 1 added (-A OUTPUT -j RMIRROR --target 192.0.2.1), 0 "
            "removed");
  EXPECT_EQ(DescribeRules(Read(To(1) + To(2)), Read(To(2) + To(3))),
            "2 rules, 1 added (-A OUTPUT -j RMIRROR --target 192.0.2.3), 1 "
            "removed (-A OUTPUT -j RMIRROR --target 192.0.2.1)");
  EXPECT_EQ(DescribeRules(Read(To(1)), Read(To(1))),
            "1 rule, 0 added, 0 removed");
  std::string many;
  for (int i = 1; i <= 6; i++) {
    many += To(i);
  }
  const std::string text = DescribeRules(Policy(), Read(many));
  EXPECT_EQ(text.find("6 rules, 6 added (-A"), 0u);
  EXPECT_NE(text.find("192.0.2.5; ...), 0 removed"), std::string::npos);
}

TEST(Audit, SaysDigestsThatSha1sumSaysToo) {
  // Of "abc" and of nothing.
  const std::string abc = "a9993e364706816aba3e25717850c26c9cd0d89d";
  const std::string nothing = "da39a3ee5e6b4b0d3255bfef95601890afd80709";
  EXPECT_EQ(DescribeDigests({}, {{"p", "abc"}, {{"s", ""}}}),
            "p sha1 " + abc + ", s sha1 " + nothing);
  EXPECT_EQ(
      DescribeDigests({{"p", ""}, {{"s", ""}}}, {{"p", "abc"}, {{"s", ""}}}),
      "p sha1 " + nothing + " -> " + abc + ", s sha1 " + nothing);
}

TEST(Audit, NamesTheOwnersOfTheFilesThatHaveChanged) {
  const std::string name =
      testing::TempDir() + "audit-" + std::to_string(getpid());
  FILE* const file = fopen(name.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fclose(file);
  const std::string text =
      DescribeWriters({{name, "a"}, {{"s", "b"}}}, {{name, "c"}, {{"s", "b"}}});
  remove(name.c_str());
  EXPECT_EQ(text.find("a change of " + name + ", owned by user "), 0u) << text;
  EXPECT_NE(text.find("(" + std::to_string(getuid()) + "), of 2"),
            std::string::npos)
      << text;
  EXPECT_EQ(DescribeWriters({{name, "a"}, {}}, {{name, "a"}, {}}),
            "the files, whose texts are the same");
}

TEST(Audit, NamesWhoIsConnectedToTheControlSocket) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path =
      testing::TempDir() + "audit-" + std::to_string(getpid()) + ".ctl";
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<struct sockaddr*>(&address),
                 sizeof address),
            0);
  ASSERT_EQ(listen(listener, 1), 0);
  EXPECT_EQ(DescribeCommander(path), "a command");
  const int client = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(connect(client, reinterpret_cast<struct sockaddr*>(&address),
                    sizeof address),
            0);
  const int connection = accept(listener, nullptr, nullptr);
  const std::string text = DescribeCommander(path);
  EXPECT_EQ(
      text.find("a command of pid " + std::to_string(getpid()) + " of user "),
      0u)
      << text;
  EXPECT_NE(text.find("(" + std::to_string(getuid()) + ")"), std::string::npos);
  for (const int fd : {listener, client, connection}) {
    close(fd);
  }
  unlink(path.c_str());
}

TEST(Audit, LetsNoTextPretendToBeAnotherLine) {
  EXPECT_EQ(EscapeForLog("a\nb\x1b[2J\xc3\xa4"), "a\\x0ab\\x1b[2J\\xc3\\xa4");
}

}  // namespace
}  // namespace ovs_rmirror
