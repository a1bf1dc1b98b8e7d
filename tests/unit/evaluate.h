// SPDX-License-Identifier: Apache-2.0
//
// What a policy and what its flows do with a packet, each found in the most
// straightforward way, so that tests can compare them.

#ifndef TESTS_UNIT_EVALUATE_H
#define TESTS_UNIT_EVALUATE_H

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/flows.h"
#include "controller/rules.h"

namespace ovs_rmirror {

struct Packet {
  uint32_t in_port = 1;
  uint64_t dl_src = 0;
  std::optional<Family> family;  // None: not IP.
  uint8_t nw_proto = 0;
  Uint128 nw_src = 0, nw_dst = 0;
  bool later_fragment = false;  // Then there are no ports.
  uint16_t tp_src = 0, tp_dst = 0;
};

// What happens to one packet.
struct Outcome {
  std::multiset<std::string> copies;  // As rmirror actions.
  std::set<size_t> hits;              // Indexes of the rules that count it.
  std::set<Chain> entered;            // Chains whose entry counts it.
  std::set<Chain> fell_through;       // Chains at whose end it arrives.

  bool operator==(const Outcome&) const = default;
};

// By the rules' meaning: one after the other, as iptables does.
Outcome EvaluateRules(const Policy& policy, const PortNumbers& ports,
                      const Packet& packet);

// By the flows: lookups in an OpenFlow table.  Throws std::logic_error if two
// flows that differ in what they do match at the same priority.
Outcome EvaluateFlows(const Policy& policy, const Program& program,
                      const std::vector<Flow>& flows, const Packet& packet);

}  // namespace ovs_rmirror

#endif  // TESTS_UNIT_EVALUATE_H
