// SPDX-License-Identifier: Apache-2.0

#include "controller/controller.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "controller/explain.h"
#include "controller/flow_text.h"
#include "controller/ovs.h"
#include "controller/packet_path.h"
#include "controller/rule_text.h"
#include "controller/sessions.h"
#include "controller/status.h"

VLOG_DEFINE_THIS_MODULE(controller);

namespace ovs_rmirror {

namespace {

// Milliseconds.
constexpr int64_t kRetryAfter = 5000;
constexpr int64_t kWaitForTaps = 1000;
constexpr int64_t kWaitForConnection = 2000;
// So much of what was counted may be lost with the flows that counted it.
constexpr int64_t kReadCountersEvery = 10000;
constexpr int64_t kSilence = 10000;

struct vlog_rate_limit connection_rl = VLOG_RATE_LIMIT_INIT(30, 20);
struct vlog_rate_limit dormant_rl = VLOG_RATE_LIMIT_INIT(60, 20);

// Why the switch may not be as the policy says.
constexpr const char* kPolicyLoaded = "policy loaded";
constexpr const char* kConnected = "connected";
constexpr const char* kPortsChanged = "ports changed";
constexpr const char* kInterference = "somebody else has changed it";
constexpr const char* kFailedBefore = "it failed before";
constexpr const char* kCommand = "command";

// "1 flow", "2 flows".
std::string Count(size_t n, const std::string& noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

// The heads of the sets that `policy` refers to, by name: "create NAME hash:ip
// family inet".
std::map<std::string, std::string> SetsOf(const Policy& policy) {
  std::map<std::string, std::string> heads;
  for (const Rule& rule : policy.rules) {
    for (const SetMatch& match : rule.matches.sets) {
      heads[match.set->name] = FormatIpSetHead(*match.set);
    }
  }
  return heads;
}

// Appends what sets the counters of those of `wanted` to 0 that are in `found`
// and stay there.
void AppendResets(const std::vector<SwitchFlow>& wanted,
                  const std::vector<SwitchFlow>& found,
                  std::vector<FlowChange>* changes) {
  const auto key = [](const SwitchFlow& flow) {
    return std::tuple(flow.table, flow.priority, flow.cookie,
                      std::string_view(flow.match));
  };
  std::set<decltype(key(SwitchFlow()))> there;
  for (const SwitchFlow& flow : found) {
    there.insert(key(flow));
  }
  for (const SwitchFlow& flow : wanted) {
    if (there.contains(key(flow))) {
      changes->push_back({FlowChange::Kind::kReset, flow});
    }
  }
}

// The taps at which `policy` has rules.
Taps TapsOf(const Policy& policy) {
  Taps taps;
  for (const Tap tap : kTaps) {
    if (policy.Uses(tap)) {
      taps.insert(tap);
    }
  }
  return taps;
}

}  // namespace

Controller::Controller(Options options,
                       std::unique_ptr<SwitchConnection> connection,
                       std::unique_ptr<TapConfig> tap_config,
                       std::function<int64_t()> now)
    : options_(std::move(options)),
      connection_(std::move(connection)),
      tap_config_(std::move(tap_config)),
      now_(std::move(now)),
      began_(now_()) {}

// Once each time that the connection comes or breaks.
void Controller::LogConnection() {
  const bool connected = connection_->IsConnected();
  if (connected == told_connected_ || (!connected && !told_connected_ &&
                                       now_() < began_ + kWaitForConnection)) {
    return;
  }
  told_connected_ = connected;
  const std::string text = options_.bridge + ": " + connection_->Describe();
  if (connected) {
    VLOG_INFO_RL(&connection_rl, "%s", text.c_str());
  } else {
    VLOG_WARN_RL(&connection_rl, "%s", text.c_str());
  }
}

void Controller::Run() {
  connection_->Run();
  if (tap_config_) {
    tap_config_->Run();
  }
  if (!connection_->IsConnected()) {
    for (const Done& done : std::exchange(waiting_, {})) {
      done(false, options_.bridge + ": " + connection_->Describe() + "\n");
    }
  }
  if (connection_->IsConnected() && !was_connected_) {
    tallies_.connections++;
    reasons_.insert(kConnected);
  }
  LogConnection();
  was_connected_ = connection_->IsConnected();
  if (connection_->Generation() != generation_) {
    generation_ = connection_->Generation();
    interference_ = connection_->Interference();
    due_ = due_ || loaded_.has_value();
    not_before_ = 0;
    if (!reasons_.contains(kConnected)) {
      reasons_.insert(kPortsChanged);
    }
  }
  if (connection_->Interference() != interference_) {
    interference_ = connection_->Interference();
    ScheduleRepair();
  }
  if (due_ && !synchronizing_ && connection_->IsConnected() &&
      now_() >= TimeOfNextAttempt()) {
    Synchronize();
  }
  if (connection_->IsConnected() && now_() >= TimeToReadCounters()) {
    ReadCounters();
  }
  if (questions_ > 0 && now_() >= silent_since_ + kSilence && !told_silent_) {
    told_silent_ = true;
    VLOG_WARN("%s: the switch does not answer", options_.bridge.c_str());
  }
}

// Somebody else has changed flows of the tap tables.
void Controller::ScheduleRepair() {
  if (!loaded_ || (due_ && last_error_.empty())) {
    return;
  }
  const bool was_slowest = pace_.IsSlowest(now_());
  const int64_t when = pace_.Schedule(now_());
  not_before_ = due_ ? std::min(not_before_, when) : when;
  due_ = true;
  reasons_.insert(kInterference);
  tallies_.repairs++;
  if (pace_.IsSlowest(now_()) && !was_slowest) {
    VLOG_WARN(
        "%s: somebody keeps changing flows of %s: they are put right every "
        "second, and no more is said about it",
        options_.bridge.c_str(), FormatTables().c_str());
  }
}

// The tap tables of a new policy must be in use before the flows of another one
// go.
int64_t Controller::TimeOfNextAttempt() const {
  if (tap_config_ && !tap_config_->InForce()) {
    return std::max(not_before_, wait_for_taps_until_);
  }
  return not_before_;
}

std::optional<int64_t> Controller::Wait() {
  connection_->Wait();
  if (tap_config_) {
    tap_config_->Wait();
  }
  if (!connection_->IsConnected()) {
    return std::nullopt;
  }
  int64_t when = TimeToReadCounters();
  if (due_ && !synchronizing_) {
    when = std::min(when, TimeOfNextAttempt());
  }
  if (questions_ > 0 && !told_silent_) {
    when = std::min(when, silent_since_ + kSilence);
  }
  return when == INT64_MAX ? std::nullopt : std::optional(when);
}

void Controller::Load(Policy policy, Done done) {
  loaded_.emplace();
  loaded_->policy = std::move(policy);
  due_ = true;
  reasons_.insert(kPolicyLoaded);
  not_before_ = 0;
  if (tap_config_) {
    tap_config_->Use(TapsOf(loaded_->policy), false);
    wait_for_taps_until_ = now_() + kWaitForTaps;
  }
  if (connection_->IsConnected()) {
    waiting_.push_back(std::move(done));
  } else {
    const std::string text =
        options_.policy_file + ": loaded; it will be installed when " +
        options_.bridge + " is reached (" + connection_->Describe() + ")";
    if (told_connected_) {  // At the start this goes without saying.
      VLOG_INFO("%s", text.c_str());
    }
    done(true, text + "\n");
  }
}

void Controller::Clear(Done done) {
  if (!connection_->IsConnected()) {
    done(false, options_.bridge + ": " + connection_->Describe() + "\n");
    return;
  }
  loaded_.reset();
  due_ = true;
  reasons_.insert(kCommand);
  not_before_ = 0;
  if (tap_config_) {
    tap_config_->Use({}, true);
    wait_for_taps_until_ = 0;
  }
  waiting_.push_back(std::move(done));
}

void Controller::Zero(Done done) {
  if (!connection_->IsConnected()) {
    done(false, options_.bridge + ": " + connection_->Describe() + "\n");
    return;
  }
  zero_ = true;
  due_ = true;
  reasons_.insert(kCommand);
  not_before_ = 0;
  waiting_.push_back(std::move(done));
}

void Controller::Synchronize() {
  synchronizing_ = true;
  zeroing_ = std::exchange(zero_, false);
  due_ = false;
  served_ = std::exchange(waiting_, {});
  reason_.clear();
  for (const std::string& reason : std::exchange(reasons_, {})) {
    reason_ += (reason_.empty() ? "" : ", ") + reason;
  }
  ReadState([this](const std::string& error, const SwitchState& state) {
    HandleState(error, state);
  });
}

// Logs what is new about the answers of the switch, of which one has come.
void Controller::LogAnswer(const std::string& error) {
  if (connection_->IsConnected()) {
    if (told_silent_) {
      VLOG_INFO("%s: the switch answers again", options_.bridge.c_str());
    }
    if (!error.empty() && error != reading_error_) {
      VLOG_WARN("%s: flows and counters cannot be read: %s",
                options_.bridge.c_str(), error.c_str());
    }
    reading_error_ = error;
  }
  told_silent_ = false;
  silent_since_ = now_();
  questions_--;
}

// Adds what is read to the counters before it is given to `done`.
SwitchConnection::StateDone Controller::AddCounters(
    SwitchConnection::StateDone done) {
  if (questions_++ == 0) {
    silent_since_ = now_();
  }
  return [this, done = std::move(done), asked = now_(),
          generation = connection_->Generation()](const std::string& error,
                                                  const SwitchState& state) {
    counters_read_ = now_();
    LogAnswer(error);
    if (error.empty()) {
      counters_.Add(state, limits_, {asked, now_(), generation});
    }
    done(error, state);
  };
}

void Controller::ReadState(SwitchConnection::StateDone done) {
  connection_->ReadState(AddCounters(std::move(done)));
}

// If nobody asks for them, they are read from time to time, since flows may go
// at any time.
int64_t Controller::TimeToReadCounters() const {
  return loaded_ && !synchronizing_ && !reading_counters_
             ? counters_read_ + kReadCountersEvery
             : INT64_MAX;
}

void Controller::ReadCounters() {
  reading_counters_ = true;
  connection_->ReadCounters(
      AddCounters([this](const std::string&, const SwitchState&) {
        reading_counters_ = false;
      }));
}

void Controller::HandleState(const std::string& error,
                             const SwitchState& state) {
  if (!error.empty()) {
    FinishSynchronization(error, "", false);
    return;
  }
  SwitchChanges changes;
  const std::string plan_error = Plan(state, &changes);
  if (!plan_error.empty() || changes.empty()) {
    FinishSynchronization(plan_error, "nothing to change", false);
    return;
  }
  const auto shared = std::make_shared<const SwitchChanges>(std::move(changes));
  connection_->Apply(*shared, [this, shared](const std::string& apply_error) {
    HandleApplied(apply_error, *shared);
  });
}

// Sets the program of the policy in force to that for a switch in `state`, and
// `*tap` to its flows.  Returns why that is not possible, or an empty string.
std::string Controller::Compile(const SwitchState& state, TapFlows* tap) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point began = Clock::now();
  Diagnostics diagnostics;
  loaded_->program =
      BuildStages(loaded_->policy, FindPriorities(state.flows), &diagnostics);
  *tap = CompileFlows(loaded_->policy, loaded_->program, state.ports,
                      options_.max_flows, &diagnostics);
  tallies_.last_compile_seconds =
      std::chrono::duration<double>(Clock::now() - began).count();
  tallies_.compile_seconds += tallies_.last_compile_seconds;
  tallies_.compilations++;
  if (diagnostics.HasErrors()) {
    return diagnostics.Sorted().front().what;
  }
  loaded_->dormant = tap->dormant;
  return "";
}

// Sets `*changes` to what makes a switch in `state` as the policy says.
// Returns why that is not possible, or an empty string.
std::string Controller::Plan(const SwitchState& state, SwitchChanges* changes) {
  std::vector<SwitchFlow> wanted;
  TapFlows tap;
  if (loaded_) {
    const std::string compile_error = Compile(state, &tap);
    if (!compile_error.empty()) {
      return compile_error;
    }
    LogDormantRules(state.ports);
  }
  MeterNumbers meters;
  const std::string meter_error =
      PlanMeters(tap.meters, state.meters, state.max_meters,
                 FindMeters(state.flows), zeroing_, &meters, &changes->meters);
  if (!meter_error.empty()) {
    return meter_error;
  }
  next_limits_ = meters;
  for (const Flow& flow : tap.flows) {
    SwitchFlow text;
    text.table = options_.tables.of(flow.tap);
    text.priority = flow.priority;
    text.cookie = EncodeCookie(flow.cookie);
    text.match = FormatMatch(flow.match);
    text.actions = FormatActions(flow.actions, text.table, meters);
    wanted.push_back(std::move(text));
  }
  flows_ = wanted.size();

  std::vector<SwitchFlow> found = state.flows;
  const auto is_foreign = [](const SwitchFlow& flow) {
    return !DecodeCookie(flow.cookie);
  };
  const size_t foreign = static_cast<size_t>(
      std::count_if(found.begin(), found.end(), is_foreign));
  ReportForeignFlows(foreign);
  if (!loaded_ || !options_.own_tables) {
    // Clearing is about our own flows.
    std::erase_if(found, is_foreign);
  }
  const std::string error = CanonicalizeUnknown(found, &wanted);
  if (!error.empty()) {
    return error;
  }
  changes->flows = Difference(wanted, found);
  if (zeroing_) {
    AppendResets(wanted, found, &changes->flows);
  }
  return "";
}

void Controller::ReportForeignFlows(size_t foreign) {
  if (loaded_ && options_.own_tables) {
    if (foreign > 0 && !pace_.IsSlowest(now_())) {
      VLOG_WARN("%s: removing %s of %s: they are not ours, and the tables are",
                options_.bridge.c_str(), Count(foreign, "flow").c_str(),
                FormatTables().c_str());
    }
    foreign = 0;
  } else if (foreign > 0 && foreign_ == 0) {
    VLOG_WARN("%s: %s of %s not ours; left alone", options_.bridge.c_str(),
              Count(foreign, "flow").c_str(),
              (FormatTables() + (foreign == 1 ? " is" : " are")).c_str());
  }
  foreign_ = foreign;
}

std::string Controller::FormatTables() const {
  return "tables " + std::to_string(options_.tables.ingress) + " and " +
         std::to_string(options_.tables.egress);
}

// Brings those flows of `*wanted` that are not in `found` as they are into the
// form in which this switch would print them, unless they are new in any form:
// in `found` there is no flow of that table and priority which is not wanted.
std::string Controller::CanonicalizeUnknown(
    const std::vector<SwitchFlow>& found,
    std::vector<SwitchFlow>* wanted) const {
  const auto key = [](const SwitchFlow& flow) {
    return std::tuple(flow.table, flow.priority, std::string_view(flow.match),
                      std::string_view(flow.actions));
  };
  std::set<decltype(key(SwitchFlow()))> unwanted;
  for (const SwitchFlow& flow : found) {
    unwanted.insert(key(flow));
  }
  std::vector<SwitchFlow*> unknown;
  for (SwitchFlow& flow : *wanted) {
    if (!unwanted.erase(key(flow))) {
      unknown.push_back(&flow);
    }
  }
  for (SwitchFlow* flow : unknown) {
    const auto it = unwanted.lower_bound({flow->table, flow->priority, "", ""});
    if (it == unwanted.end() || std::get<0>(*it) != flow->table ||
        std::get<1>(*it) != flow->priority) {
      continue;
    }
    SwitchFlow canonical;
    const std::string error = connection_->Canonicalize(*flow, &canonical);
    if (!error.empty()) {
      return error;
    }
    *flow = std::move(canonical);
  }
  return "";
}

// Says which rules wait for a port, and which no longer do, unless that was
// said of the same rule before, in this policy or an earlier one.
void Controller::LogDormantRules(const PortNumbers& ports) {
  const std::set<RuleId> before = std::exchange(told_dormant_, {});
  for (size_t r = 0; r < loaded_->policy.rules.size(); r++) {
    const Rule& rule = loaded_->policy.rules[r];
    const RuleId id = loaded_->program.ids[r];
    const bool is =
        std::binary_search(loaded_->dormant.begin(), loaded_->dormant.end(), r);
    if (is) {
      told_dormant_.insert(id);
    }
    if (is == before.contains(id)) {
      continue;
    }
    const InterfaceMatch* missing = FindMissingPort(rule.matches, ports);
    if (!missing) {
      VLOG_INFO_RL(&dormant_rl,
                   "%s:%d: the port is there: the rule is in force",
                   options_.policy_file.c_str(), rule.where.line);
      continue;
    }
    const std::string name = missing->name + (missing->prefix ? "+" : "");
    if (ports.contains(missing->name)) {
      VLOG_WARN_RL(
          &dormant_rl,
          "%s:%d: %s is the port LOCAL of %s, which -i and -o do not name: "
          "write the rule for OUTPUT or INPUT, without it",
          options_.policy_file.c_str(), rule.where.line, name.c_str(),
          options_.bridge.c_str());
    } else {
      VLOG_WARN_RL(
          &dormant_rl,
          "%s:%d: %s has no port %s: the rule sleeps until there is one",
          options_.policy_file.c_str(), rule.where.line,
          options_.bridge.c_str(), name.c_str());
    }
  }
}

void Controller::HandleApplied(const std::string& error,
                               const SwitchChanges& changes) {
  if (!error.empty()) {
    FinishSynchronization(error, "", false);
    return;
  }
  size_t n[4] = {};
  for (const FlowChange& change : changes.flows) {
    n[static_cast<int>(change.kind)]++;
    if (change.kind == FlowChange::Kind::kDelete) {
      counters_.Remove(change.flow);
    }
  }
  FinishSynchronization(
      "",
      std::to_string(n[2]) + " added, " + std::to_string(n[1]) + " modified, " +
          std::to_string(n[0]) + " deleted" +
          (n[3] ? ", counters zeroed" : "") +
          (changes.meters.empty()
               ? ""
               : ", " + Count(changes.meters.size(), "meter") + " changed"),
      true);
}

void Controller::FinishSynchronization(const std::string& error,
                                       const std::string& summary,
                                       bool changed) {
  synchronizing_ = false;
  if (error.empty()) {
    const std::string text =
        options_.bridge + ": " +
        (loaded_ ? Count(loaded_->policy.rules.size(), "rule") + ", " +
                       Count(flows_, "flow")
                 : std::string("cleared")) +
        ": " + summary;
    // What is normal is not worth a line: that nothing had to be done for new
    // ports, and repairs of which it was said that they go on.
    if (changed ? !served_.empty() || !pace_.IsSlowest(now_())
                : reason_ != kPortsChanged && reason_ != kInterference) {
      VLOG_INFO("%s (%s)", text.c_str(), reason_.c_str());
    }
    last_error_.clear();
    tallies_.updated = std::time(nullptr);
    tallies_.updates_good++;
    limits_ = std::move(next_limits_);
    if (!loaded_ || zeroing_) {
      counters_.Clear();
    } else if (!due_) {
      // No other policy was loaded meanwhile, whose rules are not yet known.
      counters_.Retain(loaded_->program, limits_);
    }
    if (tap_config_ && loaded_ && !due_) {
      tap_config_->Use(TapsOf(loaded_->policy), true);
    }
    for (const Done& done : std::exchange(served_, {})) {
      done(true, text + "\n");
    }
  } else {
    if (error != last_error_ && connection_->IsConnected()) {
      VLOG_ERR("%s: %s are not as the policy says: %s", options_.bridge.c_str(),
               FormatTables().c_str(), error.c_str());
    }
    last_error_ = error;
    tallies_.updates_failed++;
    due_ = true;
    reasons_.insert(kFailedBefore);
    not_before_ = now_() + kRetryAfter;
    for (const Done& done : std::exchange(served_, {})) {
      done(false, options_.bridge + ": " + error + "\n");
    }
  }
}

void Controller::List(nlohmann::json more, Done done) {
  Answer(std::move(done),
         [this, more = std::move(more)](const SwitchState&, const Done& one) {
           nlohmann::json list = ListAsJson();
           list.update(more);
           AddBudgets(&list);
           one(true, FormatJson(list));
         });
}

void Controller::Measure(
    std::function<void(const std::optional<MeasuredPolicy>&)> done) {
  if (!connection_->IsConnected()) {
    done(std::nullopt);
    return;
  }
  ReadState([this, done = std::move(done)](const std::string& error,
                                           const SwitchState& state) {
    if (!error.empty() || !loaded_ || !loaded_->IsCompiled()) {
      done(std::nullopt);
      return;
    }
    if (!loaded_->labels) {
      loaded_->labels = std::make_shared<const std::vector<RuleLabels>>(
          LabelRules(loaded_->policy, loaded_->program));
    }
    PolicyCounters counters =
        counters_.Count(loaded_->policy, loaded_->program);
    MeasuredPolicy measured = {loaded_->labels,
                               std::move(counters.rules),
                               std::move(counters.chains),
                               loaded_->policy.chain_policies,
                               loaded_->dormant,
                               OverBudgets(),
                               {}};
    for (const auto& [port, number] : state.ports) {
      measured.ports.push_back(port);
    }
    done(measured);
  });
}

std::vector<Session> Controller::Sessions() const {
  std::vector<Session> sessions;
  if (loaded_) {
    for (const Rule& rule : loaded_->policy.rules) {
      const Mirror* mirror = rule.mirror();
      if (mirror && std::find(sessions.begin(), sessions.end(),
                              mirror->session) == sessions.end()) {
        sessions.push_back(mirror->session);
      }
    }
  }
  return sessions;
}

std::vector<OverBudget> Controller::OverBudgets() const {
  std::vector<OverBudget> budgets;
  if (!loaded_) {
    return budgets;
  }
  for (const Rule& rule : loaded_->policy.rules) {
    const Mirror* mirror = rule.mirror();
    if (mirror && mirror->budget &&
        std::none_of(budgets.begin(), budgets.end(), [&](const auto& known) {
          return known.session == mirror->session;
        })) {
      budgets.push_back({mirror->session, *mirror->budget,
                         counters_.OverLimit(BudgetId(mirror->session))});
    }
  }
  return budgets;
}

void Controller::AddBudgets(nlohmann::json* report) const {
  const auto sessions = report->find("sessions");
  if (sessions == report->end()) {
    return;
  }
  std::map<std::string, OverBudget> budgets;
  for (const OverBudget& budget : OverBudgets()) {
    budgets.emplace(NameSession(budget.session), budget);
  }
  for (nlohmann::json& session : *sessions) {
    const auto it = budgets.find(session.at("session").get<std::string>());
    if (it != budgets.end()) {
      session["limit"] = FormatBudgetRate(it->second.budget);
      session["over_limit"] = it->second.over.packets;
      session["over_limit_bytes"] = it->second.over.bytes;
    }
  }
}

void Controller::Save(bool with_counters, Done done) {
  Answer(std::move(done),
         [this, with_counters](const SwitchState&, const Done& one) {
           one(true, FormatSaved(ListChains(), with_counters));
         });
}

void Controller::Explain(const PacketQuestion& question, Done done) {
  Answer(std::move(done), [this, question](const SwitchState& state,
                                           const Done& one) {
    if (!loaded_) {
      one(false, options_.bridge + ": no policy is in force\n");
      return;
    }
    PortNumbers ports = state.ports;
    PacketPath path;
    const std::string error = ReadPacketText(question.packet, &ports, &path);
    if (!error.empty()) {
      one(false, error);
      return;
    }
    for (const std::string& port : question.outputs) {
      path.outputs.push_back(PortOf(port, &ports));
    }
    const Policy& policy = loaded_->policy;
    const Explanation explanation = ovs_rmirror::Explain(policy, ports, path);
    one(true, question.as_json
                  ? FormatJson(nlohmann::json::array(
                        {ExplanationAsJson(policy, ports, path, explanation)}))
                  : FormatExplanation(policy, ports, path, explanation));
  });
}

// Has `answer` call `done` with what it makes of the switch's state.  It finds
// the policy in force compiled, also one that the switch is yet to get.
void Controller::Answer(
    Done done, std::function<void(const SwitchState&, const Done&)> answer) {
  if (!connection_->IsConnected()) {
    done(false, options_.bridge + ": " + connection_->Describe() + "\n");
    return;
  }
  ReadState([this, done = std::move(done), answer = std::move(answer)](
                const std::string& reading_error, const SwitchState& state) {
    std::string error = reading_error;
    if (error.empty() && loaded_ && !loaded_->IsCompiled()) {
      TapFlows tap;
      error = Compile(state, &tap);
    }
    if (error.empty()) {
      answer(state, done);
    } else {
      done(false, options_.bridge + ": " + error + "\n");
    }
  });
}

// The rules in force and their counters; nothing if there is no policy.
std::vector<ListedChain> Controller::ListChains() {
  if (!loaded_) {
    return {};
  }
  const Policy& policy = loaded_->policy;
  const PolicyCounters counts = counters_.Count(policy, loaded_->program);

  std::vector<ListedChain> chains;
  std::map<std::string, size_t> index;  // Into `chains`.
  const auto append = [&](const std::string& name) {
    index[name] = chains.size();
    chains.emplace_back();
    chains.back().chain = name;
    chains.back().policy.reset();
  };
  for (const Chain chain : kChains) {
    append(std::string(ChainName(chain)));
    const auto chain_policy = policy.chain_policies.find(chain);
    chains.back().policy = chain_policy == policy.chain_policies.end()
                               ? Verdict::kAccept
                               : chain_policy->second;
    chains.back().counters = counts.chains.at(chain);
  }
  for (const std::string& chain : policy.user_chains) {
    append(chain);
  }
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Rule& rule = policy.rules[r];
    const bool dormant =
        std::binary_search(loaded_->dormant.begin(), loaded_->dormant.end(), r);
    chains[index.at(rule.chain)].rules.push_back(
        {rule, counts.rules[r], dormant});
    if (const Jump* jump = rule.jump()) {
      chains[index.at(jump->chain)].references++;
    }
  }
  return chains;
}

