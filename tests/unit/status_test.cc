// SPDX-License-Identifier: Apache-2.0

#include "controller/status.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

nlohmann::json GoodBridge() {
  return {{"bridge", "br0"},    {"tables", {{"ingress", 252}, {"egress", 253}}},
          {"switch", "up"},     {"connected", true},
          {"tap", "set"},       {"policy", "test.policy"},
          {"policy_error", ""}, {"in_force", true},
          {"rules", 3},         {"dormant", 1},
          {"flows", 7},         {"state", "up to date"},
          {"error", ""},        {"synchronized", "2026-01-31T23:59:59Z"},
          {"good", true},       {"last_good", ""},
          {"keep_error", ""},   {"watch", true},
          {"watch_error", ""},  {"foreign", 0},
          {"tier", "native"},   {"sessions", nlohmann::json::array()},
          {"window", 60},       {"sessions_error", ""},
          {"no_session", 0},    {"recent_no_session", 0},
          {"losing", false}};
}

TEST(FormatStatusTest, SaysWhatThereIsToKnowOfEachBridge) {
  nlohmann::json other = GoodBridge();
  other["bridge"] = "br1";
  other["rules"] = 1;
  const std::string text =
      FormatStatus(nlohmann::json::array({GoodBridge(), other}));
  EXPECT_EQ(text.substr(0, text.find("\n\n") + 2),
            "bridge: br0, tables 252 and 253\n"
            "switch: up\n"
            "tap: set\n"
            "policy: test.policy: 3 rules, 1 dormant, 7 flows\n"
            "state: up to date\n"
            "synchronized: 2026-01-31T23:59:59Z\n"
            "Targets (tier native, lately: in the last 60 s)\n"
            "copies bytes drops health    target\n"
            "\n");
  EXPECT_NE(text.find("\n\nbridge: br1, tables 252 and 253\n"),
            std::string::npos);
  EXPECT_NE(text.find("policy: test.policy: 1 rule, "), std::string::npos);
}

TEST(FormatStatusTest, SaysWhatIsWrong) {
  nlohmann::json bridge = GoodBridge();
  bridge["in_force"] = false;
  bridge["policy_error"] = "test.policy:1:1: error: no";
  bridge["last_good"] = "/var/lib/br0.policy";
  bridge["keep_error"] = "disk full";
  bridge["watch_error"] = "no more watches";
  bridge["state"] = "out of date";
  bridge["error"] = "refused";
  bridge["synchronized"] = "";
  bridge["foreign"] = 2;
  EXPECT_EQ(FormatStatus(nlohmann::json::array({bridge})),
            "bridge: br0, tables 252 and 253\n"
            "switch: up\n"
            "tap: set\n"
            "policy: test.policy: not in force\n"
            "foreign: 2 flows in the tap tables\n"
            "policy error: test.policy:1:1: error: no\n"
            "instead of it: /var/lib/br0.policy\n"
            "not kept: disk full\n"
            "not watched: no more watches\n"
            "state: out of date: refused\n");
}

TEST(FormatJsonTest, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(FormatJson({{"rule", "a\xff\xc3\xa4"}}),
            "{\"rule\":\"a\xef\xbf\xbd\xc3\xa4\"}");
}

}  // namespace
}  // namespace ovs_rmirror
