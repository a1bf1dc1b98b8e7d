// SPDX-License-Identifier: Apache-2.0
//
// The difference between the flows that the tap tables should hold and those
// that they hold.

#ifndef CONTROLLER_RECONCILE_H
#define CONTROLLER_RECONCILE_H

#include <cstdint>
#include <string>
#include <vector>

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

// Returns what turns `found` into `wanted`, in the order in which to do it.  A
// flow that is in both is not touched, whatever its counters.  A flow whose
// cookie differs belongs to another rule: it is replaced, and counts from 0.
std::vector<FlowChange> Difference(const std::vector<SwitchFlow>& wanted,
                                   const std::vector<SwitchFlow>& found);

// The priorities that the rules in `found` have.
InstalledPriorities FindPriorities(const std::vector<SwitchFlow>& found);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RECONCILE_H
