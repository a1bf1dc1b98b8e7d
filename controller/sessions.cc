// SPDX-License-Identifier: Apache-2.0

#include "controller/sessions.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

#include "controller/rule_text.h"
#include "controller/way.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// The health of a session that loses no copy.
constexpr const char* kSending = "sending";

Session ReadSession(const json& shown) {
  const auto target = ParseAddress(shown.at("target").get<std::string>());
  if (!target) {
    throw std::runtime_error("no address: " + shown.at("target").dump());
  }
  Session session;
  session.target = *target;
  if (!shown.at("key").is_null()) {
    session.key = shown.at("key").get<uint32_t>();
  }
  session.ttl = shown.at("ttl").get<uint8_t>();
  session.tos.reset();
  if (shown.at("tos").is_number()) {
    session.tos = shown.at("tos").get<uint8_t>();
  }
  session.df = shown.at("df").get<bool>();
  return session;
}

json SessionAsJson(const Session& session) {
  return {{"session", NameSession(session)},
          {"target", FormatAddress(session.target)},
          {"key", session.key ? json(*session.key) : json()},
          {"ttl", session.ttl},
          {"tos", session.tos ? json(*session.tos) : json("inherit")},
          {"df", session.df},
          {"health", "unknown"}};
}

uint64_t Growth(uint64_t before, uint64_t now) {
  return now >= before ? now - before : now;
}

// Adds to `*sum` by how much counters have grown; those that were not there
// were 0.
void AddGrowth(const std::map<std::string, uint64_t>& before,
               const std::map<std::string, uint64_t>& now,
               std::map<std::string, uint64_t>* sum) {
  for (const auto& [name, count] : now) {
    const auto it = before.find(name);
    (*sum)[name] += Growth(it == before.end() ? 0 : it->second, count);
  }
}

template <typename Map>
const typename Map::mapped_type& FindOrEmpty(const Map& map,
                                             const std::string& key) {
  static const typename Map::mapped_type empty{};
  const auto it = map.find(key);
  return it == map.end() ? empty : it->second;
}

// The reason of most of the drops in `recent`, or whether there is anything to
// send.
std::string JudgeHealth(const SessionCounters& recent) {
  const std::pair<const std::string, uint64_t>* most = nullptr;
  for (const auto& drop : recent.drops) {
    if (drop.first != kLoop && drop.second > (most ? most->second : 0)) {
      most = &drop;
    }
  }
  return most                                       ? most->first
         : FindOrEmpty(recent.counts, "copies") > 0 ? kSending
                                                    : "idle";
}

// The datapath of a bridge whose tier is `tier`: there is one of each type.
const CountersByDatapath::value_type* FindDatapath(
    const CountersByDatapath& counters, const std::string& tier) {
  for (const auto& datapath : counters) {
    if ((tier == kUserspaceTier) != datapath.first.starts_with("system@")) {
      return &datapath;
    }
  }
  return nullptr;
}

std::string Right(const std::string& text, size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}

// "no_neigh 2, no_route 3 (1 lately)".
std::string FormatDrops(const json& session) {
  std::string s;
  for (const auto& [reason, drops] : session.at("drops").items()) {
    if (drops.get<uint64_t>() > 0) {
      s += (s.empty() ? "" : ", ") + reason + " " + drops.dump();
      const uint64_t recent = session.at("recent_drops").value(reason, 0UL);
      if (recent > 0) {
        s += " (" + std::to_string(recent) + " lately)";
      }
    }
  }
  return s;
}

// " (last copy 75 s ago, by eth0)" as far as that is known, or nothing if copies
// are being sent.
std::string FormatPast(const json& session) {
  if (session.at("health") == kSending) {
    return "";
  }
  std::string s;
  if (session.contains("last_copy") && !session.at("last_copy").is_null()) {
    s = "last copy " + session.at("last_copy").dump() + " s ago";
  }
  if (session.contains("way")) {
    s += (s.empty() ? "" : ", ") +
         FormatWay(session.at("way"), session.at("target").get<std::string>());
  }
  return s.empty() ? "" : " (" + s + ")";
}

