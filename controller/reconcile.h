// SPDX-License-Identifier: Apache-2.0
//
// The difference between the flows and meters that a switch should have and
// those that it has.

#ifndef CONTROLLER_RECONCILE_H
#define CONTROLLER_RECONCILE_H

#include <cstdint>
#include <string>
#include <vector>

#include "controller/flow_text.h"
#include "controller/flows.h"
#include "controller/stages.h"

namespace ovs_rmirror {

// A flow of a tap table as a switch has it.  `match` and `actions` are in the
// form in which the switch's own library prints them, so that equal texts are
// equal flows.
struct SwitchFlow {
  uint8_t table = 0;
  uint16_t priority = 0;
  uint64_t cookie = 0;
  std::string match;
  std::string actions;
  uint64_t packets = 0;
  uint64_t bytes = 0;  // Of whole frames, from their Ethernet headers on.
};

struct FlowChange {
  enum class Kind {
    kDelete,  // The flow of this table, match and priority.
    kModify,  // Its actions; cookie and counters stay.
    kAdd,
    kReset,  // Its counters, to 0; all else stays.
  };
  Kind kind = Kind::kAdd;
  SwitchFlow flow;
};

// A meter of a switch (OpenFlow 1.3 section 5.7).
struct SwitchMeter {
  uint32_t number = 0;
  // Whether it is made as ours are: with a burst, and one band, which drops.
  // If not, the rest says nothing.
  bool is_limit = true;
  uint32_t rate = 0;      // Packets, or kilobits, per second.
  uint32_t burst = 0;     // Likewise.
  bool kilobits = false;  // What it limits.
  uint64_t packets = 0;   // That were over the limit.
  uint64_t bytes = 0;
};

struct MeterChange {
  enum class Kind {
    kAdd,
    kModify,  // Also sets its counters to 0.
    kDelete,  // After the change of flows: it takes those that name it along.
  };
  Kind kind = Kind::kAdd;
  SwitchMeter meter;
};

struct SwitchChanges {
  std::vector<MeterChange> meters;
  std::vector<FlowChange> flows;

  bool empty() const { return meters.empty() && flows.empty(); }
};

// Returns what turns `found` into `wanted`, in the order in which to do it.  A
// flow that is in both is not touched, whatever its counters.  A flow whose
// cookie differs belongs to another rule: it is replaced, and counts from 0.
std::vector<FlowChange> Difference(const std::vector<SwitchFlow>& wanted,
                                   const std::vector<SwitchFlow>& found);

// The meters that rules in `found` name.
MeterNumbers FindMeters(const std::vector<SwitchFlow>& found);

// Sets `*numbers` to the number that each of `wanted` gets, and appends to
// `*changes` what makes a switch that has `found`, of `max_meters` possible
// ones, have them.  Those of `ours`, which are in use, keep their numbers, or
// go; new ones get a number from the upper half by whose they are, so that the
// same rule or session gets the same again.  What is not ours is not touched.
// If `reset`, all counters are set to 0.  Returns why that is not possible, or
// an empty string.
std::string PlanMeters(const std::vector<Meter>& wanted,
                       const std::vector<SwitchMeter>& found,
                       uint32_t max_meters, const MeterNumbers& ours,
                       bool reset, MeterNumbers* numbers,
                       std::vector<MeterChange>* changes);

// The priorities that the rules in `found` have.
InstalledPriorities FindPriorities(const std::vector<SwitchFlow>& found);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RECONCILE_H
