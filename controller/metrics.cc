// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <utility>

#include "controller/address.h"
#include "controller/rule_text.h"
#include "controller/sessions.h"
#include "controller/status.h"

namespace ovs_rmirror {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using Labels = std::vector<ClientMetric::Label>;

// Taken when the program starts.
const std::chrono::system_clock::time_point start_time =
    std::chrono::system_clock::now();

// The families of a snapshot, of which none is without a metric.
class Exposition {
 public:
  // Begins a family, to which the next metrics belong.
  void Begin(const std::string& name, MetricType type,
             const std::string& help) {
    DropEmpty();
    families_.push_back({name, help, type, {}});
  }

  void Add(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    families_.back().metric.push_back(std::move(metric));
  }
  void Add(Labels labels, uint64_t value) {
    Add(std::move(labels), static_cast<double>(value));
  }

  // Adds a summary without quantiles.
  void AddSum(Labels labels, uint64_t count, double sum) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.summary.sample_count = count;
    metric.summary.sample_sum = sum;
    families_.back().metric.push_back(std::move(metric));
  }

  std::string Format() {
    DropEmpty();
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, families_);
    return text.str();
  }

 private:
  void DropEmpty() {
    if (!families_.empty() && families_.back().metric.empty()) {
      families_.pop_back();
    }
  }

  std::vector<MetricFamily> families_;
};

template <typename Value>
constexpr double Number(Value value) {
  return static_cast<double>(value);
}

struct BridgeFamily {
  const char* name;
  MetricType type;
  const char* help;
  double (*value)(const BridgeMetrics&);
};

constexpr BridgeFamily kBridgeFamilies[] = {
    {"ovs_rmirror_bridge_healthy", MetricType::Gauge,
     "Whether the bridge is connected and mirrors as its policy files say.",
     [](const BridgeMetrics& b) { return Number(b.healthy); }},
    {"ovs_rmirror_bridge_connected", MetricType::Gauge,
     "Whether the daemon is connected to the bridge.",
     [](const BridgeMetrics& b) { return Number(b.connected); }},
    {"ovs_rmirror_bridge_connections_total", MetricType::Counter,
     "Times that the connection to the bridge has come up.",
     [](const BridgeMetrics& b) { return Number(b.tallies.connections); }},
    {"ovs_rmirror_bridge_up_to_date", MetricType::Gauge,
     "Whether the tap tables are as the policy in force says.",
     [](const BridgeMetrics& b) { return Number(b.up_to_date); }},
    {"ovs_rmirror_bridge_last_update_timestamp_seconds", MetricType::Gauge,
     "When the tap tables were last brought up to date; 0: never.",
     [](const BridgeMetrics& b) { return Number(b.tallies.updated); }},
    {"ovs_rmirror_bridge_repairs_total", MetricType::Counter,
     "Updates that were due because somebody else had changed the tap tables.",
     [](const BridgeMetrics& b) { return Number(b.tallies.repairs); }},
    {"ovs_rmirror_bridge_foreign_flows", MetricType::Gauge,
     "Flows of others that were left in the tap tables.",
     [](const BridgeMetrics& b) { return Number(b.foreign); }},
    {"ovs_rmirror_bridge_counters_read", MetricType::Gauge,
     "Whether the counters of the rules could be read this time.",
     [](const BridgeMetrics& b) { return Number(b.policy.has_value()); }},
    {"ovs_rmirror_policy_in_force", MetricType::Gauge,
     "Whether a policy is in force.",
     [](const BridgeMetrics& b) { return Number(b.in_force); }},
    {"ovs_rmirror_policy_fallback", MetricType::Gauge,
     "Whether the last good policy stands in for files that have an error.",
     [](const BridgeMetrics& b) { return Number(b.fallback); }},
    {"ovs_rmirror_policy_rules", MetricType::Gauge,
     "Rules of the policy in force.",
     [](const BridgeMetrics& b) { return Number(b.rules); }},
    {"ovs_rmirror_policy_dormant_rules", MetricType::Gauge,
     "Rules among these that wait for a port of the bridge.",
     [](const BridgeMetrics& b) { return Number(b.dormant); }},
    {"ovs_rmirror_policy_flows", MetricType::Gauge,
     "OpenFlow flows that the policy in force takes.",
     [](const BridgeMetrics& b) { return Number(b.flows); }},
    {"ovs_rmirror_policy_last_reload_successful", MetricType::Gauge,
     "Whether the last attempt to load the policy files was good.",
     [](const BridgeMetrics& b) { return Number(b.reloads.last_good); }},
    {"ovs_rmirror_policy_last_reload_success_timestamp_seconds",
     MetricType::Gauge, "When the policy files were last loaded; 0: never.",
     [](const BridgeMetrics& b) { return Number(b.reloads.loaded); }},
    {"ovs_rmirror_policy_last_compile_duration_seconds", MetricType::Gauge,
     "Time that it took to make flows of the policy the last time.",
     [](const BridgeMetrics& b) { return b.tallies.last_compile_seconds; }},
};

