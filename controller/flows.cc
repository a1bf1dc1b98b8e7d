// SPDX-License-Identifier: Apache-2.0

#include "controller/flows.h"

#include <algorithm>
#include <map>
#include <set>

#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

// The entries of FORWARD and PREROUTING are for all packets for which there is
// no other one.
uint16_t EntryPriority(Chain chain) {
  switch (chain) {
    case Chain::kPrerouting:
    case Chain::kForward:
      return 1;
    case Chain::kOutput:
    case Chain::kPostrouting:
      return 2;
    case Chain::kInput:
      return 3;
  }
  return 0;
}

// Above every rule.
constexpr uint16_t kExceptionPriority = kMaxRulePriority + 1;

// Up to this many combinations, a rule takes them rather than a conjunction,
// which costs a look-up of its own.
constexpr uint64_t kMaxCombinations = 32;

// As many as reg2 has bits, see AddConjunction().  OpenFlow has room for 64.
constexpr size_t kMaxConjunctionClauses = 32;

uint64_t CountCombinations(const Clauses& variant) {
  uint64_t n = 1;
  for (const auto& clause : variant.clauses) {
    n = std::min<uint64_t>(n * clause.size(), UINT32_MAX);
  }
  return n;
}

uint64_t CountConjunction(const Clauses& variant) {
  uint64_t n = 1;
  for (const auto& clause : variant.clauses) {
    n += clause.size();
  }
  return n;
}

bool TakesConjunction(const Clauses& variant) {
  const uint64_t combinations = CountCombinations(variant);
  return combinations > kMaxCombinations &&
         combinations > CountConjunction(variant) &&
         variant.clauses.size() <= kMaxConjunctionClauses;
}

// The number of flows that `clauses` take in one stage, at most.
uint64_t CountFlows(const RuleClauses& clauses) {
  uint64_t n = clauses.exceptions.size();
  for (const Clauses& variant : clauses.variants) {
    n += TakesConjunction(variant) ? CountConjunction(variant)
                                   : CountCombinations(variant);
  }
  return n;
}

// All combinations of the alternatives of `variant`.
std::vector<FlowMatch> Combine(const Clauses& variant) {
  std::vector<FlowMatch> matches = {variant.base};
  for (const auto& clause : variant.clauses) {
    std::set<FlowMatch> seen;
    std::vector<FlowMatch> combined;
    for (const FlowMatch& match : matches) {
      for (const FlowMatch& alternative : clause) {
        const auto both = Intersect(match, alternative);
        if (both && seen.insert(*both).second) {
          combined.push_back(*both);
        }
      }
    }
    matches = std::move(combined);
  }
  return matches;
}

// 32-bit FNV-1a of what makes a conjunction unique.
uint32_t HashConjunction(uint32_t stage, RuleId id, size_t variant) {
  uint32_t hash = 0x811c9dc5;
  for (uint64_t part : {uint64_t{stage}, uint64_t{id}, uint64_t{variant}}) {
    for (int i = 0; i < 8; i++) {
      hash = (hash ^ static_cast<uint32_t>(part & 0xff)) * 0x01000193;
      part >>= 8;
    }
  }
  return hash;
}

class FlowBuilder {
 public:
  FlowBuilder(const Policy& policy, const Program& program, TapFlows* result)
      : policy_(policy), program_(program), result_(*result) {
    result_.flows_of_rule.resize(policy.rules.size());
  }

  void AddEntry(Chain chain);
  void AddRule(const Stage& stage, size_t r, const RuleClauses& clauses);
  void AddPolicy(const Stage& stage, Chain chain);

 private:
  bool DropsAtTap(const Stage& stage, Verdict verdict) const;
  void AddConjunction(Flow flow, const Clauses& variant, uint32_t id);
  void EnterSequence(const std::vector<size_t>& sequence,
                     FlowActions* actions) const;
  FlowActions ActionsOf(const Stage& stage, size_t r) const;

  const Policy& policy_;
  const Program& program_;
  TapFlows& result_;
  std::set<std::pair<Tap, uint32_t>> conjunctions_;
};

