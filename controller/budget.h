// SPDX-License-Identifier: Apache-2.0
//
// How fast something may be copied, and how a policy says it.

#ifndef CONTROLLER_BUDGET_H
#define CONTROLLER_BUDGET_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ovs_rmirror {

// What all copies of a session may take, from whichever of its rules they come:
// `rate` each second over time, `burst` at once.
struct Budget {
  enum class Unit {
    kPackets,
    kKilobits,  // 1000 bits of the frames before they are cut.
  };
  Unit unit = Unit::kPackets;
  uint32_t rate = 0;   // Not 0.
  uint32_t burst = 0;  // Not 0.

  bool operator==(const Budget&) const = default;
};

// What is wrong with a text, and what would be right; empty if it is right.
struct RateError {
  std::string what = {};
  std::string instead = {};
};

// Reads N or N/UNIT, a whole number of packets per second.
RateError ParsePacketRate(const std::string& text, uint32_t* rate);

// Reads the value of a session's --limit: packets as ParsePacketRate() does,
// bytes as "10mb/s", in the units of -m hashlimit, or bits as "100mbit", in
// those of tc(8).  The burst becomes what the rate allows in a second, and for
// bits at least what the longest frame takes.
RateError ParseBudget(const std::string& text, Budget* budget);

// Reads the value of --limit-burst into the burst of `*budget`, whose unit must
// be known.
RateError ParseBudgetBurst(const std::string& text, Budget* budget);

// "1000/sec", "100mbit".
std::string FormatBudgetRate(const Budget& budget);

// "--limit 1000/sec --limit-burst 50": the burst unless ParseBudget() sets it.
std::string FormatBudget(const Budget& budget);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_BUDGET_H
