// SPDX-License-Identifier: Apache-2.0

#include "controller/traffic_history.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// By how much the counter `name` of `now` has grown.  One that was not there
// was 0.
uint64_t Growth(const json& before, const json& now, const std::string& name) {
  const uint64_t was = before.value(name, uint64_t{0});
  const uint64_t is = now.value(name, uint64_t{0});
  return is >= was ? is - was : is;
}

}  // namespace

void TrafficHistory::Add(int64_t now, int64_t unix_time,
                         const std::map<std::string, json>& reports) {
  last_ = now;
  for (const auto& [bridge, report] : reports) {
    for (const json& session : report.at("sessions")) {
      const Key key = {bridge, session.at("session").get<std::string>()};
      const auto found = series_.find(key);
      // Where nothing counts, there are no counters.
      if (!session.contains("copies")) {
        if (found != series_.end()) {
          found->second.counted.reset();
        }
      } else if (found != series_.end()) {
        AddPoint(now, unix_time, session, &found->second);
      } else if (series_.size() < kMaxSessions) {
        AddPoint(now, unix_time, session, &series_[key]);
      }
    }
  }
  for (auto& [key, series] : series_) {
    while (!series.points.empty() &&
           (series.points.front().when <= unix_time - kWindow ||
            series.points.size() > kMaxPoints)) {
      series.points.pop_front();
    }
  }
  std::erase_if(series_, [&](const auto& entry) {
    return entry.second.points.empty() && entry.second.counted != now;
  });
}

void TrafficHistory::AddPoint(int64_t now, int64_t unix_time,
                              const json& session, Series* series) {
  if (series->counted && now - *series->counted <= kMaxDuration) {
    const json& before = series->counters;
    TrafficPoint point;
    point.when = unix_time;
    point.duration = now - *series->counted;
    point.copies = Growth(before, session, "copies");
    point.bytes = Growth(before, session, "bytes");
    point.original_bytes = Growth(before, session, "original_bytes");
    for (const auto& [reason, drops] : session.at("drops").items()) {
      const uint64_t growth =
          Growth(before.at("drops"), session.at("drops"), reason);
      if (growth > 0) {
        point.drops[reason] = growth;
      }
    }
    series->points.push_back(std::move(point));
  }
  series->counted = now;
  series->counters = session;
}

const std::deque<TrafficPoint>* TrafficHistory::Find(const Key& key) const {
  const auto found = series_.find(key);
  return found == series_.end() || found->second.points.empty()
             ? nullptr
             : &found->second.points;
}

}  // namespace ovs_rmirror
