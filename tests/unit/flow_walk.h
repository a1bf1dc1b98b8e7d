// SPDX-License-Identifier: Apache-2.0
//
// What the flows of a policy do with a packet, looked up in Open vSwitch's own
// classifier, and what its rules do, in a form that can be compared.

#ifndef TESTS_UNIT_FLOW_WALK_H
#define TESTS_UNIT_FLOW_WALK_H

#include <cstdint>
#include <memory>
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

// By the rules' meaning.
Tally FollowRules(const Policy& policy, const PortNumbers& ports,
                  const Packet& packet);

// Flows in a table of Open vSwitch.
class FlowTable {
 public:
  // Throws std::logic_error if Open vSwitch does not take one of `flows`, which
  // must live as long as the table, or if two of them are for the same packets
  // at the same priority.
  explicit FlowTable(const std::vector<Flow>& flows);

  // The flow that `packet` meets with these registers, or null.
  const Flow* Lookup(const Packet& packet, uint32_t reg0, uint32_t reg1) const;

 private:
  const std::vector<Flow>& flows_;
  std::unique_ptr<struct flow_table, void (*)(struct flow_table*)> table_;
};

// By the flows of `program`, which is the program of `policy`.  Throws
// std::logic_error if a flow counts for something that does not exist.
Tally FollowFlows(const Policy& policy, const Program& program,
                  const FlowTable& table, const Packet& packet);

}  // namespace ovs_rmirror

#endif  // TESTS_UNIT_FLOW_WALK_H