void FlowBuilder::EnterSequence(const std::vector<size_t>& sequence,
                                FlowActions* actions) const {
  for (const size_t s : sequence) {
    actions->push_back(EnterStage{program_.stages[s].number});
  }
}

void FlowBuilder::AddEntry(Chain chain) {
  const std::string name(ChainName(chain));
  Flow entry;
  entry.tap = TapOf(chain);
  entry.priority = EntryPriority(chain);
  entry.cookie = {Role::kEntry, ChainId(chain)};
  if (chain == Chain::kOutput || chain == Chain::kPostrouting) {
    entry.match.in_port = kPortLocal;
  } else if (chain == Chain::kInput) {
    entry.match.actset_output = kPortLocal;
  }
  const Stage* before = nullptr;
  for (const Stage& stage : program_.stages) {
    if (stage.chain != name) {
      continue;
    }
    const bool begins = !before || before->last;
    if (begins &&
        (stage.running || (chain == Chain::kForward && !stage.session))) {
      entry.actions.push_back(Progress::kStart);
    } else if (!begins && !stage.session && stage.last) {
      // Who left the chain early meets its policy, too.
      entry.actions.push_back(Progress::kReturn);
    }
    entry.actions.push_back(EnterStage{stage.number});
    before = &stage;
  }
  if (chain == Chain::kForward) {
    entry.actions.push_back(Progress::kContinue);
    entry.actions.push_back(EnterStage{program_.postrouting});
  }
  result_.flows.push_back(entry);
  if (chain == Chain::kPostrouting) {
    // For those that come from FORWARD.
    entry.match = {};
    entry.match.stage = program_.postrouting;
    entry.match.running = true;
    result_.flows.push_back(std::move(entry));
  }
}

// Where a packet without verdict ends, in the last stage of the verdicts.
void FlowBuilder::AddPolicy(const Stage& stage, Chain chain) {
  Flow flow;
  flow.tap = stage.tap;
  flow.cookie = {Role::kPolicy, ChainId(chain)};
  flow.match.stage = stage.number;
  flow.match.running = stage.running;
  if (DropsAtTap(stage, policy_.PolicyOf(chain))) {
    flow.actions.push_back(Progress::kDrop);
  }
  result_.flows.push_back(std::move(flow));
}

// Whether `verdict` in `stage` keeps packets from the next chain.
bool FlowBuilder::DropsAtTap(const Stage& stage, Verdict verdict) const {
  const std::optional<Chain> chain = ChainByName(stage.chain);
  if (stage.tap != Tap::kEgress || stage.session ||
      (chain && chain != Chain::kForward)) {
    return false;
  }
  return verdict == Verdict::kDrop ||
         (verdict == Verdict::kReturn && chain &&
          policy_.PolicyOf(*chain) == Verdict::kDrop);
}

// What a packet that rule `r` matches meets in `stage`.
FlowActions FlowBuilder::ActionsOf(const Stage& stage, size_t r) const {
  const Rule& rule = policy_.rules[r];
  FlowActions actions;
  const bool built_in = ChainByName(stage.chain).has_value();
  // Whether stages follow that must not see the packet any more.
  const bool more = stage.running && (!built_in || !stage.last);
  if (const Mirror* mirror = rule.mirror()) {
    Copy copy;
    copy.mirror = *mirror;
    if (rule.matches.limit) {
      copy.meter = program_.ids[r];
    } else if (mirror->budget) {
      copy.meter = BudgetId(mirror->session);
    }
    if (rule.matches.statistic) {
      copy.probability = rule.matches.statistic->probability;
    }
    actions.push_back(copy);
    if (more) {
      actions.push_back(Progress::kFinish);
    }
  } else if (const Jump* jump = rule.jump()) {
    const auto& sequence =
        program_.Sequence(stage.tap, jump->chain, stage.session);
    EnterSequence(sequence, &actions);
    if (jump->is_goto && !stage.last) {
      actions.push_back(Progress::kLeave);
    } else if (!jump->is_goto && !sequence.empty()) {
      actions.push_back(Progress::kReturn);
    }
  } else if (DropsAtTap(stage, *rule.verdict())) {
    actions.push_back(Progress::kDrop);
  } else if (*rule.verdict() == Verdict::kReturn && !built_in) {
    if (!stage.last) {
      actions.push_back(Progress::kLeave);
    }
  } else if (more) {
    actions.push_back(Progress::kFinish);
  }
  return actions;
}

