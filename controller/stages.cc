// SPDX-License-Identifier: Apache-2.0

#include "controller/stages.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unordered_set>

#include "controller/clauses.h"
#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

// Between two neighbours, as long as there is room: for rules to come.
constexpr uint32_t kPriorityStep = 64;

// 64-bit FNV-1a.  What it gives stays in switches over restarts and upgrades,
// so it must be the same everywhere and for ever.
uint64_t Hash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

RuleId FoldId(uint64_t hash) { return (hash ^ hash >> 40) & kMaxRuleId; }

uint32_t FoldStage(uint64_t hash) {
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

std::vector<RuleId> FindIds(const Policy& policy) {
  std::vector<RuleId> ids;
  std::unordered_set<RuleId> taken;
  for (const Chain chain : kChains) {
    taken.insert(ChainId(chain));
  }
  for (const Rule& rule : policy.rules) {
    const std::string text = FormatRule(rule, RuleText::kIdentity);
    RuleId id = FoldId(Hash(text));
    // The same rule again: its second occurrence is something of its own.
    for (int occurrence = 2; !taken.insert(id).second; occurrence++) {
      id = FoldId(Hash(text + " #" + std::to_string(occurrence)));
    }
    ids.push_back(id);
  }
  return ids;
}

// Returns the indexes of a longest strictly falling subsequence of those
// elements of `values` that are not 0.
std::vector<size_t> LongestFalling(const std::vector<uint16_t>& values) {
  // tails[n] is the index at which the best subsequence of n + 1 elements ends.
  std::vector<size_t> tails;
  std::vector<size_t> previous(values.size());
  for (size_t i = 0; i < values.size(); i++) {
    if (values[i] == 0) {
      continue;
    }
    const auto tail =
        std::partition_point(tails.begin(), tails.end(),
                             [&](size_t t) { return values[t] > values[i]; });
    previous[i] = tail == tails.begin() ? i : *(tail - 1);
    if (tail == tails.end()) {
      tails.push_back(i);
    } else {
      *tail = i;
    }
  }
  std::vector<size_t> result;
  if (!tails.empty()) {
    size_t i = tails.back();
    result.push_back(i);
    while (previous[i] != i) {
      i = previous[i];
      result.push_back(i);
    }
    std::reverse(result.begin(), result.end());
  }
  return result;
}

// Gives falling priorities between `above` and `below`, both exclusive, to
// those from index `first` up to `end`.  Returns false if there is no room.
// Where the space ends, what is left of it lies there.
bool FillGap(uint32_t above, uint32_t below, size_t first, size_t end,
             std::vector<uint16_t>* priorities) {
  const uint32_t n = static_cast<uint32_t>(end - first);
  if (above - below - 1 < n) {
    return false;
  }
  uint32_t step = (above - below) / (n + 1);
  if (first == 0 || end == priorities->size()) {
    step = std::min(step, kPriorityStep);
  }
  if (first == 0) {
    above = below + (n + 1) * step;
  }
  for (size_t i = first; i < end; i++) {
    above -= step;
    (*priorities)[i] = static_cast<uint16_t>(above);
  }
  return true;
}

std::vector<uint16_t> FreshPriorities(size_t n) {
  if (n == 0) {
    return {};
  }
  const size_t room = kMaxRulePriority - kMinRulePriority + 1;
  // Half of the space stays free, above and below, for rules to come.
  const size_t step = std::clamp<size_t>(room / (2 * n), 1, kPriorityStep);
  const size_t above = std::min(room / 4, room - ((n - 1) * step + 1));
  const size_t highest = kMaxRulePriority - above;
  std::vector<uint16_t> priorities(n);
  for (size_t i = 0; i < n; i++) {
    priorities[i] = static_cast<uint16_t>(highest - i * step);
  }
  return priorities;
}

// The bytes of the actions that go through a stage, and that clear reg1.
constexpr size_t kStageActions = 40;
constexpr size_t kClearActions = 24;

// Jumps that share a stage are compared with each rule behind them.
constexpr size_t kMaxJumpsInStage = 256;

class StageBuilder {
 public:
  StageBuilder(Tap tap, const Policy& policy, Program* program)
      : tap_(tap), policy_(policy), program_(*program) {
    if (tap == Tap::kEgress) {
      program_.postrouting = FindNumber("POSTROUTING entry");
    }
    for (size_t r = 0; r < policy.rules.size(); r++) {
      rules_[policy.rules[r].chain].push_back(r);
    }
  }

  // Adds the stages of `chain`, which is at the builder's tap.
  void AddChain(Chain chain);

  // The most resubmits that a packet in `chain` can take, without those of
  // chains to which it goes on.
  uint64_t CountResubmits(Chain chain);

 private:
  using ChainAndSession = std::pair<std::string, std::string>;

  uint32_t FindNumber(const std::string& text);
  void FindSessions(const std::string& chain, std::set<std::string>* visited,
                    std::vector<Session>* sessions);
  bool MirrorsTo(const std::string& chain, const Session& session);
  bool EndsEvaluation(const std::string& chain);
  bool Matters(const std::string& chain, const std::optional<Session>& session);
  std::vector<size_t> SelectRules(const std::string& chain,
                                  const std::optional<Session>& session);
  std::vector<std::vector<size_t>> Cut(const std::vector<size_t>& rules);
  void AddSequence(const std::string& chain,
                   const std::optional<Session>& session);
  uint64_t CountResubmits(const std::string& chain,
                          const std::optional<Session>& session);

  const Tap tap_;
  const Policy& policy_;
  Program& program_;
  std::map<std::string, std::vector<size_t>> rules_;
  std::set<uint32_t> numbers_;
  std::map<ChainAndSession, bool> mirrors_to_;
  std::map<std::string, bool> ends_evaluation_;
  std::map<ChainAndSession, uint64_t> resubmits_;
};

void StageBuilder::AddChain(Chain chain) {
  const std::string name(ChainName(chain));
  std::vector<Session> sessions;
  std::set<std::string> visited, seen;
  FindSessions(name, &visited, &sessions);
  for (const Session& session : sessions) {
    if (seen.insert(FormatSession(session)).second) {
      AddSequence(name, session);
    }
  }
  AddSequence(name, std::nullopt);
}

// The number of the stage that `text` identifies.
uint32_t StageBuilder::FindNumber(const std::string& text) {
  uint32_t number = FoldStage(Hash(text));
  while (number == 0 || !numbers_.insert(number).second) {
    number++;
  }
  return number;
}

// Appends the sessions of `chain` and of those to which it leads.
void StageBuilder::FindSessions(const std::string& chain,
                                std::set<std::string>* visited,
                                std::vector<Session>* sessions) {
  if (!visited->insert(chain).second) {
    return;
  }
  for (const size_t r : rules_[chain]) {
    const Rule& rule = policy_.rules[r];
    if (const Mirror* mirror = rule.mirror()) {
      sessions->push_back(mirror->session);
    } else if (const Jump* jump = rule.jump()) {
      FindSessions(jump->chain, visited, sessions);
    }
  }
}

// Whether a packet in `chain` can meet a rule that mirrors to `session`.
bool StageBuilder::MirrorsTo(const std::string& chain, const Session& session) {
  const ChainAndSession key = {chain, FormatSession(session)};
  const auto known = mirrors_to_.find(key);
  if (known != mirrors_to_.end()) {
    return known->second;
  }
  bool result = false;
  for (const size_t r : rules_[chain]) {
    const Rule& rule = policy_.rules[r];
    const Mirror* mirror = rule.mirror();
    const Jump* jump = rule.jump();
    result = result || (mirror && mirror->session == session) ||
             (jump && MirrorsTo(jump->chain, session));
  }
  return mirrors_to_[key] = result;
}

// Whether a packet in `chain` can meet ACCEPT or DROP.
bool StageBuilder::EndsEvaluation(const std::string& chain) {
  const auto known = ends_evaluation_.find(chain);
  if (known != ends_evaluation_.end()) {
    return known->second;
  }
  bool result = false;
  for (const size_t r : rules_[chain]) {
    const Rule& rule = policy_.rules[r];
    const Verdict* verdict = rule.verdict();
    const Jump* jump = rule.jump();
    result = result || (verdict && *verdict != Verdict::kReturn) ||
             (jump && EndsEvaluation(jump->chain));
  }
  return ends_evaluation_[chain] = result;
}

// Whether a jump to a user's chain does anything for `session`, or counts
// anything among the verdicts.
bool StageBuilder::Matters(const std::string& chain,
                           const std::optional<Session>& session) {
  if (session) {
    return MirrorsTo(chain, *session) || EndsEvaluation(chain);
  }
  const std::vector<size_t>& rules = rules_[chain];
  return std::any_of(rules.begin(), rules.end(),
                     [&](size_t r) { return !policy_.rules[r].mirror(); });
}

// The rules of `chain` that have a say in `session`.
std::vector<size_t> StageBuilder::SelectRules(
    const std::string& chain, const std::optional<Session>& session) {
  std::vector<size_t> selected;
  for (const size_t r : rules_[chain]) {
    const Rule& rule = policy_.rules[r];
    const Mirror* mirror = rule.mirror();
    const Jump* jump = rule.jump();
    if (mirror ? session && mirror->session == *session
               : !jump || !session || jump->is_goto ||
                     Matters(jump->chain, session)) {
      selected.push_back(r);
    }
  }
  if (!session) {
    return selected;
  }
  // What stands at the end and changes nothing for the session.  Behind a
  // built-in chain nothing comes, so there verdicts change nothing, either.
  const bool built_in = ChainByName(chain).has_value();
  while (!selected.empty()) {
    const Rule& rule = policy_.rules[selected.back()];
    const Jump* jump = rule.jump();
    const bool changes =
        rule.mirror() ||
        (jump ? (built_in ? MirrorsTo(jump->chain, *session)
                          : Matters(jump->chain, session))
              : !built_in && *rule.verdict() != Verdict::kReturn);
    if (changes) {
      break;
    }
    selected.pop_back();
  }
  return selected;
}

// Cuts a list where first match ends to be exact.
std::vector<std::vector<size_t>> StageBuilder::Cut(
    const std::vector<size_t>& rules) {
  std::vector<std::vector<size_t>> parts(1);
  std::vector<size_t> jumps;  // In the last part, those that come back.
  bool has_exceptions = false;
  for (const size_t r : rules) {
    const Rule& rule = policy_.rules[r];
    const bool needs_exceptions = NeedsExceptions(rule.matches);
    const bool cut =
        !parts.back().empty() &&
        (needs_exceptions || has_exceptions ||
         jumps.size() >= kMaxJumpsInStage ||
         std::any_of(jumps.begin(), jumps.end(), [&](size_t jump) {
           return !AreDisjoint(policy_.rules[jump].matches, rule.matches);
         }));
    if (cut) {
      parts.emplace_back();
      jumps.clear();
    }
    has_exceptions = needs_exceptions;
    parts.back().push_back(r);
    if (rule.jump() && !rule.jump()->is_goto) {
      jumps.push_back(r);
    }
  }
  return parts;
}

// Adds the stages of `chain` for `session`, and of the chains to which its
// rules jump.
void StageBuilder::AddSequence(const std::string& chain,
                               const std::optional<Session>& session) {
  const std::string session_text = session ? FormatSession(*session) : "";
  const auto [sequence, is_new] =
      program_.sequences.insert({{tap_, chain, session_text}, {}});
  if (!is_new) {
    return;
  }
  const std::vector<size_t> rules = SelectRules(chain, session);
  std::vector<std::vector<size_t>> parts = Cut(rules);
  const bool built_in = ChainByName(chain).has_value();
  const bool has_jumps = std::any_of(rules.begin(), rules.end(), [&](size_t r) {
    return policy_.rules[r].jump();
  });
  const bool has_exceptions = std::any_of(
      rules.begin(), rules.end(),
      [&](size_t r) { return NeedsExceptions(policy_.rules[r].matches); });
  if (built_in && !session && (has_jumps || has_exceptions)) {
    parts.emplace_back();  // For the policy alone.
  }

  for (size_t i = 0; i < parts.size(); i++) {
    Stage stage;
    stage.tap = tap_;
    stage.chain = chain;
    stage.session = session;
    stage.rules = parts[i];
    stage.running = !built_in || has_jumps || parts.size() > 1;
    stage.last = i + 1 == parts.size();
    // By what it is behind or begins with, so that it stays what it is when
    // other rules come and go.
    std::string text = chain + (session ? " " + session_text : "");
    if (i > 0 && parts[i].empty()) {
      text += " policy";
    } else if (i > 0) {
      const size_t r = parts[i].front();
      const bool begins = NeedsExceptions(policy_.rules[r].matches);
      text += (begins ? " at " : " behind ") +
              std::to_string(program_.ids[begins ? r : parts[i - 1].back()]);
    }
    stage.number = FindNumber(text);
    sequence->second.push_back(program_.stages.size());
    program_.stages.push_back(std::move(stage));
  }
  for (const size_t r : rules) {
    const Jump* jump = policy_.rules[r].jump();
    if (jump && Matters(jump->chain, session)) {
      AddSequence(jump->chain, session);
    }
  }
}

uint64_t StageBuilder::CountResubmits(Chain chain) {
  const std::string name(ChainName(chain));
  uint64_t n = 0;
  for (const auto& [key, sequence] : program_.sequences) {
    if (std::get<Tap>(key) == tap_ && std::get<1>(key) == name) {
      n += CountResubmits(name, program_.stages[sequence[0]].session);
    }
  }
  return n;
}

uint64_t StageBuilder::CountResubmits(const std::string& chain,
                                      const std::optional<Session>& session) {
  const ChainAndSession key = {chain, session ? FormatSession(*session) : ""};
  const auto known = resubmits_.find(key);
  if (known != resubmits_.end()) {
    return known->second;
  }
  uint64_t n = 0;
  for (const size_t s : program_.Sequence(tap_, chain, session)) {
    uint64_t most = 0;
    for (const size_t r : program_.stages[s].rules) {
      if (const Jump* jump = policy_.rules[r].jump()) {
        most = std::max(most, CountResubmits(jump->chain, session));
      }
    }
    // Far from an overflow: deeper nesting doubles it at most 32 times.
    n = std::min<uint64_t>(n + 1 + most, kMaxResubmits + 1);
  }
  return resubmits_[key] = n;
}

// Refuses what a switch would not do.
void CheckSize(const Policy& policy, const Program& program, Chain chain,
               uint64_t resubmits, Diagnostics* diagnostics) {
  const std::string name(ChainName(chain));
  size_t sessions = 0;
  std::map<std::string, size_t> actions;  // Bytes, by what holds them.
  for (const auto& [key, sequence] : program.sequences) {
    const auto& [tap, owner, session] = key;
    if (tap != TapOf(chain)) {
      continue;
    }
    const bool own = owner == name;
    const Stage& last = program.stages[sequence.back()];
    if (own && last.session && ++sessions > kMaxSessionsPerChain) {
      const auto rule = std::find_if(
          policy.rules.rbegin(), policy.rules.rend(),
          [&](const Rule& r) { return r.mirror() && r.chain == name; });
      diagnostics->Error(
          (rule == policy.rules.rend() ? policy.rules.front() : *rule).where,
          "a chain mirrors to at most " + std::to_string(kMaxSessionsPerChain) +
              " sessions",
          "give fewer rules a --target, --key, --ttl, --tos or --df of their "
          "own");
      return;
    }
    actions[own ? name : owner + " " + session] +=
        sequence.size() * kStageActions + 2 * kClearActions;
  }
  const auto longest = std::max_element(
      actions.begin(), actions.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  if (longest->second > kMaxActions || resubmits > kMaxResubmits) {
    const auto cause = std::find_if(
        policy.rules.begin(), policy.rules.end(),
        [](const Rule& r) { return r.jump() || NeedsExceptions(r.matches); });
    diagnostics->Error(
        (cause == policy.rules.end() ? policy.rules.front() : *cause).where,
        (chain == Chain::kForward ? "FORWARD and POSTROUTING together have"
                                  : "chain " + name + " has") +
            std::string(" too many jumps, negations and sessions for one "
                        "packet to go through"),
        "let jumps that follow each other differ in -i, -p, -s or -d, so that "
        "a packet takes one of them, and write a RETURN rule for what to "
        "exclude");
  }
}

}  // namespace

std::string FormatSession(const Session& session) {
  return "--target " + FormatAddress(session.target) +
         FormatSessionOptions(session);
}

const std::vector<size_t>& Program::Sequence(
    Tap tap, const std::string& chain,
    const std::optional<Session>& session) const {
  static const std::vector<size_t> kNone;
  const auto it =
      sequences.find({tap, chain, session ? FormatSession(*session) : ""});
  return it == sequences.end() ? kNone : it->second;
}

RuleId ChainId(Chain chain) {
  return FoldId(Hash(":" + std::string(ChainName(chain))));
}

MeterId BudgetId(const Session& session) {
  return Hash(FormatSession(session)) | MeterId{1} << 63;
}

std::vector<uint16_t> AssignPriorities(const std::vector<RuleId>& ids,
                                       const InstalledPriorities& installed) {
  const size_t n = ids.size();
  std::vector<uint16_t> priorities(n);
  for (size_t i = 0; i < n; i++) {
    const auto it = installed.find(ids[i]);
    if (it != installed.end() && it->second >= kMinRulePriority &&
        it->second <= kMaxRulePriority) {
      priorities[i] = it->second;
    }
  }

  std::vector<size_t> kept = LongestFalling(priorities);
  if (kept.empty()) {
    return FreshPriorities(n);
  }
  kept.push_back(n);
  uint32_t above = kMaxRulePriority + 1;
  size_t next = 0;
  for (const size_t k : kept) {
    const uint32_t below =
        k == n ? uint32_t{kMinRulePriority} - 1 : priorities[k];
    if (!FillGap(above, below, next, k, &priorities)) {
      return FreshPriorities(n);
    }
    above = below;
    next = k + 1;
  }
  return priorities;
}

Program BuildStages(const Policy& policy, const InstalledPriorities& installed,
                    Diagnostics* diagnostics) {
  Program program;
  if (policy.rules.size() > kMaxRulePriority) {
    diagnostics->Error(
        policy.rules[kMaxRulePriority].where,
        "a policy holds at most " + std::to_string(kMaxRulePriority) + " rules",
        "use lists and masks to say the same in fewer rules");
    return program;
  }

  program.ids = FindIds(policy);
  program.priorities = AssignPriorities(program.ids, installed);
  StageBuilder ingress(Tap::kIngress, policy, &program);
  StageBuilder egress(Tap::kEgress, policy, &program);
  const auto builder = [&](Chain chain) -> StageBuilder& {
    return TapOf(chain) == Tap::kIngress ? ingress : egress;
  };
  for (const Chain chain : kChains) {
    if (policy.Uses(TapOf(chain))) {
      builder(chain).AddChain(chain);
    }
  }
  for (const Chain chain : kChains) {
    uint64_t resubmits = builder(chain).CountResubmits(chain);
    if (chain == Chain::kForward) {
      resubmits += 1 + egress.CountResubmits(Chain::kPostrouting);
    }
    if (policy.Uses(TapOf(chain))) {
      CheckSize(policy, program, chain, resubmits, diagnostics);
    }
  }
  return program;
}

std::string FormatStages(const Policy& policy, const Program& program) {
  std::string s;
  for (const Stage& stage : program.stages) {
    char number[16];
    std::snprintf(number, sizeof number, "0x%x",
                  static_cast<unsigned>(stage.number));
    s += std::string(number) +
         (stage.tap == Tap::kIngress ? " ingress " : " egress ") + stage.chain +
         " " + (stage.session ? FormatSession(*stage.session) : "verdicts") +
         "\n";
    for (const size_t r : stage.rules) {
      s += "  " + std::to_string(program.priorities[r]) + " " +
           FormatRule(policy.rules[r]) + "\n";
    }
  }
  return s;
}

}  // namespace ovs_rmirror
