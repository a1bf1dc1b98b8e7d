// SPDX-License-Identifier: Apache-2.0
//
// What the flows of a policy do with a packet, looked up in Open vSwitch's own
// classifier, and what its rules do, in a form that can be compared.

#ifndef TESTS_UNIT_FLOW_WALK_H
#define TESTS_UNIT_FLOW_WALK_H

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/evaluate.h"
#include "controller/flows.h"
#include "tests/unit/flow_table.h"

namespace ovs_rmirror {

// What happens to one packet.
struct Tally {
  std::multiset<std::string> copies;  // As rmirror actions.
  std::multiset<size_t> hits;         // Indexes of the rules that count it.
  std::multiset<Chain> entered;       // Chains whose entry counts it.
  std::multiset<Chain> fell_through;  // Chains at whose end it arrives.

  bool operator==(const Tally&) const = default;
};

// A packet and the ports by which it leaves, each as often as it does.
struct Trip {
  Packet packet;
  std::vector<uint32_t> outputs;
};

// For messages.
std::string FormatTrip(const Trip& trip);

// By the rules' meaning.  Copies that a limit or a probability may spare are
// made.
Tally FollowRules(const Policy& policy, const PortNumbers& ports,
                  const Trip& trip);

// Flows in the tap tables of Open vSwitch.
class FlowTables {
 public:
  // Throws std::logic_error if Open vSwitch does not take one of the flows of
  // `tap`, which must live as long as the tables, or if two of a table are for
  // the same packets at the same priority.
  explicit FlowTables(const TapFlows& tap);

  // The flow of `tap` that `packet`, which at egress leaves by `out_port`,
  // meets with these registers, or null.
  const Flow* Lookup(Tap tap, const Packet& packet,
                     std::optional<uint32_t> out_port, uint32_t reg0,
                     uint32_t reg1) const;

 private:
  using Table =
      std::unique_ptr<struct flow_table, void (*)(struct flow_table*)>;

  const Table& TableOf(Tap tap) const {
    return tap == Tap::kIngress ? ingress_ : egress_;
  }

  const std::vector<Flow>& flows_;
  Table ingress_, egress_;
};

// By the flows of `program`, which is the program of `policy`.  A session takes
// the packet once, as in the switch.  Throws std::logic_error if a flow counts
// for something that does not exist.
Tally FollowFlows(const Policy& policy, const Program& program,
                  const FlowTables& tables, const Trip& trip);

}  // namespace ovs_rmirror

#endif  // TESTS_UNIT_FLOW_WALK_H
