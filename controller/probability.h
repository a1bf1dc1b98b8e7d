// SPDX-License-Identifier: Apache-2.0
//
// Probabilities as the rmirror action has them: fractions of
// RMIRROR_PROBABILITY_ALL.

#ifndef CONTROLLER_PROBABILITY_H
#define CONTROLLER_PROBABILITY_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ovs_rmirror {

// Reads a decimal number from 0 to 1, like 0.25, .1 or 1e-3.
std::optional<uint32_t> ParseProbability(std::string_view text);

// The shortest decimal number that reads back as the same, with at least one
// and at most ten digits behind the point, as Open vSwitch writes it.
std::string FormatProbability(uint32_t probability);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PROBABILITY_H
