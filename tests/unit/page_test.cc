// SPDX-License-Identifier: Apache-2.0

#include "controller/page.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace ovs_rmirror {
namespace {

using nlohmann::json;

MetricsSnapshot OneBridge(const std::string& rules) {
  Diagnostics diagnostics;
  const Policy policy =
      ReadPolicy(SourceText("policy", "*rmirror\n" + rules + "COMMIT\n"), {},
                 &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  MetricsSnapshot snapshot;
  BridgeMetrics& bridge = snapshot.bridges.emplace_back();
  bridge.bridge = "br0";
  bridge.status = {{"bridge", "br0"},
                   {"sessions", json::array({{{"session", "192.0.2.9"}}})}};
  bridge.policy.emplace();
  bridge.policy->labels = std::make_shared<const std::vector<RuleLabels>>(
      LabelRules(policy, BuildStages(policy, {}, &diagnostics)));
  bridge.policy->rules.resize(policy.rules.size());
  return snapshot;
}

TEST(Page, HasItsFiles) {
  std::set<std::string> names;
  for (const PageFile& file : kPageFiles) {
    names.insert(file.name);
    EXPECT_NE(std::string(file.text).find("SPDX-License-Identifier"),
              std::string::npos)
        << file.name;
  }
  for (const char* name : {"index.html", "page.css", "page.js", "icon.svg"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(Page, KnowsTypesOfContent) {
  EXPECT_EQ(PageContentType("index.html"), "text/html; charset=utf-8");
  EXPECT_EQ(PageContentType("a.b.css"), "text/css; charset=utf-8");
  EXPECT_EQ(PageContentType("page.js"), "text/javascript; charset=utf-8");
  EXPECT_EQ(PageContentType("icon.svg"), "image/svg+xml");
}

TEST(FormatPageState, SaysCountersOfRulesAndChains) {
  MetricsSnapshot snapshot =
      OneBridge("-A INPUT -j DROP\n-A PREROUTING -i eth9 -j ACCEPT\n");
  snapshot.version = "1.2.3";
  snapshot.when = 5000;
  snapshot.unix_time = 1700000000000;
  snapshot.sessions_when = 4000;
  MeasuredPolicy& policy = *snapshot.bridges[0].policy;
  policy.rules = {{18446744073709551615u, 2}, {3, 4}};
  policy.chains = {{Chain::kInput, {5, 6}}, {Chain::kOutput, {7, 8}}};
  policy.chain_policies = {{Chain::kInput, Verdict::kDrop}};
  policy.dormant = {1};
  policy.ports = {"br0", "eth0"};
  const json state = json::parse(FormatPageState(snapshot));
  EXPECT_EQ(state["version"], "1.2.3");
  EXPECT_EQ(state["time"], 1700000000000);
  EXPECT_EQ(state["clock"], 5000);
  EXPECT_EQ(state["sessions_clock"], 4000);
  ASSERT_EQ(state["bridges"].size(), 1u);
  EXPECT_EQ(state["bridges"][0]["status"], snapshot.bridges[0].status);
  const json& shown = state["bridges"][0]["policy"];
  EXPECT_EQ(shown["rules"], json::parse("[[18446744073709551615,2],[3,4]]"));
  EXPECT_EQ(shown["dormant"], json::parse("[1]"));
  EXPECT_EQ(shown["ports"], json::parse("[\"br0\", \"eth0\"]"));
  EXPECT_EQ(shown["chains"], json::parse(R"([
      {"chain": "INPUT", "policy": "DROP", "packets": 5, "bytes": 6},
      {"chain": "OUTPUT", "policy": "ACCEPT", "packets": 7, "bytes": 8}])"));
}

TEST(FormatPageState, SaysWhatIsNotKnown) {
  MetricsSnapshot snapshot = OneBridge("");
  snapshot.bridges[0].policy.reset();
  const json state = json::parse(FormatPageState(snapshot));
  EXPECT_TRUE(state["sessions_clock"].is_null());
  EXPECT_TRUE(state["bridges"][0]["policy"].is_null());
  EXPECT_EQ(json::parse(FormatPagePolicies(snapshot)), json::array());
}

TEST(FormatPagePolicies, SaysRulesInTheirParts) {
  const json policies = json::parse(FormatPagePolicies(
      OneBridge(":WEB - [0:0]\n"
                "-A PREROUTING -i eth0 -p udp -m comment --comment \"<b>&\" -j "
                "RMIRROR --target 192.0.2.9 --len 96 --key 7\n"
                "-A FORWARD -o eth+ ! -i eth1 -g WEB\n"
                "-A FORWARD -o eth1 -p udp -j ACCEPT\n"
                "-A FORWARD -o eth1 -p udp -j DROP\n"
                "-A WEB -j ACCEPT\n")));
  ASSERT_EQ(policies.size(), 1u);
  EXPECT_EQ(policies[0]["bridge"], "br0");
  const json& rules = policies[0]["rules"];
  ASSERT_EQ(rules.size(), 5u);
  EXPECT_EQ(rules[0]["chain"], "PREROUTING");
  EXPECT_EQ(rules[0]["line"], 3);
  EXPECT_EQ(rules[0]["matches"], "-i eth0 -p udp");
  EXPECT_EQ(rules[0]["comment"], "<b>&");
  EXPECT_EQ(rules[0]["session"], "192.0.2.9 --key 7");
  EXPECT_EQ(rules[0]["in_port"], "eth0");
  EXPECT_EQ(rules[0]["jump"], "");
  EXPECT_EQ(rules[0]["never"], "");
  EXPECT_EQ(rules[1]["jump"], "WEB");
  EXPECT_EQ(rules[1]["session"], "");
  EXPECT_EQ(rules[1]["in_port"], "");
  EXPECT_EQ(rules[1]["out_port"], "");
  EXPECT_EQ(rules[2]["out_port"], "eth1");
  EXPECT_EQ(rules[3]["never"],
            "this rule can never match: line 5 takes all of its packets");
}

// What refers to texts has the same id as these, and another one if any text
// is another.
TEST(FormatPagePolicies, HaveAnIdOfTheirTexts) {
  const auto id = [](const MetricsSnapshot& snapshot) {
    const json state = json::parse(FormatPageState(snapshot));
    const json policies = json::parse(FormatPagePolicies(snapshot));
    EXPECT_EQ(policies[0]["id"], state["bridges"][0]["policy"]["id"]);
    return policies[0]["id"].get<std::string>();
  };
  const std::string rule = "-A INPUT -j DROP\n";
  MetricsSnapshot counted = OneBridge(rule);
  counted.bridges[0].policy->rules[0].packets = 9;
  EXPECT_EQ(id(OneBridge(rule)), id(counted));
  EXPECT_NE(id(OneBridge(rule)), id(OneBridge("-A INPUT -j ACCEPT\n")));
  EXPECT_NE(id(OneBridge(rule)), id(OneBridge("\n" + rule)));
  EXPECT_NE(id(OneBridge(rule)), id(OneBridge("-A OUTPUT -j DROP\n")));
}

TEST(FormatPageHistory, SaysThePointsOfTheSessionsThatThereAre) {
  MetricsSnapshot snapshot = OneBridge("");
  EXPECT_EQ(json::parse(FormatPageHistory(snapshot))["series"], json::array());
  auto history = std::make_shared<TrafficHistory>();
  for (uint64_t i : {0u, 1u}) {
    json sessions = json::array();
    for (const char* name : {"192.0.2.9", "192.0.2.10"}) {
      sessions.push_back({{"session", name},
                          {"copies", i},
                          {"bytes", 60 * i},
                          {"original_bytes", 100 * i},
                          {"drops", {{"no_neigh", 2 * i}}}});
    }
    history->Add(static_cast<int64_t>(5000 * i),
                 static_cast<int64_t>(9000 + 5000 * i),
                 {{"br0", {{"sessions", sessions}}}});
  }
  snapshot.history = history;
  snapshot.unix_time = 15000;
  EXPECT_EQ(json::parse(FormatPageHistory(snapshot)), json::parse(R"({
      "time": 15000, "window": 900000, "series": [
        {"bridge": "br0", "session": "192.0.2.9",
         "points": [[14000, 5000, 1, 60, 100, {"no_neigh": 2}]]}]})"));
}

}  // namespace
}  // namespace ovs_rmirror
