// SPDX-License-Identifier: Apache-2.0
//
// Keeps the tap tables of a switch as a policy says.

#ifndef CONTROLLER_CONTROLLER_H
#define CONTROLLER_CONTROLLER_H

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/continued_counters.h"
#include "controller/counters.h"
#include "controller/flows.h"
#include "controller/listing.h"
#include "controller/metrics.h"
#include "controller/pace.h"
#include "controller/rules.h"
#include "controller/stages.h"
#include "controller/switch_connection.h"
#include "controller/tap.h"
#include "controller/tap_config.h"

namespace ovs_rmirror {

class Controller {
 public:
  struct Options {
    std::string bridge;       // As messages call it.
    std::string policy_file;  // Likewise.
    TapTables tables;
    uint64_t max_flows = kMaxFlows;
    bool own_tables = true;  // Remove flows of others from the tap tables.
  };

  // The outcome of a command: what it did, or what went wrong.
  using Done = std::function<void(bool good, const std::string& text)>;

  // `tap_config` may be null: then somebody else sets the tap tables.  `now`
  // returns milliseconds that never go back.
  Controller(Options options, std::unique_ptr<SwitchConnection> connection,
             std::unique_ptr<TapConfig> tap_config,
             std::function<int64_t()> now);

  // Makes progress without blocking.  Wait() makes the next poll_block() wake
  // up when there is more to do, and returns the time of `now` at which it must
  // in any case, if there is one.
  void Run();
  std::optional<int64_t> Wait();

  // Brings the switch to `policy`.  Calls `done` when the switch has it, at
  // once if it is not connected.
  void Load(Policy policy, Done done);

  // Removes our flows and clears the tap tables' settings.  Nothing is mirrored
  // until the next Load().
  void Clear(Done done);

  // Sets the counters of all rules and chains to 0.
  void Zero(Done done);

  // Says the rules in force and their counters, as JSON, an object with the
  // members of `more`, too.
  void List(nlohmann::json more, Done done);

  // Says them in the form of iptables-save, with counters if wanted.
  void Save(bool with_counters, Done done);

  // Says what the policy in force does with a packet, as Explain() of explain.h
  // does: `packet` as for ReadPacketText(), and by which ports it leaves.
  struct PacketQuestion {
    std::string packet;
    std::vector<std::string> outputs;
    bool as_json = false;
  };
  void Explain(const PacketQuestion& question, Done done);

  // Gives `done` the counters of the policy in force, at once or later; nothing
  // if there is none, or the switch does not say them.
  void Measure(std::function<void(const std::optional<MeasuredPolicy>&)> done);

  // The sessions to which the policy mirrors, each once, in its order.
  std::vector<Session> Sessions() const;

  // Adds to the sessions of `*report`, which are as SessionHistory::Report()
  // says them, of each that has a budget the members "limit", its rate, and
  // "over_limit" and "over_limit_bytes": what of its packets the budget has
  // kept back, as far as it was read.
  void AddBudgets(nlohmann::json* report) const;

  // The policy that the switch is, or will be, brought to; null if there is
  // none.
  const Policy* InForce() const { return loaded_ ? &loaded_->policy : nullptr; }
  bool HasPolicy() const { return loaded_.has_value(); }

  // What there is to know about the switch and the policy in force, in the
  // members that FormatStatus() says.
  nlohmann::json Status() const;

  const SwitchTallies& tallies() const { return tallies_; }

 private:
  struct LoadedPolicy {
    Policy policy;
    Program program;
    std::vector<size_t> dormant;
    std::shared_ptr<const std::vector<RuleLabels>> labels;  // If ever needed.

    // Whether `program` is that of `policy`, which it is when a switch has
    // been read since the policy was loaded.
    bool IsCompiled() const {
      return program.ids.size() == policy.rules.size();
    }
  };

  void LogConnection();
  void ScheduleRepair();
  int64_t TimeOfNextAttempt() const;
  void Synchronize();
  SwitchConnection::StateDone AddCounters(SwitchConnection::StateDone done);
  void LogAnswer(const std::string& error);
  void ReadState(SwitchConnection::StateDone done);
  int64_t TimeToReadCounters() const;
  void ReadCounters();
  void HandleState(const std::string& error, const SwitchState& state);
  std::string Compile(const SwitchState& state, TapFlows* tap);
  std::string Plan(const SwitchState& state, SwitchChanges* changes);
  std::string CanonicalizeUnknown(const std::vector<SwitchFlow>& found,
                                  std::vector<SwitchFlow>* wanted) const;
  void HandleApplied(const std::string& error, const SwitchChanges& changes);
  void ReportForeignFlows(size_t foreign);
  std::string FormatTables() const;
  void LogDormantRules(const PortNumbers& ports);
  void FinishSynchronization(const std::string& error,
                             const std::string& summary, bool changed);
  void Answer(Done done,
              std::function<void(const SwitchState&, const Done&)> answer);
  std::vector<ListedChain> ListChains();
  std::vector<OverBudget> OverBudgets() const;
  nlohmann::json ListAsJson();

  const Options options_;
  const std::unique_ptr<SwitchConnection> connection_;
  const std::unique_ptr<TapConfig> tap_config_;
  const std::function<int64_t()> now_;

  std::optional<LoadedPolicy> loaded_;  // None after Clear(), and at first.
  size_t flows_ = 0;                    // That the policy takes.

  ContinuedCounters counters_;  // Of all that was read of the switch.
  MeterNumbers limits_;         // Of rules and sessions that have a limit,
  MeterNumbers next_limits_;    // and when the switch has the latest plan.
  int64_t counters_read_ = 0;  // When they were last read, or should have been.
  bool reading_counters_ = false;
  size_t questions_ = 0;       // That the switch has not answered,
  int64_t silent_since_ = 0;   // since then, if there are any.
  bool told_silent_ = false;   // Whether that was logged.
  std::string reading_error_;  // Of the last answer; empty: none.

  SwitchTallies tallies_;
  bool was_connected_ = false;
  std::optional<bool> told_connected_;  // Whether it was logged that we are.
  int64_t began_ = 0;                   // Time of the start.
  std::set<RuleId> told_dormant_;       // Rules of which it was logged.
  size_t foreign_ = 0;  // Flows of others that were left in the tap tables.

  // Of the connection, last synchronized with.
  uint64_t generation_ = 0;
  uint64_t interference_ = 0;
  Pace pace_;                      // Of repairs of what others do.
  bool due_ = false;               // The switch may not be as the policy says,
  std::set<std::string> reasons_;  // for these reasons.
  std::string reason_;             // Of the synchronization that is going on.
  bool synchronizing_ = false;
  bool zero_ = false;       // The next synchronization sets counters to 0.
  bool zeroing_ = false;    // The one that is going on does.
  int64_t not_before_ = 0;  // Time of the next attempt.
  int64_t wait_for_taps_until_ = 0;
  std::string last_error_;     // Of the last attempt; empty: in order.
  std::vector<Done> waiting_;  // For the next synchronization.
  std::vector<Done> served_;   // By the one that is going on.
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_CONTROLLER_H
