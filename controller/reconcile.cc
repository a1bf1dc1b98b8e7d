// SPDX-License-Identifier: Apache-2.0

#include "controller/reconcile.h"

#include <algorithm>
#include <iterator>
#include <map>
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