nlohmann::json Controller::ListAsJson() {
  using nlohmann::json;
  json list = {{"bridge", options_.bridge},
               {"tables",
                {{"ingress", options_.tables.ingress},
                 {"egress", options_.tables.egress}}},
               {"policy", options_.policy_file},
               {"chains", json::array()},
               // What a reader needs to understand the rules by itself.
               {"sets", json::array()}};
  for (const ListedChain& chain : ListChains()) {
    json entry = {{"chain", chain.chain}, {"rules", json::array()}};
    if (chain.policy) {
      entry["policy"] = VerdictName(*chain.policy);
      entry["packets"] = chain.counters.packets;
      entry["bytes"] = chain.counters.bytes;
    }
    for (const ListedRule& listed : chain.rules) {
      json rule = {{"line", listed.rule.where.line},
                   {"rule", FormatRule(listed.rule)},
                   {"packets", listed.counters.packets},
                   {"bytes", listed.counters.bytes},
                   {"dormant", listed.dormant}};
      if (const Mirror* mirror = listed.rule.mirror()) {
        rule["action"] = FormatMirror(*mirror);
      }
      entry["rules"].push_back(std::move(rule));
    }
    list["chains"].push_back(std::move(entry));
  }
  if (loaded_) {
    for (const auto& [name, type] : SetsOf(loaded_->policy)) {
      list["sets"].push_back(type);
    }
  }
  return list;
}

nlohmann::json Controller::Status() const {
  nlohmann::json status = {
      {"bridge", options_.bridge},
      {"tables",
       {{"ingress", options_.tables.ingress},
        {"egress", options_.tables.egress}}},
      {"switch", connection_->Describe()},
      {"connected", connection_->IsConnected()},
      {"tap", tap_config_ ? tap_config_->Describe()
                          : "not set by this daemon: set other_config:"
                            "rmirror-ingress-table=" +
                                std::to_string(options_.tables.ingress) +
                                " and other_config:rmirror-egress-table=" +
                                std::to_string(options_.tables.egress)},
      {"policy", options_.policy_file},
      {"in_force", HasPolicy()},
      {"foreign", foreign_},
      {"state", !last_error_.empty()     ? "out of date"
                : due_ || synchronizing_ ? "being brought up to date"
                                         : kUpToDate},
      {"error", last_error_},
      {"synchronized", tallies_.updated ? FormatTime(tallies_.updated) : ""}};
  if (loaded_) {
    status["rules"] = loaded_->policy.rules.size();
    status["dormant"] = loaded_->dormant.size();
    status["flows"] = flows_;
  }
  return status;
}

}  // namespace ovs_rmirror
