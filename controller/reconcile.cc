// SPDX-License-Identifier: Apache-2.0

#include "controller/reconcile.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>

#include "controller/cookie.h"

namespace ovs_rmirror {

std::vector<FlowChange> Difference(const std::vector<SwitchFlow>& wanted,
                                   const std::vector<SwitchFlow>& found) {
  using Key = std::tuple<uint8_t, uint16_t, std::string_view>;
  std::map<Key, const SwitchFlow*> by_key;
  for (const SwitchFlow& flow : wanted) {
    by_key[{flow.table, flow.priority, flow.match}] = &flow;
  }

  std::vector<FlowChange> deletions, others;
  for (const SwitchFlow& flow : found) {
    const auto it = by_key.find({flow.table, flow.priority, flow.match});
    if (it == by_key.end()) {
      deletions.push_back({FlowChange::Kind::kDelete, flow});
      continue;
    }
    const SwitchFlow& want = *it->second;
    if (want.cookie != flow.cookie) {
      deletions.push_back({FlowChange::Kind::kDelete, flow});
      continue;
    }
    if (want.actions != flow.actions) {
      others.push_back({FlowChange::Kind::kModify, want});
    }
    by_key.erase(it);
  }
  for (const SwitchFlow& flow : wanted) {
    const auto it = by_key.find({flow.table, flow.priority, flow.match});
    if (it != by_key.end() && it->second == &flow) {
      others.push_back({FlowChange::Kind::kAdd, flow});
    }
  }
  // Of flows with the same mask, a switch that loses one of the highest
  // priority looks at all others to find the next one, so that one goes last.
  std::stable_sort(deletions.begin(), deletions.end(),
                   [](const FlowChange& a, const FlowChange& b) {
                     return a.flow.priority < b.flow.priority;
                   });
  deletions.insert(deletions.end(), std::make_move_iterator(others.begin()),
                   std::make_move_iterator(others.end()));
  return deletions;
}

MeterNumbers FindMeters(const std::vector<SwitchFlow>& found) {
  constexpr std::string_view kField = ",meter=";
  MeterNumbers numbers;
  for (const SwitchFlow& flow : found) {
    const std::optional<Cookie> cookie = DecodeCookie(flow.cookie);
    const size_t field = flow.actions.find(kField);
    if (cookie && cookie->role == Role::kMirror && field != std::string::npos) {
      numbers[cookie->id] = static_cast<uint32_t>(std::strtoul(
          flow.actions.c_str() + field + kField.size(), nullptr, 10));
    }
  }
  return numbers;
}

namespace {

// The first number for which `is_good` holds of those that flows of the meter's
// rules name.
std::optional<uint32_t> FindNumber(
    const Meter& meter, const MeterNumbers& numbers,
    const std::function<bool(uint32_t)>& is_good) {
  std::vector<RuleId> rules = meter.rules;
  rules.push_back(meter.id);
  for (const RuleId rule : rules) {
    const auto it = numbers.find(rule);
    if (it != numbers.end() && is_good(it->second)) {
      return it->second;
    }
  }
  return std::nullopt;
}

}  // namespace

std::string PlanMeters(const std::vector<Meter>& wanted,
                       const std::vector<SwitchMeter>& found,
                       uint32_t max_meters, const MeterNumbers& ours,
                       bool reset, MeterNumbers* numbers,
                       std::vector<MeterChange>* changes) {
  const uint32_t below = max_meters / 2;
  const uint32_t size = max_meters - below;
  if (wanted.size() > size) {
    return "the policy needs " + std::to_string(wanted.size()) +
           " meters for its limits, and the switch has " +
           std::to_string(size) + " for them";
  }
  std::map<uint32_t, const SwitchMeter*> there;
  for (const SwitchMeter& meter : found) {
    there[meter.number] = &meter;
  }
  const auto is_like = [](const SwitchMeter& meter, const Meter& want) {
    return meter.is_limit && meter.rate == want.rate &&
           meter.burst == want.burst && meter.kilobits == want.kilobits;
  };
  // A flow of ours that somebody has changed may name a meter that is not.
  const auto is_ours = [&](uint32_t n) { return n > below && n <= max_meters; };
  std::set<uint32_t> taken;  // Or to be deleted.
  for (const auto& [rule, number] : ours) {
    if (is_ours(number)) {
      taken.insert(number);
    }
  }

  std::set<uint32_t> kept;
  for (const Meter& want : wanted) {
    const auto in_use = FindNumber(want, ours, [&](uint32_t n) {
      return is_ours(n) && !kept.contains(n);
    });
    uint32_t number;
    if (in_use) {
      number = *in_use;
    } else {
      number = below + 1 + static_cast<uint32_t>(want.id % size);
      const auto is_free = [&](uint32_t n) {
        const auto other = there.find(n);
        return !taken.contains(n) &&
               (other == there.end() || is_like(*other->second, want));
      };
      for (uint32_t i = 0; !is_free(number); i++) {
        if (i == size) {
          return "the switch has no number left for a meter, which a limit "
                 "needs";
        }
        number = number == max_meters ? below + 1 : number + 1;
      }
      taken.insert(number);
    }
    kept.insert(number);
    (*numbers)[want.id] = number;
    const SwitchMeter meter = {number, true, want.rate, want.burst,
                               want.kilobits};
    const auto other = there.find(number);
    if (other == there.end()) {
      changes->push_back({MeterChange::Kind::kAdd, meter});
    } else if (reset || !is_like(*other->second, want)) {
      changes->push_back({MeterChange::Kind::kModify, meter});
    }
  }
  for (const uint32_t number : taken) {
    if (!kept.contains(number) && there.contains(number)) {
      changes->push_back({MeterChange::Kind::kDelete, *there[number]});
    }
  }
  return "";
}

InstalledPriorities FindPriorities(const std::vector<SwitchFlow>& found) {
  InstalledPriorities priorities;
  for (const SwitchFlow& flow : found) {
    const std::optional<Cookie> cookie = DecodeCookie(flow.cookie);
    if (cookie &&
        (cookie->role == Role::kMirror || cookie->role == Role::kVerdict)) {
      priorities[cookie->id] = flow.priority;
    }
  }
  return priorities;
}

}  // namespace ovs_rmirror
