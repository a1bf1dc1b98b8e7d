// SPDX-License-Identifier: Apache-2.0

#include "controller/stages.h"

#include <algorithm>
#include <set>

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

std::string FormatSession(const Session& session) {
  return "--target " + FormatAddress(session.target) +
         FormatSessionOptions(session);
}

std::vector<RuleId> FindIds(const Policy& policy) {
  std::vector<RuleId> ids;
  std::set<RuleId> taken;
  for (const Chain chain : kChains) {
    taken.insert(ChainId(chain));
  }
  for (const Rule& rule : policy.rules) {
    const std::string text = FormatRule(rule, CommentText::kOmit);
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

void AddChain(const Policy& policy, Chain chain, std::set<uint32_t>* numbers,
              std::vector<Stage>* stages) {
  const auto add = [&](const std::optional<Session>& session) {
    Stage stage;
    stage.chain = chain;
    stage.session = session;
    const std::string text = std::string(ChainName(chain)) +
                             (session ? " " + FormatSession(*session) : "");
    stage.number = FoldStage(Hash(text));
    while (stage.number == 0 || !numbers->insert(stage.number).second) {
      stage.number++;
    }
    stages->push_back(std::move(stage));
  };

  const size_t first = stages->size();
  std::set<std::string> sessions;
  for (const Rule& rule : policy.rules) {
    const Mirror* mirror = rule.mirror();
    if (rule.chain == chain && mirror &&
        sessions.insert(FormatSession(mirror->session)).second) {
      add(mirror->session);
    }
  }
  add(std::nullopt);

  for (size_t i = first; i < stages->size(); i++) {
    Stage& stage = (*stages)[i];
    for (size_t r = 0; r < policy.rules.size(); r++) {
      const Rule& rule = policy.rules[r];
      const Mirror* mirror = rule.mirror();
      if (rule.chain == chain &&
          (!mirror || (stage.session && mirror->session == *stage.session))) {
        stage.rules.push_back(r);
      }
    }
    // Verdicts behind the last rule of the session change nothing for it.
    while (stage.session && policy.rules[stage.rules.back()].verdict()) {
      stage.rules.pop_back();
    }
  }
}

}  // namespace

RuleId ChainId(Chain chain) {
  return FoldId(Hash(":" + std::string(ChainName(chain))));
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
  std::set<uint32_t> numbers;
  for (const Chain chain : kChains) {
    const size_t first = program.stages.size();
    AddChain(policy, chain, &numbers, &program.stages);
    if (program.stages.size() - first - 1 > kMaxSessionsPerChain) {
      const Stage& stage = program.stages[first + kMaxSessionsPerChain];
      diagnostics->Error(
          policy.rules[stage.rules.back()].where,
          "a chain mirrors to at most " + std::to_string(kMaxSessionsPerChain) +
              " sessions",
          "give fewer rules a --target, --key, --ttl, --tos or --df of their "
          "own");
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
    s += std::string(number) + " " + std::string(ChainName(stage.chain)) + " " +
         (stage.session ? FormatSession(*stage.session) : "verdicts") + "\n";
    for (const size_t r : stage.rules) {
      s += "  " + std::to_string(program.priorities[r]) + " " +
           FormatRule(policy.rules[r]) + "\n";
    }
  }
  return s;
}

}  // namespace ovs_rmirror
