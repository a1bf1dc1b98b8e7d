// SPDX-License-Identifier: Apache-2.0
//
// Rates of rules and targets, from two looks at their counters.

#ifndef CONTROLLER_RATES_H
#define CONTROLLER_RATES_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/counters.h"
#include "controller/listing.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// A rule in force, and its counters when they were looked at.
struct CountedRule {
  std::string bridge;
  size_t number = 0;  // In its chain, from 1.
  ListedRule listed;
};

// One look at all counters.
struct Sample {
  int64_t when = 0;  // In ms, by a clock that only goes forward.
  std::vector<CountedRule> rules;

  // Adds the rules of `chains`.
  void Add(const std::string& bridge, const std::vector<ListedChain>& chains);
};

// Per second.
struct Rate {
  double packets = 0;
  double bits = 0;  // Of whole frames, from their Ethernet headers on.

  // Of the frames within copies: at most so many, since the counters do not
  // tell which frames were shorter than what is kept of a longer one.  None if
  // nothing is copied, or the MTU decides how much.
  std::optional<double> mirrored;
};

struct RateRow {
  std::string bridge;
  std::string chain;  // Empty: a target, with all rules that mirror to it.
  size_t number = 0;  // Of the rule in its chain, or of the target's rules.
  std::string text;   // "-p tcp -j RMIRROR --target ...", "192.0.2.9 --key 7".
  bool dormant = false;
  Counters total;
  std::optional<Rate> rate;  // None: there is no earlier look at it.
};

// Returns a row for each rule of `after`, in its order.  What of `before` is
// the same rule is found by its text, so that rules may come and go before it.
// Where a counter has gone back, someone has set it to 0 since.
std::vector<RateRow> RuleRates(const Sample& before, const Sample& after);

// Returns a row for each session to which rules mirror, in the order of the
// first of these.
std::vector<RateRow> TargetRates(const Sample& before, const Sample& after);

enum class RateOrder {
  kPackets,
  kBits,
  kMirrored,
  kTotal,   // Packets since the counters were 0.
  kPolicy,  // The order of the rules.
};

// The names that RateOrderByName() knows, in the order of RateOrder.
const std::vector<std::string>& RateOrderNames();
RateOrder RateOrderByName(std::string_view name);

// Sorts `rows`, which are in the policy's order, the highest first.
void SortRates(RateOrder order, std::vector<RateRow>* rows);

// Returns the sum of `rows`, which are targets.  Its `mirrored` is none if that
// of any of them is.
Rate SumOfTargets(const std::vector<RateRow>& rows);

// A rate in at most five characters: "0", "0.25", "12.3", "999", "1.23K".
std::string FormatRate(double rate);

// Returns a line of headings, and one for each of `rows`.
std::vector<std::string> FormatRates(const std::vector<RateRow>& rows);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RATES_H
