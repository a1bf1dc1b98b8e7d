// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace ovs_rmirror {
namespace {

// The lines of `text` that begin with `prefix`.
std::vector<std::string> Lines(const std::string& text,
                               const std::string& prefix) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  std::string line;
  while (std::getline(stream, line)) {
    if (line.starts_with(prefix)) {
      lines.push_back(line);
    }
  }
  return lines;
}

Policy ReadText(const std::string& rules) {
  Diagnostics diagnostics;
  Policy policy =
      ReadPolicy(SourceText("policy", "*rmirror\n" + rules + "COMMIT\n"), {},
                 &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  return policy;
}

std::vector<RuleLabels> LabelText(const std::string& rules) {
  const Policy policy = ReadText(rules);
  Diagnostics diagnostics;
  return LabelRules(policy, BuildStages(policy, {}, &diagnostics));
}

BridgeMetrics BridgeWithRules(std::vector<RuleLabels> labels,
                              std::vector<Counters> counters) {
  BridgeMetrics bridge;
  bridge.bridge = "br0";
  bridge.policy.emplace();
  bridge.policy->labels =
      std::make_shared<const std::vector<RuleLabels>>(std::move(labels));
  bridge.policy->rules = std::move(counters);
  return bridge;
}

TEST(LabelRules, SaysWhatTellsRulesApart) {
  const std::string rule =
      "-A PREROUTING -p udp -j RMIRROR --target 192.0.2.9 --key 7\n";
  const std::vector<RuleLabels> labels =
      LabelText(":WEB - [0:0]\n" + rule + rule + "-A WEB -j DROP\n");
  ASSERT_EQ(labels.size(), 3u);
  EXPECT_EQ(labels[0].chain, "PREROUTING");
  EXPECT_EQ(labels[0].rule, "-p udp -j RMIRROR --target 192.0.2.9 --key 7");
  EXPECT_EQ(labels[0].target, "192.0.2.9");
  EXPECT_EQ(labels[0].id.size(), 10u);
  EXPECT_EQ(labels[1].rule, labels[0].rule);
  EXPECT_NE(labels[1].id, labels[0].id);
  EXPECT_EQ(labels[2].chain, "WEB");
  EXPECT_EQ(labels[2].rule, "-j DROP");
  EXPECT_EQ(labels[2].target, "");
}

// So that inserting a rule leaves the time series of the others alone.
TEST(LabelRules, DoesNotSayWhereTheRuleStands) {
  const std::string rule = "-A INPUT -j RMIRROR --target 2001:db8::9\n";
  const RuleLabels before = LabelText(rule)[0];
  const RuleLabels after = LabelText("-A INPUT -p tcp -j DROP\n" + rule)[1];
  EXPECT_EQ(before.id, after.id);
  EXPECT_EQ(before.rule, after.rule);
  EXPECT_EQ(before.target, "2001:db8::9");
}

TEST(FormatMetrics, SaysRulesWithTheirCounters) {
  MetricsSnapshot snapshot;
  snapshot.bridges.push_back(
      BridgeWithRules({{"PREROUTING", "00000000a1", "-j RMIRROR", "192.0.2.9"},
                       {"WEB", "00000000a2", "-j DROP", ""}},
                      {{3, 300}, {1234567890123456, 0}}));
  const std::string text = FormatMetrics(snapshot);
  EXPECT_EQ(Lines(text, "ovs_rmirror_rule_packets_total"),
            (std::vector<std::string>{
                "ovs_rmirror_rule_packets_total{bridge=\"br0\",chain="
                "\"PREROUTING\",id=\"00000000a1\",rule=\"-j RMIRROR\",target="
                "\"192.0.2.9\"} 3",
                "ovs_rmirror_rule_packets_total{bridge=\"br0\",chain=\"WEB\","
                "id=\"00000000a2\",rule=\"-j DROP\"} 1234567890123456"}));
  EXPECT_EQ(Lines(text, "# TYPE ovs_rmirror_rule_bytes_total").size(), 1u);
  EXPECT_EQ(Lines(text, "ovs_rmirror_rule_bytes_total").size(), 2u);
}

TEST(FormatMetrics, EscapesLabels) {
  MetricsSnapshot snapshot;
  snapshot.bridges.push_back(
      BridgeWithRules({{"INPUT", "1", "a\\b\"c\"\nd", ""}}, {{1, 1}}));
  EXPECT_NE(FormatMetrics(snapshot).find("rule=\"a\\\\b\\\"c\\\"\\nd\""),
            std::string::npos);
}

TEST(LabelRules, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(LabelText("-A INPUT -m comment --comment \xe4 -j DROP\n")[0].rule,
            "-m comment --comment \"\xef\xbf\xbd\" -j DROP");
}

TEST(FormatMetrics, LeavesOutCountersThatAreNotThere) {
  MetricsSnapshot snapshot;
  snapshot.bridges.emplace_back();
  snapshot.bridges[0].bridge = "br0";
  const std::string text = FormatMetrics(snapshot);
  EXPECT_EQ(text.find("ovs_rmirror_rule"), std::string::npos);
  EXPECT_EQ(Lines(text, "ovs_rmirror_bridge_counters_read"),
            std::vector<std::string>{
                "ovs_rmirror_bridge_counters_read{bridge=\"br0\"} 0"});
}

TEST(FormatMetrics, SaysChainsWithTheirPolicy) {
  MetricsSnapshot snapshot;
  snapshot.bridges.push_back(BridgeWithRules({}, {}));
  MeasuredPolicy& policy = *snapshot.bridges[0].policy;
  policy.chains = {{Chain::kPrerouting, {5, 500}}, {Chain::kInput, {1, 60}}};
  policy.chain_policies = {{Chain::kInput, Verdict::kDrop}};
  EXPECT_EQ(Lines(FormatMetrics(snapshot), "ovs_rmirror_chain_policy_bytes"),
            (std::vector<std::string>{
                "ovs_rmirror_chain_policy_bytes_total{bridge=\"br0\",chain="
                "\"PREROUTING\",policy=\"ACCEPT\"} 500",
                "ovs_rmirror_chain_policy_bytes_total{bridge=\"br0\",chain="
                "\"INPUT\",policy=\"DROP\"} 60"}));
}

TEST(FormatMetrics, SaysWhatBudgetsHoldBack) {
  MetricsSnapshot snapshot;
  snapshot.bridges.push_back(BridgeWithRules({}, {}));
  Session session;
  session.target = *ParseAddress("192.0.2.9");
  session.key = 7;
  snapshot.bridges[0].policy->budgets = {
      {session, {Budget::Unit::kKilobits, 1000, 1000}, {5, 500}}};
  const std::string labels =
      "{bridge=\"br0\",session=\"192.0.2.9 --key 7\",limit=\"1mbit\"} ";
  EXPECT_EQ(
      Lines(FormatMetrics(snapshot), "ovs_rmirror_session_over_limit"),
      (std::vector<std::string>{
          "ovs_rmirror_session_over_limit_packets_total" + labels + "5",
          "ovs_rmirror_session_over_limit_bytes_total" + labels + "500"}));
}

TEST(FormatMetrics, SaysTallies) {
  MetricsSnapshot snapshot;
  snapshot.version = "1.2.3";
  snapshot.bridges.emplace_back();
  BridgeMetrics& bridge = snapshot.bridges[0];
  bridge.bridge = "br0";
  bridge.tallies.compilations = 4;
  bridge.tallies.compile_seconds = 1.5;
  bridge.tallies.updates_failed = 2;
  bridge.reloads.good = 3;
  const std::string text = FormatMetrics(snapshot);
  for (const char* line :
       {"ovs_rmirror_build_info{version=\"1.2.3\"} 1\n",
        "# TYPE ovs_rmirror_policy_compile_duration_seconds summary\n",
        "ovs_rmirror_policy_compile_duration_seconds_count{bridge=\"br0\"} 4\n",
        "ovs_rmirror_policy_compile_duration_seconds_sum{bridge=\"br0\"} 1.5\n",
        "ovs_rmirror_bridge_updates_total{bridge=\"br0\",result=\"failure\"} "
        "2\n",
        "ovs_rmirror_policy_reloads_total{bridge=\"br0\",result=\"success\"} "
        "3\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(FormatMetrics, SaysSessionsAsFarAsThereAreFigures) {
  MetricsSnapshot snapshot;
  snapshot.datapaths = ReadDatapaths(nlohmann::json::parse(R"([
    {"datapath": "netdev@empty"},
    {"datapath": "netdev@ovs-netdev", "max_sessions": 4096, "no_session": 1,
     "sessions": [
       {"target": "192.0.2.9", "key": 7, "ttl": 255, "tos": "inherit",
        "df": false, "copies": 10, "drops": {"no_route": 2, "loop": 0}},
       {"target": "2001:db8::9", "key": null, "ttl": 64, "tos": 184,
        "df": true, "bytes": 18446744073709551615}]}])"));
  const std::string text = FormatMetrics(snapshot);
  const std::string datapath = "{datapath=\"netdev@ovs-netdev\"";
  const std::string session = datapath +
                              ",target=\"192.0.2.9\",key=\"7\",ttl=\"255\",tos="
                              "\"inherit\",df=\"false\"";
  EXPECT_EQ(
      Lines(text, "ovs_rmirror_session_"),
      (std::vector<std::string>{
          "ovs_rmirror_session_copies_total" + session + "} 10",
          "ovs_rmirror_session_bytes_total" + datapath +
              ",target=\"2001:db8::9\",ttl=\"64\",tos=\"184\",df="
              "\"true\"} 1.844674407370955e+19",
          "ovs_rmirror_session_drops_total" + session + ",reason=\"loop\"} 0",
          "ovs_rmirror_session_drops_total" + session +
              ",reason=\"no_route\"} 2"}));
  EXPECT_EQ(Lines(text, "# TYPE ovs_rmirror_session_expanded").size(), 0u);
  EXPECT_EQ(
      Lines(text, "ovs_rmirror_datapath_"),
      (std::vector<std::string>{
          "ovs_rmirror_datapath_max_sessions" + datapath + "} 4096",
          "ovs_rmirror_datapath_no_session_packets_total" + datapath + "} 1"}));
}

TEST(FormatMetrics, SaysTheTierIfItIsKnown) {
  MetricsSnapshot snapshot;
  snapshot.bridges.resize(2);
  snapshot.bridges[1].bridge = "br1";
  snapshot.bridges[1].tier = "native";
  EXPECT_EQ(Lines(FormatMetrics(snapshot), "ovs_rmirror_bridge_info"),
            std::vector<std::string>{
                "ovs_rmirror_bridge_info{bridge=\"br1\",tier=\"native\"} 1"});
}

TEST(ReadDatapaths, RefusesWhatIsNoAnswer) {
  for (const char* text :
       {"{}", "[1]", R"([{"sessions": []}])",
        R"([{"datapath": "dp", "sessions": [{"target": "192.0.2.9"}]}])",
        R"([{"datapath": "dp", "no_session": "many"}])"}) {
    EXPECT_THROW(ReadDatapaths(nlohmann::json::parse(text)),
                 nlohmann::json::exception)
        << text;
  }
}

TEST(MeasureProcess, MeasuresThisProcess) {
  const ProcessMetrics process = MeasureProcess();
  EXPECT_GT(process.start_time, 1e9);
  EXPECT_GT(process.cpu_seconds, 0);
  EXPECT_GT(process.resident_bytes, 0u);
  EXPECT_GT(process.virtual_bytes, process.resident_bytes);
  EXPECT_GT(process.open_fds, 2u);
  EXPECT_GT(process.max_fds, process.open_fds);
}

}  // namespace
}  // namespace ovs_rmirror
