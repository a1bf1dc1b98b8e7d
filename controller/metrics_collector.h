// SPDX-License-Identifier: Apache-2.0
//
// Makes the snapshots for the threads of a listener, in the main loop.

#ifndef CONTROLLER_METRICS_COLLECTOR_H
#define CONTROLLER_METRICS_COLLECTOR_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/metrics.h"
#include "controller/mirrored_bridges.h"
#include "controller/session_reader.h"
#include "controller/snapshot_exchange.h"

namespace ovs_rmirror {

using MetricsExchange = SnapshotExchange<MetricsSnapshot>;

class MetricsCollector {
 public:
  // How long a snapshot waits for the switches to say the counters of rules and
  // of sessions, in milliseconds.  It does without those that do not come.
  static constexpr int64_t kPatience = 2000;

  // `now` returns milliseconds that never go back.  The others must outlive
  // this.
  MetricsCollector(MetricsExchange* exchange, MirroredBridges* bridges,
                   SessionReader* sessions, std::function<int64_t()> now);

  // Makes progress without blocking, on what is asked of the exchange, and
  // keeps the history, which grows when the reader has news.  Wait() makes the
  // next poll_block() wake up when there is more to do.
  void Run();
  void Wait();

 private:
  struct Collection {
    // Of each bridge, as far as they have come.
    std::vector<std::optional<MeasuredPolicy>> policies;
    bool has_sessions = false;  // Whether ovs-vswitchd was asked about them.
    size_t missing = 0;         // Answers that have not come.
    int64_t deadline = 0;
  };

  void Start();
  void Sample();
  MetricsSnapshot TakeSnapshot(const Collection& collection);
  std::vector<DatapathMetrics> TakeDatapaths();

  MetricsExchange* const exchange_;
  MirroredBridges* const bridges_;
  SessionReader* const sessions_;
  const std::function<int64_t()> now_;
  std::shared_ptr<Collection> collection_;  // That is going on, or null.
  std::set<size_t> asked_;  // Bridges that have yet to answer, maybe since an
                            // earlier collection.
  TrafficHistory history_;
  std::shared_ptr<const TrafficHistory> shared_history_;  // Null if outdated.
  std::string logged_error_;  // Of the answer about sessions.
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_METRICS_COLLECTOR_H
