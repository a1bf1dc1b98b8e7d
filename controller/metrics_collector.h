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

#include "controller/metrics.h"
#include "controller/mirrored_bridges.h"
#include "controller/snapshot_exchange.h"

namespace ovs_rmirror {

using MetricsExchange = SnapshotExchange<MetricsSnapshot>;

class MetricsCollector {
 public:
  // How long a snapshot waits for the switches to say their counters, in
  // milliseconds.  It does without those that do not come.
  static constexpr int64_t kPatience = 2000;

  // `now` returns milliseconds that never go back.
  MetricsCollector(MetricsExchange* exchange, MirroredBridges* bridges,
                   std::function<int64_t()> now);

  // Makes progress without blocking, on what is asked of the exchange.  Wait()
  // makes the next poll_block() wake up when there is more to do.
  void Run();
  void Wait();

 private:
  struct Collection {
    MetricsSnapshot snapshot;
    size_t missing = 0;  // Bridges whose counters have not come.
    int64_t deadline = 0;
  };

  void Start();

  MetricsExchange* const exchange_;
  MirroredBridges* const bridges_;
  const std::function<int64_t()> now_;
  std::shared_ptr<Collection> collection_;  // That is going on, or null.
  std::set<size_t> asked_;  // Bridges that have yet to answer, maybe since an
                            // earlier collection.
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_METRICS_COLLECTOR_H
