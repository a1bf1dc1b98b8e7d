// SPDX-License-Identifier: Apache-2.0
//
// What the daemon tells a Prometheus server.

#ifndef CONTROLLER_METRICS_H
#define CONTROLLER_METRICS_H

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/counters.h"
#include "controller/rules.h"
#include "controller/traffic_history.h"

namespace ovs_rmirror {

// What tells a rule from the others, as long as its policy is in force.
struct RuleLabels {
  std::string chain;
  std::string id;      // The rule's part of the cookies of its flows.
  std::string rule;    // What follows "-A CHAIN " in its text.
  std::string target;  // The collector of a rule that mirrors; else empty.

  // For people:
  int line = 0;               // Of the policy file.
  std::string matches = {};   // Of `rule`, what it matches.
  std::string comment = {};   // Likewise.
  std::string session = {};   // NameSession() of a rule that mirrors.
  std::string jump = {};      // The chain to which the rule leads, if it does.
  std::string in_port = {};   // "eth0" of "-i eth0", if it is one port.
  std::string out_port = {};  // Likewise of "-o".
  std::string never = {};     // Rule::never.
};

// Of each rule of `policy`, whose program is `program`.
std::vector<RuleLabels> LabelRules(const Policy& policy,
                                   const Program& program);

// What the budget of a session has kept back.
struct OverBudget {
  Session session;
  Budget budget;
  Counters over;  // The packets that were not copied.
};

// The counters of a policy that is in force.
struct MeasuredPolicy {
  std::shared_ptr<const std::vector<RuleLabels>> labels;
  std::vector<Counters> rules;       // In the order of `labels`.
  std::map<Chain, Counters> chains;  // Packets that met the chain's policy.
  std::map<Chain, Verdict> chain_policies;
  std::vector<size_t> dormant;  // Indexes of rules that wait for a port.
  std::vector<OverBudget> budgets = {};
  std::vector<std::string> ports = {};  // Of the bridge.
};

// What has happened between the daemon and a switch since the daemon started.
struct SwitchTallies {
  uint64_t connections = 0;     // Times that the connection came up.
  uint64_t updates_good = 0;    // Times that the switch was brought up to date,
  uint64_t updates_failed = 0;  // and that it could not be.
  uint64_t repairs = 0;  // Updates because somebody else had changed flows.
  uint64_t compilations = 0;        // Times that flows were made of a policy.
  double compile_seconds = 0;       // Time that these took together,
  double last_compile_seconds = 0;  // and the last of them.
  int64_t updated = 0;  // Unix time of the last good update; 0: never.
};

// What has become of a bridge's policy files since the daemon started.
struct ReloadTallies {
  uint64_t good = 0;
  uint64_t failed = 0;
  bool last_good = false;  // Whether the last one was good.
  int64_t loaded = 0;      // Unix time of the last good one; 0: never.
};

struct BridgeMetrics {
  std::string bridge;
  std::string tier;  // Of its mirror, or empty if that is not known.
  bool connected = false;
  bool in_force = false;    // Whether a policy is.
  bool up_to_date = false;  // Whether the switch is as the policy says.
  bool healthy = false;     // The member "good" of FormatStatus().
  bool fallback = false;    // Whether a kept copy stands in for the files.
  size_t rules = 0;
  size_t dormant = 0;  // Rules that wait for a port.
  size_t flows = 0;    // That the policy takes.
  size_t foreign = 0;  // Of others, that were left in the tap tables.
  SwitchTallies tallies;
  ReloadTallies reloads;
  nlohmann::json status;  // See FormatStatus().
  // None if the switch could not be asked, or did not answer in time.
  std::optional<MeasuredPolicy> policy;
};

// A session of a datapath.  What the datapath has no figure for is none.
struct SessionMetrics {
  std::string target;
  std::optional<uint32_t> key;
  unsigned ttl = 0;
  std::string tos;  // "0" to "255" or "inherit".
  bool df = false;
  std::optional<uint64_t> copies;
  std::optional<uint64_t> bytes;           // Of these, without outer headers.
  std::optional<uint64_t> original_bytes;  // Of the packets that were copied.
  std::optional<uint64_t> truncated;       // Copies.
  std::optional<uint64_t> fragmented;      // Likewise.
  std::optional<uint64_t> expanded;        // Super-packets.
  std::map<std::string, uint64_t> drops;   // By reason.
};

struct DatapathMetrics {
  std::string datapath;                  // "netdev@ovs-netdev"
  std::optional<uint64_t> max_sessions;  // That it can have at once.
  std::optional<uint64_t> no_session;    // Packets without room for a session.
  std::vector<SessionMetrics> sessions;
};

struct ProcessMetrics {
  double cpu_seconds = 0;
  double start_time = 0;  // Unix time.
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
};

struct MetricsSnapshot {
  std::string version;
  std::string host;  // Its name.
  // When it was taken, in milliseconds: by a clock that never goes back, and
  // in Unix time.
  int64_t when = 0;
  int64_t unix_time = 0;
  // When the datapaths said what they count, by the former clock.
  std::optional<int64_t> sessions_when;
  std::shared_ptr<const TrafficHistory> history;
  std::vector<BridgeMetrics> bridges;
  std::vector<DatapathMetrics> datapaths;
  ProcessMetrics process;
};

// Says `snapshot` in the text format of Prometheus, version 0.0.4, whose type
// of content this is.
inline constexpr const char* kMetricsContentType =
    "text/plain; version=0.0.4; charset=utf-8";
std::string FormatMetrics(const MetricsSnapshot& snapshot);

// Reads what "dpctl/rmirror-show --json" of ovs-vswitchd answers.  Throws
// nlohmann::json::exception if `shown` is not of that form.
std::vector<DatapathMetrics> ReadDatapaths(const nlohmann::json& shown);

// Measures this process.
ProcessMetrics MeasureProcess();

}  // namespace ovs_rmirror

#endif  // CONTROLLER_METRICS_H
