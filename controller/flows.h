// SPDX-License-Identifier: Apache-2.0
//
// Fifth stage: first-match lists to the flows of the tap tables.
//
// A packet enters the table with reg0=0 and meets the entry flow of its chain,
// which goes through the chain's stages: it loads a stage's number into reg0
// and resubmits to the table, for one stage after the other.  A rule that jumps
// to a user's chain does the same with that chain's stages.  At egress, the
// entry flow of FORWARD goes on to that of POSTROUTING in the same way.
//
// Where a session has several stages, reg1 says whether the packet still goes
// on: bit 0 is set when it need not, because the session has its copy or a
// verdict was met; bit 1 when it leaves a chain before its end.  The flows of
// such stages match reg1=0, so the stages that are left do nothing.  Bit 2 is
// set by DROP in FORWARD: such a packet does not meet POSTROUTING.
//
// A rule takes a flow for each combination of its alternatives, or where these
// are many, a conjunction (see ovs-actions(7)): a flow for each alternative.
// What a negation excludes takes flows of their own in the rule's stage, of
// higher priority and without actions.

#ifndef CONTROLLER_FLOWS_H
#define CONTROLLER_FLOWS_H

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controller/clauses.h"
#include "controller/cookie.h"
#include "controller/diagnostic.h"
#include "controller/flow_match.h"
#include "controller/rules.h"
#include "controller/stages.h"
#include "controller/tap.h"
#include "rmirror/openflow.h"

namespace ovs_rmirror {

// More flows than this are refused, unless somebody wants another bound.
inline constexpr uint64_t kMaxFlows = 200000;

// Go through a stage.
struct EnterStage {
  uint32_t number = 0;
  bool operator==(const EnterStage&) const = default;
};

// Set or clear a bit of reg1, or clear all of it.
enum class Progress {
  kStart,     // reg1 = 0
  kFinish,    // bit 0 = 1: nothing is left to do for the session.
  kLeave,     // bit 1 = 1: the chain is left.
  kReturn,    // bit 1 = 0: back in the chain that jumped.
  kDrop,      // bit 2 = 1: all chains of the tap are over.
  kContinue,  // bits 0 and 1 = 0: on to the next chain, unless they are.
};

// One clause of a conjunction, from 1 to `clauses`.
struct Conjunction {
  uint32_t id = 0;
  uint8_t clause = 0;
  uint8_t clauses = 0;
  bool operator==(const Conjunction&) const = default;
};

// Copy the packet.
struct Copy {
  Mirror mirror;
  std::optional<MeterId> meter;  // Whose limit holds for it.
  uint32_t probability = RMIRROR_PROBABILITY_ALL;
  bool operator==(const Copy&) const = default;
};

using FlowAction = std::variant<Copy, EnterStage, Progress, Conjunction>;
using FlowActions = std::vector<FlowAction>;  // None: drop.

struct Flow {
  Tap tap = Tap::kIngress;
  uint16_t priority = 0;
  Cookie cookie;
  FlowMatch match;
  FlowActions actions;

  bool operator==(const Flow&) const = default;
};

// What the switch must have for the flows of a rule with a limit, or of a
// session with a budget.  Where a copy would exceed `rate` packets, or
// kilobits, per second over time or `burst` at once, it is not made.
struct Meter {
  MeterId id = 0;
  uint32_t rate = 0;
  uint32_t burst = 0;
  bool kilobits = false;
  std::vector<RuleId> rules = {};  // Those that share it, if it is a session's.
  bool operator==(const Meter&) const = default;
};

struct TapFlows {
  std::vector<Flow> flows;
  std::vector<Meter> meters;  // Of rules in their order, then of sessions.

  // Indexes of the rules that name a port which the bridge does not have, or
  // LOCAL, by which no packet enters their chain.  They have no flows.
  std::vector<size_t> dormant;

  // How many of `flows` each rule of the policy takes.
  std::vector<size_t> flows_of_rule;
};

// Returns the flows of `program`, which is the program of `policy`.  Adds an
// error to `diagnostics` if they are more than `max_flows`.
TapFlows CompileFlows(const Policy& policy, const Program& program,
                      const PortNumbers& ports, uint64_t max_flows,
                      Diagnostics* diagnostics);

// Returns the flows that `policy` takes if the switch has every port that a
// rule names.  Adds an error to `diagnostics` if there is no program for the
// policy.
TapFlows CompileForAnySwitch(const Policy& policy, uint64_t max_flows,
                             Diagnostics* diagnostics);

// How many flows each rule takes, as `ovs-rmirrorctl compile --stats` prints
// it.
std::string FormatStatistics(const Policy& policy, const Program& program,
                             const TapFlows& tap);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_FLOWS_H
