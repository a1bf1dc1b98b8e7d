// SPDX-License-Identifier: Apache-2.0

#include "controller/status.h"

#include <ctime>

#include "controller/sessions.h"

namespace ovs_rmirror {

namespace {

std::string FormatBridge(const nlohmann::json& bridge) {
  const auto text = [&bridge](const char* member) {
    return bridge.at(member).get<std::string>();
  };
  const auto number = [&bridge](const char* member) {
    return std::to_string(bridge.at(member).get<uint64_t>());
  };
  const auto count = [&](const char* member, const std::string& noun) {
    const std::string n = number(member);
    return n + " " + noun + (n == "1" ? "" : "s");
  };
  const auto table = [&bridge](const char* tap) {
    return std::to_string(bridge.at("tables").at(tap).get<int>());
  };
  std::string s = "bridge: " + text("bridge") + ", tables " + table("ingress") +
                  " and " + table("egress") + "\nswitch: " + text("switch") +
                  "\ntap: " + text("tap") + "\npolicy: " + text("policy") +
                  ": ";
  if (bridge.at("in_force").get<bool>()) {
    s += count("rules", "rule") + ", " + number("dormant") + " dormant, " +
         count("flows", "flow") + "\n";
  } else {
    s += "not in force\n";
  }
  if (bridge.at("foreign").get<uint64_t>() > 0) {
    s += "foreign: " + count("foreign", "flow") + " in the tap tables\n";
  }
  const auto line = [&](const char* what, const char* member) {
    const std::string value = text(member);
    return value.empty() ? "" : std::string(what) + ": " + value + "\n";
  };
  s += line("policy error", "policy_error");
  s += line("instead of it", "last_good");
  s += line("not kept", "keep_error");
  s += line("not watched", "watch_error");
  s += "state: " + text("state");
  if (const std::string error = text("error"); !error.empty()) {
    s += ": " + error;
  }
  s += "\n" + line("synchronized", "synchronized");
  return bridge.at("in_force").get<bool>() ? s + FormatSessions(bridge, {}) : s;
}

}  // namespace

std::string FormatStatus(const nlohmann::json& bridges) {
  std::string s;
  for (const nlohmann::json& bridge : bridges) {
    s += (s.empty() ? "" : "\n") + FormatBridge(bridge);
  }
  return s;
}

std::string FormatTime(int64_t seconds) {
  const std::time_t time = seconds;
  char text[sizeof "2026-01-31T23:59:59Z"];
  struct tm utc;
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&time, &utc));
  return text;
}

std::string FormatJson(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ReplaceInvalidUtf8(const std::string& text) {
  return nlohmann::json::parse(FormatJson(text)).get<std::string>();
}

}  // namespace ovs_rmirror
