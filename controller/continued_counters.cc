// SPDX-License-Identifier: Apache-2.0

#include "controller/continued_counters.h"

#include <algorithm>
#include <set>
#include <utility>

namespace ovs_rmirror {

namespace {

// Milliseconds by which two clocks may differ, besides a hundredth of the time
// that has passed.
constexpr int64_t kTolerance = 100;

// By how much a sum has grown.  If it is less than before, some of what it is
// made of has gone; how much of the rest is new is not known.
uint64_t SumGrowth(uint64_t before, uint64_t now) {
  return now >= before ? now - before : 0;
}

// By how much one counter has grown.  If it is less than before, it was reset.
uint64_t Growth(uint64_t before, uint64_t now) {
  return now >= before ? now - before : now;
}

Counters Minus(const Counters& a, const Counters& b) {
  return {a.packets - std::min(a.packets, b.packets),
          a.bytes - std::min(a.bytes, b.bytes)};
}

// Adds to `*totals` by how much `now` has grown since `*before`, which it
// replaces.
void AddGrowth(std::map<uint64_t, Counters> now,
               uint64_t (*growth)(uint64_t before, uint64_t now),
               std::map<uint64_t, Counters>* before,
               std::map<uint64_t, Counters>* totals) {
  for (const auto& [key, counters] : now) {
    const auto it = before->find(key);
    const Counters old = it == before->end() ? Counters{} : it->second;
    (*totals)[key] += {growth(old.packets, counters.packets),
                       growth(old.bytes, counters.bytes)};
  }
  *before = std::move(now);
}

}  // namespace

// Whether the bridge is not the one that was read before, though it has its
// name: then all counters of its flows have begun anew, even if somebody has
// restored the flows and they have counted more than those before by now.
bool ContinuedCounters::IsAnotherBridge(const SwitchState& state,
                                        const ReadingTime& when) {
  if (!state.age) {
    return false;
  }
  const Birth now = {when.asked - *state.age, when.answered - *state.age,
                     when.generation, when.answered};
  const std::optional<Birth> before = std::exchange(birth_, now);
  return before && now.generation != before->generation &&
         now.after >
             before->before + kTolerance + (now.told - before->told) / 100;
}

void ContinuedCounters::Add(const SwitchState& state,
                            const MeterNumbers& limits,
                            const ReadingTime& when) {
  if (IsAnotherBridge(state, when)) {
    flows_.read.clear();
    over_limit_.read.clear();
  }
  AddGrowth(SumByCookie(state.flows), SumGrowth, &flows_.read, &flows_.totals);

  std::map<uint32_t, Counters> by_number;
  for (const SwitchMeter& meter : state.meters) {
    by_number[meter.number] = {meter.packets, meter.bytes};
  }
  std::map<uint64_t, Counters> over_limit;
  for (const auto& [rule, number] : limits) {
    over_limit[rule] = by_number[number];
  }
  AddGrowth(std::move(over_limit), Growth, &over_limit_.read,
            &over_limit_.totals);
}

void ContinuedCounters::Remove(const SwitchFlow& flow) {
  const auto it = flows_.read.find(flow.cookie);
  if (it != flows_.read.end()) {
    it->second = Minus(it->second, {flow.packets, flow.bytes});
  }
}

void ContinuedCounters::Retain(const Program& program,
                               const MeterNumbers& limits) {
  std::set<RuleId> ids(program.ids.begin(), program.ids.end());
  for (const Chain chain : kChains) {
    ids.insert(ChainId(chain));
  }
  const auto flow_is_gone = [&](const auto& entry) {
    return !ids.contains(DecodeCookie(entry.first)->id);
  };
  const auto rule_is_gone = [&](const auto& entry) {
    return !ids.contains(entry.first) && !limits.contains(entry.first);
  };
  std::erase_if(flows_.totals, flow_is_gone);
  std::erase_if(flows_.read, flow_is_gone);
  std::erase_if(over_limit_.totals, rule_is_gone);
  std::erase_if(over_limit_.read, rule_is_gone);
  std::erase_if(shown_, rule_is_gone);
}

void ContinuedCounters::Clear() {
  flows_ = {};
  over_limit_ = {};
  shown_.clear();
}

Counters ContinuedCounters::OverLimit(MeterId id) const {
  const auto it = over_limit_.totals.find(id);
  return it == over_limit_.totals.end() ? Counters() : it->second;
}

PolicyCounters ContinuedCounters::Count(const Policy& policy,
                                        const Program& program) {
  PolicyCounters counters =
      CountPolicy(policy, program, flows_.totals, over_limit_.totals);
  for (size_t r = 0; r < program.ids.size(); r++) {
    if (over_limit_.totals.contains(program.ids[r])) {
      // Its flows and its meter are not read at the same moment.
      Counters& shown = shown_[program.ids[r]];
      shown.packets = std::max(shown.packets, counters.rules[r].packets);
      shown.bytes = std::max(shown.bytes, counters.rules[r].bytes);
      counters.rules[r] = shown;
    }
  }
  return counters;
}

}  // namespace ovs_rmirror
