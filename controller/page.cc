// SPDX-License-Identifier: Apache-2.0

#include "controller/page.h"

#include <cstdio>
#include <deque>
#include <nlohmann/json.hpp>
#include <string_view>

#include "controller/status.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// Different for different texts (FNV-1a with 64 bits).
class Fingerprint {
 public:
  void Add(std::string_view text) {
    for (const char c : text) {
      Add(static_cast<uint8_t>(c));
    }
    Add(uint8_t{0xff});  // What is not in UTF-8.
  }
  std::string Format() const {
    char text[17];
    std::snprintf(text, sizeof text, "%016llx",
                  static_cast<unsigned long long>(hash_));
    return text;
  }

 private:
  void Add(uint8_t byte) {
    hash_ ^= byte;
    hash_ *= 0x100000001b3;
  }

  uint64_t hash_ = 0xcbf29ce484222325;
};

// What is the same as long as the browser need not ask for the texts again.
std::string IdOf(const std::vector<RuleLabels>& labels) {
  Fingerprint id;
  for (const RuleLabels& label : labels) {
    id.Add(label.chain);
    id.Add(label.rule);
    id.Add(std::to_string(label.line));
    id.Add(label.never);
  }
  return id.Format();
}

json PolicyAsJson(const MeasuredPolicy& policy) {
  json rules = json::array();
  for (const Counters& counters : policy.rules) {
    rules.push_back({counters.packets, counters.bytes});
  }
  json chains = json::array();
  for (const auto& [chain, counters] : policy.chains) {
    const auto verdict = policy.chain_policies.find(chain);
    chains.push_back(
        {{"chain", ChainName(chain)},
         {"policy", VerdictName(verdict == policy.chain_policies.end()
                                    ? Verdict::kAccept
                                    : verdict->second)},
         {"packets", counters.packets},
         {"bytes", counters.bytes}});
  }
  return {{"id", IdOf(*policy.labels)},
          {"rules", std::move(rules)},
          {"dormant", policy.dormant},
          {"chains", std::move(chains)},
          {"ports", policy.ports}};
}

}  // namespace

std::string PageContentType(const std::string& name) {
  const std::string_view type =
      std::string_view(name).substr(name.rfind('.') + 1);
  return type == "html"  ? "text/html; charset=utf-8"
         : type == "css" ? "text/css; charset=utf-8"
         : type == "js"  ? "text/javascript; charset=utf-8"
                         : "image/svg+xml";
}

std::string FormatPageState(const MetricsSnapshot& snapshot) {
  json bridges = json::array();
  for (const BridgeMetrics& bridge : snapshot.bridges) {
    bridges.push_back(
        {{"status", bridge.status},
         {"policy", bridge.policy ? PolicyAsJson(*bridge.policy) : json()}});
  }
  return FormatJson(
      {{"version", snapshot.version},
       {"host", snapshot.host},
       {"time", snapshot.unix_time},
       {"clock", snapshot.when},
       {"sessions_clock",
        snapshot.sessions_when ? json(*snapshot.sessions_when) : json()},
       {"bridges", std::move(bridges)}});
}

std::string FormatPagePolicies(const MetricsSnapshot& snapshot) {
  json policies = json::array();
  for (const BridgeMetrics& bridge : snapshot.bridges) {
    if (!bridge.policy) {
      continue;
    }
    json rules = json::array();
    for (const RuleLabels& label : *bridge.policy->labels) {
      rules.push_back({{"chain", label.chain},
                       {"id", label.id},
                       {"rule", label.rule},
                       {"target", label.target},
                       {"line", label.line},
                       {"matches", label.matches},
                       {"comment", label.comment},
                       {"session", label.session},
                       {"jump", label.jump},
                       {"in_port", label.in_port},
                       {"out_port", label.out_port},
                       {"never", label.never}});
    }
    policies.push_back({{"bridge", bridge.bridge},
                        {"id", IdOf(*bridge.policy->labels)},
                        {"rules", std::move(rules)}});
  }
  return FormatJson(policies);
}

std::string FormatPageHistory(const MetricsSnapshot& snapshot) {
  json all = json::array();
  for (const BridgeMetrics& bridge : snapshot.bridges) {
    for (const json& session : bridge.status.value("sessions", json::array())) {
      const auto name = session.at("session").get<std::string>();
      const std::deque<TrafficPoint>* points =
          snapshot.history ? snapshot.history->Find({bridge.bridge, name})
                           : nullptr;
      if (!points) {
        continue;
      }
      json array = json::array();
      for (const TrafficPoint& point : *points) {
        array.push_back({point.when, point.duration, point.copies, point.bytes,
                         point.original_bytes, json(point.drops)});
      }
      all.push_back({{"bridge", bridge.bridge},
                     {"session", name},
                     {"points", std::move(array)}});
    }
  }
  return FormatJson({{"time", snapshot.unix_time},
                     {"window", TrafficHistory::kWindow},
                     {"series", std::move(all)}});
}

}  // namespace ovs_rmirror
