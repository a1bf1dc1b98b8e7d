// SPDX-License-Identifier: Apache-2.0
//
// Counters that go on where those of the switch begin anew: flows and meters
// go, and count from 0 when they come again, because the switch was restarted,
// the bridge was made again, somebody deleted them, or a port was renumbered.

#ifndef CONTROLLER_CONTINUED_COUNTERS_H
#define CONTROLLER_CONTINUED_COUNTERS_H

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "controller/counters.h"
#include "controller/flow_text.h"
#include "controller/rules.h"
#include "controller/stages.h"
#include "controller/switch_connection.h"

namespace ovs_rmirror {

// When a switch was read.
struct ReadingTime {
  // Milliseconds of a clock that never goes back.
  int64_t asked = 0;
  int64_t answered = 0;
  uint64_t generation = 0;  // Of the connection, when it was asked.
};

// What was counted is known as far as it was read: what flows counted after
// they were last read is lost with them.  Nothing is counted twice, and nothing
// is ever less than before.
class ContinuedCounters {
 public:
  // Takes note of what a switch has, in the order in which it was asked.
  // `limits`: the meters of rules and sessions that have one.
  void Add(const SwitchState& state, const MeterNumbers& limits,
           const ReadingTime& when);

  // We have deleted `flow`, with its counters as it was read.
  void Remove(const SwitchFlow& flow);

  // Forgets all rules and chains but those of `program`, and all sessions but
  // those in `limits`.
  void Retain(const Program& program, const MeterNumbers& limits);

  // Everything counts from 0: the switch does, too.
  void Clear();

  // The counters of `policy`, whose program is `program`.
  PolicyCounters Count(const Policy& policy, const Program& program);

  // The packets over the limit of a rule or session.
  Counters OverLimit(MeterId id) const;

 private:
  // By cookie, or by MeterId.
  struct Sums {
    std::map<uint64_t, Counters> totals;
    std::map<uint64_t, Counters> read;  // As the switch has said them last.
  };

  // When the bridge was made, not exactly known; and the generation of the
  // connection that said it.
  struct Birth {
    int64_t after = 0;
    int64_t before = 0;
    uint64_t generation = 0;
    int64_t told = 0;
  };

  bool IsAnotherBridge(const SwitchState& state, const ReadingTime& when);

  Sums flows_;
  Sums over_limit_;
  std::map<RuleId, Counters> shown_;  // Of rules with a limit.
  std::optional<Birth> birth_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_CONTINUED_COUNTERS_H