// The flows of rule `r` in `stage`.
void FlowBuilder::AddRule(const Stage& stage, size_t r,
                          const RuleClauses& clauses) {
  const Rule& rule = policy_.rules[r];
  const size_t before = result_.flows.size();
  Flow flow;
  flow.tap = stage.tap;
  flow.priority = program_.priorities[r];
  flow.cookie.id = program_.ids[r];
  flow.cookie.role = rule.mirror()   ? Role::kMirror
                     : stage.session ? Role::kGuard
                                     : Role::kVerdict;
  flow.actions = ActionsOf(stage, r);
  const auto in_stage = [&](FlowMatch match) {
    match.stage = stage.number;
    match.running = stage.running;
    return match;
  };

  for (const FlowMatch& exception : clauses.exceptions) {
    Flow excluding;
    excluding.tap = stage.tap;
    excluding.priority = kExceptionPriority;
    excluding.cookie = {Role::kGuard, program_.ids[r]};
    excluding.match = in_stage(exception);
    result_.flows.push_back(std::move(excluding));
  }
  for (size_t v = 0; v < clauses.variants.size(); v++) {
    const Clauses& variant = clauses.variants[v];
    if (!TakesConjunction(variant)) {
      for (const FlowMatch& match : Combine(variant)) {
        flow.match = in_stage(match);
        result_.flows.push_back(flow);
      }
      continue;
    }
    uint32_t id = HashConjunction(stage.number, program_.ids[r], v);
    while (id == 0 || !conjunctions_.insert({stage.tap, id}).second) {
      id++;
    }
    flow.match = in_stage({});
    AddConjunction(flow, variant, id);
  }
  result_.flows_of_rule[r] += result_.flows.size() - before;
}

// `flow` for the packets for which all clauses of `variant` hold.
void FlowBuilder::AddConjunction(Flow flow, const Clauses& variant,
                                 uint32_t id) {
  std::set<FlowMatch> seen;
  for (size_t c = 0; c < variant.clauses.size(); c++) {
    for (const FlowMatch& alternative : variant.clauses[c]) {
      Flow& clause = result_.flows.emplace_back(flow);
      clause.match = alternative;
      clause.match.stage = flow.match.stage;
      clause.match.running = flow.match.running;
      if (!seen.insert(clause.match).second) {
        // The same as an alternative of another clause.  One flow for both is
        // not enough: Open vSwitch wants as many flows to match a packet as
        // there are clauses.
        clause.match.zero = 1u << c;
      }
      clause.actions = {
          Conjunction{id, static_cast<uint8_t>(c + 1),
                      static_cast<uint8_t>(variant.clauses.size())}};
    }
  }
  flow.match.conj_id = id;
  result_.flows.push_back(std::move(flow));
}

// Adds a meter for each session that has a budget and flows.
void AddBudgets(const Policy& policy, const Program& program,
                TapFlows* result) {
  std::map<MeterId, size_t> index;  // Into the meters.
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Mirror* mirror = policy.rules[r].mirror();
    if (!mirror || !mirror->budget || result->flows_of_rule[r] == 0) {
      continue;
    }
    const Budget& budget = *mirror->budget;
    const MeterId id = BudgetId(mirror->session);
    const auto [it, is_new] = index.emplace(id, result->meters.size());
    if (is_new) {
      result->meters.push_back({id, budget.rate, budget.burst,
                                budget.unit == Budget::Unit::kKilobits});
    }
    result->meters[it->second].rules.push_back(program.ids[r]);
  }
}

}  // namespace