void AddBridges(const std::vector<BridgeMetrics>& bridges, Exposition* all) {
  for (const BridgeFamily& family : kBridgeFamilies) {
    all->Begin(family.name, family.type, family.help);
    for (const BridgeMetrics& bridge : bridges) {
      all->Add({{"bridge", bridge.bridge}}, family.value(bridge));
    }
  }
  all->Begin("ovs_rmirror_bridge_info", MetricType::Gauge,
             "The tier of the bridge's mirror; always 1.");
  for (const BridgeMetrics& bridge : bridges) {
    if (!bridge.tier.empty()) {
      all->Add({{"bridge", bridge.bridge}, {"tier", bridge.tier}}, 1.0);
    }
  }
  const auto add_results = [all](const std::string& bridge, uint64_t good,
                                 uint64_t failed) {
    all->Add({{"bridge", bridge}, {"result", "success"}}, good);
    all->Add({{"bridge", bridge}, {"result", "failure"}}, failed);
  };
  all->Begin("ovs_rmirror_bridge_updates_total", MetricType::Counter,
             "Attempts to bring the tap tables up to date, by result.");
  for (const BridgeMetrics& bridge : bridges) {
    add_results(bridge.bridge, bridge.tallies.updates_good,
                bridge.tallies.updates_failed);
  }
  all->Begin("ovs_rmirror_policy_reloads_total", MetricType::Counter,
             "Attempts to load the policy files, by result.");
  for (const BridgeMetrics& bridge : bridges) {
    add_results(bridge.bridge, bridge.reloads.good, bridge.reloads.failed);
  }
  all->Begin("ovs_rmirror_policy_compile_duration_seconds", MetricType::Summary,
             "Time that it took to make flows of the policy, each time.");
  for (const BridgeMetrics& bridge : bridges) {
    all->AddSum({{"bridge", bridge.bridge}}, bridge.tallies.compilations,
                bridge.tallies.compile_seconds);
  }
}

void AddChains(const std::vector<BridgeMetrics>& bridges,
               uint64_t Counters::*counter, Exposition* all) {
  for (const BridgeMetrics& bridge : bridges) {
    if (!bridge.policy) {
      continue;
    }
    for (const auto& [chain, counters] : bridge.policy->chains) {
      const auto verdict = bridge.policy->chain_policies.find(chain);
      all->Add({{"bridge", bridge.bridge},
                {"chain", std::string(ChainName(chain))},
                {"policy", std::string(VerdictName(
                               verdict == bridge.policy->chain_policies.end()
                                   ? Verdict::kAccept
                                   : verdict->second))}},
               counters.*counter);
    }
  }
}

void AddRules(const std::vector<BridgeMetrics>& bridges,
              uint64_t Counters::*counter, Exposition* all) {
  for (const BridgeMetrics& bridge : bridges) {
    if (!bridge.policy) {
      continue;
    }
    const std::vector<RuleLabels>& labels = *bridge.policy->labels;
    for (size_t r = 0; r < labels.size(); r++) {
      Labels rule = {{"bridge", bridge.bridge},
                     {"chain", labels[r].chain},
                     {"id", labels[r].id},
                     {"rule", labels[r].rule}};
      if (!labels[r].target.empty()) {
        rule.push_back({"target", labels[r].target});
      }
      all->Add(std::move(rule), bridge.policy->rules[r].*counter);
    }
  }
}

Labels LabelSession(const std::string& datapath,
                    const SessionMetrics& session) {
  Labels labels = {{"datapath", datapath}, {"target", session.target}};
  if (session.key) {
    labels.push_back({"key", std::to_string(*session.key)});
  }
  labels.push_back({"ttl", std::to_string(session.ttl)});
  labels.push_back({"tos", session.tos});
  labels.push_back({"df", session.df ? "true" : "false"});
  return labels;
}

// The budgets of the sessions of each bridge: each bridge has its own.
void AddBudgets(const std::vector<BridgeMetrics>& bridges, Exposition* all) {
  const auto add = [&](const char* name, const char* help,
                       uint64_t Counters::*counter) {
    all->Begin(name, MetricType::Counter, help);
    for (const BridgeMetrics& bridge : bridges) {
      if (!bridge.policy) {
        continue;
      }
      for (const OverBudget& budget : bridge.policy->budgets) {
        all->Add({{"bridge", bridge.bridge},
                  {"session", NameSession(budget.session)},
                  {"limit", FormatBudgetRate(budget.budget)}},
                 budget.over.*counter);
      }
    }
  };
  add("ovs_rmirror_session_over_limit_packets_total",
      "Packets not copied because of the limit of their session.",
      &Counters::packets);
  add("ovs_rmirror_session_over_limit_bytes_total", "Bytes of these packets.",
      &Counters::bytes);
}

