// SPDX-License-Identifier: Apache-2.0
//
// What a policy and what its flows do with a packet, each found in the most
// straightforward way, so that tests can compare them.

#ifndef TESTS_UNIT_EVALUATE_H
#define TESTS_UNIT_EVALUATE_H

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/flows.h"
#include "controller/rules.h"
#include "tests/unit/flow_table.h"

namespace ovs_rmirror {

struct Packet {
  uint32_t in_port = 1;
  uint32_t mark = 0;
  std::optional<uint16_t> vlan;  // ID of the outermost tag.
  uint64_t dl_src = 0;
  std::optional<Family> family;  // None: not IP.
  uint8_t nw_proto = 0;
  uint8_t dscp = 0;
  Uint128 nw_src = 0, nw_dst = 0;
  bool later_fragment = false;      // Then there are no ports.
  uint16_t tp_src = 0, tp_dst = 0;  // Or ICMP type and code.
  uint8_t tcp_flags = 0;
};

// For messages.
std::string FormatPacket(const Packet& packet);

// What happens to one packet.
struct Outcome {
  std::multiset<std::string> copies;  // As rmirror actions.
  std::multiset<size_t> hits;         // Indexes of the rules that count it.
  std::set<Chain> entered;            // Chains whose entry counts it.
  std::set<Chain> fell_through;       // Chains at whose end it arrives.

  bool operator==(const Outcome&) const = default;
};

// By the rules' meaning: one after the other, as iptables does.
Outcome EvaluateRules(const Policy& policy, const PortNumbers& ports,
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
Outcome EvaluateFlows(const Policy& policy, const Program& program,
                      const FlowTable& table, const Packet& packet);

}  // namespace ovs_rmirror

#endif  // TESTS_UNIT_EVALUATE_H
