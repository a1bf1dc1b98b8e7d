// SPDX-License-Identifier: Apache-2.0
//
// The counters of rules, from those of flows.

#ifndef CONTROLLER_COUNTERS_H
#define CONTROLLER_COUNTERS_H

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "controller/cookie.h"
#include "controller/reconcile.h"
#include "controller/rules.h"

namespace ovs_rmirror {

struct Counters {
  uint64_t packets = 0;
  uint64_t bytes = 0;  // Of whole frames, from their Ethernet headers on.

  Counters& operator+=(const Counters& other) {
    packets += other.packets;
    bytes += other.bytes;
    return *this;
  }
  bool operator==(const Counters&) const = default;
};

// By cookie, for all flows that are ours.
using CookieCounters = std::map<uint64_t, Counters>;

// Sums up the flows of each cookie.
CookieCounters SumByCookie(const std::vector<SwitchFlow>& flows);

struct PolicyCounters {
  std::vector<Counters> rules;       // Of each rule of the policy.
  std::map<Chain, Counters> chains;  // Packets that met the chain's policy.
};

// Counters of the packets over the limits of rules, by rule.
using MeterCounters = std::map<RuleId, Counters>;

// Returns the counters of `policy`, whose program is `program`.  As in
// iptables, a packet that RETURN sends to the end of its chain meets the
// chain's policy, and a rule does not count the packets over its limit.
PolicyCounters CountPolicy(const Policy& policy, const Program& program,
                           const CookieCounters& counters,
                           const MeterCounters& over_limit = {});

}  // namespace ovs_rmirror

#endif  // CONTROLLER_COUNTERS_H