TapFlows CompileFlows(const Policy& policy, const Program& program,
                      const PortNumbers& ports, uint64_t max_flows,
                      Diagnostics* diagnostics) {
  TapFlows result;

  // In how many stages of each tap does each rule appear?
  std::map<Tap, std::vector<uint64_t>> appearances;
  for (const Tap tap : kTaps) {
    appearances[tap].resize(policy.rules.size());
  }
  for (const Stage& stage : program.stages) {
    for (const size_t r : stage.rules) {
      appearances[stage.tap][r]++;
    }
  }

  std::map<Tap, std::vector<RuleClauses>> clauses;
  for (const Tap tap : kTaps) {
    clauses[tap].resize(policy.rules.size());
  }
  uint64_t total = 0;
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Rule& rule = policy.rules[r];
    if (FindMissingPort(rule.matches, ports)) {
      result.dormant.push_back(r);
      continue;
    }
    uint64_t n = 0;
    for (const Tap tap : kTaps) {
      if (appearances[tap][r] > 0) {
        clauses[tap][r] = FindClauses(rule.matches, tap, ports);
        n += CountFlows(clauses[tap][r]) * appearances[tap][r];
      }
    }
    total += n;
    if (total > max_flows) {
      diagnostics->Error(
          rule.where,
          "with this rule, which takes " + std::to_string(n) +
              " flows, the policy takes more than " + std::to_string(max_flows),
          "say the same with larger networks or fewer sessions, or allow more "
          "flows with --max-flows");
      return result;
    }
  }

  // What is above the rules' flows are entries and policies of chains.
  result.flows.reserve(total + 2 * kChains.size());
  FlowBuilder builder(policy, program, &result);
  for (const Chain chain : kChains) {
    if (policy.Uses(TapOf(chain))) {
      builder.AddEntry(chain);
    }
  }
  for (const Stage& stage : program.stages) {
    for (const size_t r : stage.rules) {
      builder.AddRule(stage, r, clauses[stage.tap][r]);
    }
    const std::optional<Chain> chain = ChainByName(stage.chain);
    if (chain && !stage.session && stage.last) {
      builder.AddPolicy(stage, *chain);
    }
  }
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const auto& limit = policy.rules[r].matches.limit;
    if (limit && result.flows_of_rule[r] > 0) {
      result.meters.push_back({program.ids[r], limit->rate, limit->burst});
    }
  }
  AddBudgets(policy, program, &result);
  return result;
}

TapFlows CompileForAnySwitch(const Policy& policy, uint64_t max_flows,
                             Diagnostics* diagnostics) {
  PortNumbers ports;
  for (const Rule& rule : policy.rules) {
    for (const auto* match :
         {&rule.matches.in_interface, &rule.matches.out_interface}) {
      if (*match) {
        ports[(*match)->name] = 1;
      }
    }
  }
  const Program program = BuildStages(policy, {}, diagnostics);
  return diagnostics->HasErrors()
             ? TapFlows()
             : CompileFlows(policy, program, ports, max_flows, diagnostics);
}

std::string FormatStatistics(const Policy& policy, const Program& program,
                             const TapFlows& tap) {
  std::string s = "flows stages rule\n";
  const auto column = [](size_t number, size_t width) {
    const std::string text = std::to_string(number);
    return std::string(text.size() < width ? width - text.size() : 0, ' ') +
           text;
  };
  for (size_t r = 0; r < policy.rules.size(); r++) {
    size_t stages = 0;
    for (const Stage& stage : program.stages) {
      stages += static_cast<size_t>(
          std::count(stage.rules.begin(), stage.rules.end(), r));
    }
    s += column(tap.flows_of_rule[r], 5) + " " + column(stages, 6) + " " +
         FormatRule(policy.rules[r]) + "\n";
  }
  s += column(tap.flows.size(), 5) + " " + column(program.stages.size(), 6) +
       " all, entries and policies of chains included\n";
  if (!tap.meters.empty()) {
    s += column(tap.meters.size(), 5) + "        meters, one for each limit\n";
  }
  return s;
}

}  // namespace ovs_rmirror
