// SPDX-License-Identifier: Apache-2.0
//
// Fourth stage: rules to first-match lists.
//
// The flows of an OpenFlow table are first-match, and a rule with -j RMIRROR
// lets the packet go on.  A session, however, takes a packet at most once.  So
// each built-in chain becomes a sequence of stages, all of which see every
// packet:
//
//   - stages for each session to which the chain mirrors: the rules of this
//     session and the verdicts before them.  First match is exact here: behind
//     the first rule of the session that matches, the session has its copy, and
//     behind a verdict it gets none.
//
//   - stages with the chain's verdicts and jumps alone and, at their end, the
//     chain's policy.  Nothing is mirrored here.  The packets that they count
//     are those that iptables would count for these rules.  In FORWARD, they
//     also decide whether the packet goes on to POSTROUTING.
//
// For most chains that is one stage each.  A packet that comes back from a
// user's chain, however, goes on behind the jump, and one that is an exception
// from a rule goes on behind that rule: there the chain is cut, and what is
// behind is another stage of the same session.  A user's chain has stages of
// its own for each session, which all jumps to it at the same tap share.

#ifndef CONTROLLER_STAGES_H
#define CONTROLLER_STAGES_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "controller/diagnostic.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// What a rule is, apart from where it stands, its comment and the budget of its
// session: a hash of 40 bits, different for each rule of a policy.  An
// unchanged rule has the same identity after a reload, and so the same flows
// and counters.
using RuleId = uint64_t;
inline constexpr RuleId kMaxRuleId = (RuleId{1} << 40) - 1;

// The identity of a chain's entry and policy.
RuleId ChainId(Chain chain);

// What has a meter of the switch: a rule with a limit, by its RuleId, or a
// session with a budget, by BudgetId(), which is above all of these.
using MeterId = uint64_t;
MeterId BudgetId(const Session& session);

struct Stage {
  Tap tap = Tap::kIngress;
  std::string chain;
  std::optional<Session> session;  // None: the chain's verdicts and policy.
  uint32_t number = 0;             // What reg0 holds in it; never 0, and
                                   // different from others of its tap.
  std::vector<size_t> rules;       // Indexes into the policy, in order.

  // Only packets whose evaluation goes on may enter: see flows.h.
  bool running = false;
  bool last = true;  // Of this chain and session.
};

// "--target 192.0.2.9 --key 7"
std::string FormatSession(const Session& session);

struct Program {
  std::vector<RuleId> ids;           // Of each rule of the policy.
  std::vector<uint16_t> priorities;  // Of each rule of the policy.

  // By built-in chain; within a chain sessions in the order in which rules
  // first name them, then the verdicts.  The stages of a user's chain stand,
  // for each tap, behind those of the first chain that jumps there.
  std::vector<Stage> stages;

  // Where the stages of a chain at a tap and a session, as FormatSession()
  // writes it, or "" for the verdicts, are in `stages`, in order.  A chain that
  // does nothing for a session has none.
  std::map<std::tuple<Tap, std::string, std::string>, std::vector<size_t>>
      sequences;

  // What reg0 holds when a packet goes on from FORWARD to POSTROUTING.
  uint32_t postrouting = 0;

  const std::vector<size_t>& Sequence(
      Tap tap, const std::string& chain,
      const std::optional<Session>& session) const;
};

// The priorities at which a switch has the rules of an earlier program.
using InstalledPriorities = std::map<RuleId, uint16_t>;

// The lowest and highest priority of a rule's flows.
inline constexpr uint16_t kMinRulePriority = 1;
inline constexpr uint16_t kMaxRulePriority = 65000;

// More sessions in one chain than this do not fit the entry flow.
inline constexpr size_t kMaxSessionsPerChain = 1000;

// The length, in bytes, of the actions that fit a flow.
inline constexpr size_t kMaxActions = 60000;

// Open vSwitch gives up a packet that is resubmitted more than 4096 times.
inline constexpr uint64_t kMaxResubmits = 4000;

// Returns a priority for each of `ids`, each lower than the one before.  As
// many as possible of those in `installed` are kept, so that a switch must
// change few flows.  Requires at most kMaxRulePriority ids.
std::vector<uint16_t> AssignPriorities(const std::vector<RuleId>& ids,
                                       const InstalledPriorities& installed);

// Returns the program of `policy`.  Adds an error to `diagnostics` if the
// policy has more rules, sessions or stages than a program can hold.
Program BuildStages(const Policy& policy, const InstalledPriorities& installed,
                    Diagnostics* diagnostics);

// As `ovs-rmirrorctl compile --stage=stages` prints them.
std::string FormatStages(const Policy& policy, const Program& program);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_STAGES_H