// ": limit 1000/sec, 7 packets over it", or nothing if there is no limit.
std::string FormatOverLimit(const json& session) {
  return session.contains("limit")
             ? ": limit " + session.at("limit").get<std::string>() + ", " +
                   session.at("over_limit").dump() + " packets over it"
             : "";
}

}  // namespace

uint64_t SumLost(const std::map<std::string, uint64_t>& drops) {
  uint64_t sum = 0;
  for (const auto& [reason, count] : drops) {
    sum += reason == kLoop ? 0 : count;
  }
  return sum;
}

std::string NameSession(const Session& session) {
  return FormatAddress(session.target) + FormatSessionOptions(session);
}

CountersByDatapath ReadSessionCounters(const json& shown) {
  CountersByDatapath counters;
  for (const json& entry : shown) {
    if (!entry.contains("sessions")) {
      continue;
    }
    DatapathCounters datapath;
    datapath.no_session = entry.at("no_session").get<uint64_t>();
    for (const json& session : entry.at("sessions")) {
      SessionCounters& c = datapath.sessions[NameSession(ReadSession(session))];
      for (const auto& [name, count] : session.items()) {
        if (count.is_number() && name != "key" && name != "ttl" &&
            name != "tos") {
          c.counts[name] = count.get<uint64_t>();
        }
      }
      c.drops = session.at("drops").get<std::map<std::string, uint64_t>>();
    }
    counters[entry.at("datapath").get<std::string>()] = std::move(datapath);
  }
  return counters;
}

void SessionHistory::Add(int64_t when, CountersByDatapath counters) {
  std::map<std::string, std::map<std::string, int64_t>> last_copies;
  for (const auto& [datapath, now] : counters) {
    for (const auto& [session, counted] : now.sessions) {
      const uint64_t copies = FindOrEmpty(counted.counts, "copies");
      const bool sent =
          !samples_.empty() &&
          Growth(FindOrEmpty(Find(samples_.back(), datapath, session).counts,
                             "copies"),
                 copies) > 0;
      last_copies[datapath][session] =
          sent ? when
               : FindOrEmpty(FindOrEmpty(last_copies_, datapath), session);
    }
  }
  last_copies_ = std::move(last_copies);
  samples_.push_back({when, std::move(counters)});
  // One that is older stays, as what the first one within has grown from.
  while (samples_.size() > 1 && samples_[1].when <= when - window_) {
    samples_.pop_front();
  }
}

const SessionCounters& SessionHistory::Find(const Sample& sample,
                                            const std::string& datapath,
                                            const std::string& session) {
  return FindOrEmpty(FindOrEmpty(sample.counters, datapath).sessions, session);
}

SessionCounters SessionHistory::Recent(const std::string& datapath,
                                       const std::string& session) const {
  SessionCounters recent;
  for (size_t i = 1; i < samples_.size(); i++) {
    const SessionCounters& before = Find(samples_[i - 1], datapath, session);
    const SessionCounters& now = Find(samples_[i], datapath, session);
    AddGrowth(before.counts, now.counts, &recent.counts);
    AddGrowth(before.drops, now.drops, &recent.drops);
  }
  return recent;
}

uint64_t SessionHistory::RecentNoSession(const std::string& datapath) const {
  uint64_t recent = 0;
  for (size_t i = 1; i < samples_.size(); i++) {
    recent += Growth(FindOrEmpty(samples_[i - 1].counters, datapath).no_session,
                     FindOrEmpty(samples_[i].counters, datapath).no_session);
  }
  return recent;
}