struct SessionFamily {
  const char* name;
  const char* help;
  std::optional<uint64_t> SessionMetrics::*value;
};

constexpr SessionFamily kSessionFamilies[] = {
    {"ovs_rmirror_session_copies_total", "Copies sent.",
     &SessionMetrics::copies},
    {"ovs_rmirror_session_bytes_total",
     "Bytes of copies sent, without outer headers.", &SessionMetrics::bytes},
    {"ovs_rmirror_session_original_bytes_total",
     "Bytes of the packets that were copied, before they were cut.",
     &SessionMetrics::original_bytes},
    {"ovs_rmirror_session_truncated_copies_total",
     "Copies that are shorter than their packets.", &SessionMetrics::truncated},
    {"ovs_rmirror_session_fragmented_copies_total",
     "Copies that were sent as several IP fragments.",
     &SessionMetrics::fragmented},
    {"ovs_rmirror_session_expanded_packets_total",
     "Super-packets of segmentation offload that became several copies.",
     &SessionMetrics::expanded},
};

void AddDatapaths(const std::vector<DatapathMetrics>& datapaths,
                  Exposition* all) {
  all->Begin("ovs_rmirror_datapath_max_sessions", MetricType::Gauge,
             "Sessions that the datapath can have at once.");
  for (const DatapathMetrics& datapath : datapaths) {
    if (datapath.max_sessions) {
      all->Add({{"datapath", datapath.datapath}}, *datapath.max_sessions);
    }
  }
  all->Begin("ovs_rmirror_datapath_no_session_packets_total",
             MetricType::Counter,
             "Packets not copied because there were too many sessions.");
  for (const DatapathMetrics& datapath : datapaths) {
    if (datapath.no_session) {
      all->Add({{"datapath", datapath.datapath}}, *datapath.no_session);
    }
  }
  for (const SessionFamily& family : kSessionFamilies) {
    all->Begin(family.name, MetricType::Counter, family.help);
    for (const DatapathMetrics& datapath : datapaths) {
      for (const SessionMetrics& session : datapath.sessions) {
        if (const std::optional<uint64_t>& value = session.*family.value) {
          all->Add(LabelSession(datapath.datapath, session), *value);
        }
      }
    }
  }
  all->Begin("ovs_rmirror_session_drops_total", MetricType::Counter,
             "Copies that were not sent, by reason.");
  for (const DatapathMetrics& datapath : datapaths) {
    for (const SessionMetrics& session : datapath.sessions) {
      for (const auto& [reason, drops] : session.drops) {
        Labels labels = LabelSession(datapath.datapath, session);
        labels.push_back({"reason", reason});
        all->Add(std::move(labels), drops);
      }
    }
  }
}

void AddProcess(const ProcessMetrics& process, Exposition* all) {
  all->Begin("process_cpu_seconds_total", MetricType::Counter,
             "Processor time of the daemon, of user and system.");
  all->Add({}, process.cpu_seconds);
  all->Begin("process_start_time_seconds", MetricType::Gauge,
             "When the daemon was started, in Unix time.");
  all->Add({}, process.start_time);
  all->Begin("process_resident_memory_bytes", MetricType::Gauge,
             "Memory of the daemon that is in use.");
  all->Add({}, process.resident_bytes);
  all->Begin("process_virtual_memory_bytes", MetricType::Gauge,
             "Memory of the daemon.");
  all->Add({}, process.virtual_bytes);
  all->Begin("process_open_fds", MetricType::Gauge,
             "File descriptors of the daemon.");
  all->Add({}, process.open_fds);
  all->Begin("process_max_fds", MetricType::Gauge,
             "File descriptors that the daemon may have.");
  all->Add({}, process.max_fds);
}

std::string FormatId(RuleId id) {
  char text[16];
  std::snprintf(text, sizeof text, "%010llx",
                static_cast<unsigned long long>(id));
  return text;
}

// The port of a match of just one.
std::string OnlyPort(const std::optional<InterfaceMatch>& match) {
  return match && !match->negated && !match->prefix
             ? ReplaceInvalidUtf8(match->name)
             : "";
}

}  // namespace

