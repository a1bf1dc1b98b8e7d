// SPDX-License-Identifier: Apache-2.0

#include "controller/probability.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "rmirror/openflow.h"

namespace ovs_rmirror {

std::optional<uint32_t> ParseProbability(std::string_view text) {
  double p = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), p);
  if (error != std::errc() || end != text.data() + text.size() ||
      !(p >= 0 && p <= 1)) {
    return std::nullopt;
  }
  return static_cast<uint32_t>(std::llround(p * RMIRROR_PROBABILITY_ALL));
}

std::string FormatProbability(uint32_t probability) {
  constexpr int kMaxDigits = 10;
  char text[kMaxDigits + 3];
  for (int digits = 1; digits <= kMaxDigits; digits++) {
    std::snprintf(text, sizeof text, "%.*f", digits,
                  probability / double{RMIRROR_PROBABILITY_ALL});
    if (ParseProbability(text) == probability) {
      break;
    }
  }
  return text;
}

}  // namespace ovs_rmirror
