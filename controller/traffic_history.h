// SPDX-License-Identifier: Apache-2.0
//
// What became of the copies of each session in the last quarter of an hour.

#ifndef CONTROLLER_TRAFFIC_HISTORY_H
#define CONTROLLER_TRAFFIC_HISTORY_H

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

namespace ovs_rmirror {

// What was counted in a while.
struct TrafficPoint {
  int64_t when = 0;      // Its end, in milliseconds of Unix time.
  int64_t duration = 0;  // In milliseconds.
  uint64_t copies = 0;
  uint64_t bytes = 0;           // Of these, without outer headers.
  uint64_t original_bytes = 0;  // Of the packets that were copied.
  std::map<std::string, uint64_t> drops = {};  // By reason; those above 0.

  bool operator==(const TrafficPoint&) const = default;
};

class TrafficHistory {
 public:
  // Milliseconds: how far it goes back, and what a point stands for, at least.
  // Who looks at the counters each kInterval, more or less, gets a point each
  // time.
  static constexpr int64_t kWindow = int64_t{15} * 60 * 1000;
  static constexpr int64_t kInterval = 5000;
  static constexpr int64_t kMinDuration = 4500;
  static constexpr size_t kMaxPoints = kWindow / kMinDuration;
  // After a longer while without counters, there is a gap.
  static constexpr int64_t kMaxDuration = 4 * kInterval;
  // Of further sessions there is none.
  static constexpr size_t kMaxSessions = 200;

  // Bridge and NameSession().
  using Key = std::pair<std::string, std::string>;

  // Whether it is time for a point: `now` as for Add().
  bool IsDue(int64_t now) const {
    return !last_ || now >= *last_ + kMinDuration;
  }

  // Adds what SessionHistory::Report() says of the sessions of each bridge, as
  // it was counted at `now`, in milliseconds that never go back, which is
  // `unix_time` in milliseconds of Unix time.  A counter that has become less
  // was reset meanwhile.
  void Add(int64_t now, int64_t unix_time,
           const std::map<std::string, nlohmann::json>& reports);

  // The points of a session, in the order of time; null if it has none.
  const std::deque<TrafficPoint>* Find(const Key& key) const;

 private:
  struct Series {
    std::optional<int64_t> counted;  // When `counters` were.
    nlohmann::json counters;         // An element of the report's "sessions".
    std::deque<TrafficPoint> points;
  };

  void AddPoint(int64_t now, int64_t unix_time, const nlohmann::json& session,
                Series* series);

  std::optional<int64_t> last_;
  std::map<Key, Series> series_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_TRAFFIC_HISTORY_H