std::vector<RuleLabels> LabelRules(const Policy& policy,
                                   const Program& program) {
  std::vector<RuleLabels> labels;
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Rule& rule = policy.rules[r];
    const std::string head = "-A " + rule.chain + " ";
    const Mirror* mirror = rule.mirror();
    labels.push_back({ReplaceInvalidUtf8(rule.chain), FormatId(program.ids[r]),
                      ReplaceInvalidUtf8(FormatRule(rule).substr(head.size())),
                      mirror ? FormatAddress(mirror->session.target) : ""});
    RuleLabels& label = labels.back();
    label.line = rule.where.line;
    label.matches = ReplaceInvalidUtf8(FormatMatches(rule.matches));
    if (!label.matches.empty()) {
      label.matches.erase(0, 1);  // A space.
    }
    label.comment = ReplaceInvalidUtf8(rule.comment);
    label.session = mirror ? NameSession(mirror->session) : "";
    label.jump = rule.jump() ? ReplaceInvalidUtf8(rule.jump()->chain) : "";
    label.in_port = OnlyPort(rule.matches.in_interface);
    label.out_port = OnlyPort(rule.matches.out_interface);
    label.never = rule.never;
  }
  return labels;
}

std::string FormatMetrics(const MetricsSnapshot& snapshot) {
  Exposition all;
  all.Begin("ovs_rmirror_build_info", MetricType::Gauge,
            "The version of the daemon; always 1.");
  all.Add({{"version", snapshot.version}}, 1.0);
  AddBridges(snapshot.bridges, &all);
  all.Begin("ovs_rmirror_rule_packets_total", MetricType::Counter,
            "Packets that a rule of the policy in force has matched.");
  AddRules(snapshot.bridges, &Counters::packets, &all);
  all.Begin("ovs_rmirror_rule_bytes_total", MetricType::Counter,
            "Bytes of the packets that a rule has matched, before they are "
            "cut.");
  AddRules(snapshot.bridges, &Counters::bytes, &all);
  all.Begin("ovs_rmirror_chain_policy_packets_total", MetricType::Counter,
            "Packets that came to the end of a chain.");
  AddChains(snapshot.bridges, &Counters::packets, &all);
  all.Begin("ovs_rmirror_chain_policy_bytes_total", MetricType::Counter,
            "Bytes of the packets that came to the end of a chain.");
  AddChains(snapshot.bridges, &Counters::bytes, &all);
  AddBudgets(snapshot.bridges, &all);
  AddDatapaths(snapshot.datapaths, &all);
  AddProcess(snapshot.process, &all);
  return all.Format();
}

std::vector<DatapathMetrics> ReadDatapaths(const nlohmann::json& shown) {
  using nlohmann::json;
  const auto number = [](const json& object,
                         const char* member) -> std::optional<uint64_t> {
    const auto value = object.find(member);
    return value == object.end() ? std::nullopt
                                 : std::optional(value->get<uint64_t>());
  };
  std::vector<DatapathMetrics> datapaths;
  for (const json& object : shown.get<std::vector<json>>()) {
    DatapathMetrics datapath;
    datapath.datapath = object.at("datapath");
    datapath.max_sessions = number(object, "max_sessions");
    datapath.no_session = number(object, "no_session");
    for (const json& counted : object.value("sessions", json::array())) {
      SessionMetrics session;
      session.target = counted.at("target");
      if (const json& key = counted.at("key"); !key.is_null()) {
        session.key = key.get<uint32_t>();
      }
      session.ttl = counted.at("ttl");
      const json& tos = counted.at("tos");
      session.tos = tos.is_string() ? tos.get<std::string>()
                                    : std::to_string(tos.get<unsigned>());
      session.df = counted.at("df");
      session.copies = number(counted, "copies");
      session.bytes = number(counted, "bytes");
      session.original_bytes = number(counted, "original_bytes");
      session.truncated = number(counted, "truncated");
      session.fragmented = number(counted, "fragmented");
      session.expanded = number(counted, "expanded");
      session.drops = counted.value("drops", std::map<std::string, uint64_t>());
      datapath.sessions.push_back(std::move(session));
    }
    datapaths.push_back(std::move(datapath));
  }
  return datapaths;
}

ProcessMetrics MeasureProcess() {
  ProcessMetrics process;
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
      process.cpu_seconds += static_cast<double>(time.tv_sec) +
                             static_cast<double>(time.tv_usec) / 1e6;
    }
  }
  process.start_time =
      std::chrono::duration<double>(start_time.time_since_epoch()).count();
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  if (statm >> pages >> resident) {
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    process.virtual_bytes = pages * page;
    process.resident_bytes = resident * page;
  }
  std::error_code error;
  for ([[maybe_unused]] const auto& fd :
       std::filesystem::directory_iterator("/proc/self/fd", error)) {
    process.open_fds++;
  }
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    process.max_fds = limit.rlim_cur;
  }
  return process;
}

}  // namespace ovs_rmirror