json SessionHistory::Report(const std::string& tier, const std::string& error,
                            const std::vector<Session>& sessions) const {
  json report = {
      {"tier", tier},    {"sessions_error", error}, {"sessions", json::array()},
      {"no_session", 0}, {"recent_no_session", 0},  {"window", window_ / 1000},
      {"losing", false}};
  for (const Session& session : sessions) {
    report["sessions"].push_back(SessionAsJson(session));
  }
  if (!error.empty()) {
    return report;
  }
  const auto* datapath =
      samples_.empty() ? nullptr : FindDatapath(samples_.back().counters, tier);
  if (!datapath) {
    report["sessions_error"] =
        "nothing counts them in this tier; ovs-dpctl show -s has counters of "
        "the tunnel port that copies take";
    return report;
  }
  const uint64_t no_session = RecentNoSession(datapath->first);
  bool losing = no_session > 0;
  report["no_session"] = datapath->second.no_session;
  report["recent_no_session"] = no_session;
  for (json& session : report["sessions"]) {
    const auto name = session.at("session").get<std::string>();
    const SessionCounters& now = FindOrEmpty(datapath->second.sessions, name);
    const SessionCounters recent = Recent(datapath->first, name);
    for (const char* count : {"copies", "bytes", "original_bytes"}) {
      session[count] = 0;  // If the session was never used.
    }
    for (const auto& [count, value] : now.counts) {
      session[count] = value;
    }
    session["drops"] = json::object();
    session["drops"].update(json(now.drops));
    session["recent_copies"] = FindOrEmpty(recent.counts, "copies");
    session["recent_drops"] = json::object();
    session["recent_drops"].update(json(recent.drops));
    session["health"] = JudgeHealth(recent);
    const int64_t last =
        FindOrEmpty(FindOrEmpty(last_copies_, datapath->first), name);
    session["last_copy"] =
        last ? json((samples_.back().when - last) / 1000) : json();
    losing = losing || SumLost(recent.drops) > 0;
  }
  report["losing"] = losing;
  return report;
}

std::string FormatSessions(const json& report, const ListingOptions& options) {
  const auto tier = report.at("tier").get<std::string>();
  std::string s = "Targets (" + (tier.empty() ? "" : "tier " + tier + ", ") +
                  "lately: in the last " + report.at("window").dump() + " s)\n";
  const auto count = [&](uint64_t number, size_t width) {
    return options.exact ? Right(std::to_string(number), 2 * width)
                         : Right(AbbreviateCounter(number), width);
  };
  const size_t factor = options.exact ? 2 : 1;
  s += Right("copies", 6 * factor) + " " + Right("bytes", 5 * factor) + " " +
       Right("drops", 5 * factor) + " health    target\n";
  for (const json& session : report.at("sessions")) {
    const auto health = session.at("health").get<std::string>();
    std::string numbers;
    std::string drops;
    if (session.contains("copies")) {
      uint64_t dropped = 0;
      for (const json& n : session.at("drops")) {
        dropped += n.get<uint64_t>();
      }
      numbers = count(session.at("copies").get<uint64_t>(), 6) + " " +
                count(session.at("bytes").get<uint64_t>(), 5) + " " +
                count(dropped, 5);
      drops = FormatDrops(session);
    } else {
      numbers = Right("-", 6 * factor) + " " + Right("-", 5 * factor) + " " +
                Right("-", 5 * factor);
    }
    s += numbers + " " + health +
         std::string(health.size() < 9 ? 9 - health.size() : 0, ' ') + " " +
         session.at("session").get<std::string>() + FormatPast(session) +
         FormatOverLimit(session) +
         (drops.empty() ? "" : ": dropped: " + drops) + "\n";
  }
  if (const auto error = report.at("sessions_error").get<std::string>();
      !error.empty()) {
    s += "The counters are not known: " + error + "\n";
  }
  if (report.at("no_session").get<uint64_t>() > 0) {
    s += "no_session: " + report.at("no_session").dump() + " packets (" +
         report.at("recent_no_session").dump() +
         " lately) not copied: the datapath has no room for another session\n";
  }
  return s;
}

}  // namespace ovs_rmirror
