// SPDX-License-Identifier: Apache-2.0

#include "controller/budget.h"

#include <strings.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "controller/match_reader.h"

namespace ovs_rmirror {

namespace {

// What a frame of 64 KiB takes.
constexpr uint32_t kLongestFrame = 65536 * 8 / 1000 + 1;

constexpr char kPossibleRates[] =
    "write N/second with N from 1, or as many in a minute (60), hour (3600) or "
    "day (86400)";
constexpr char kPossibleBudgets[] =
    "write packets, like 1000/second, bytes, like 10mb/s, or bits, like "
    "100mbit";
constexpr char kPossibleVolumes[] =
    "write bytes, like 100kb, or bits, like 800kbit";

// Seconds in the unit of which `word` is the beginning, as iptables reads it.
std::optional<uint64_t> SecondsIn(const std::string& word) {
  static constexpr std::pair<const char*, uint64_t> kUnits[] = {
      {"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}};
  for (const auto& [name, seconds] : kUnits) {
    if (!word.empty() && !strncasecmp(name, word.c_str(), word.size())) {
      return seconds;
    }
  }
  return std::nullopt;
}

std::string Quote(const std::string& text) { return "'" + text + "'"; }

// The number and the rest of "10mb/s".
std::pair<std::string, std::string> SplitNumber(const std::string& text) {
  const size_t end =
      std::min(text.find_first_not_of("0123456789"), text.size());
  return {text.substr(0, end), text.substr(end)};
}

// Kilobits in "10mb" or "80mbit"; nothing if it is no such thing.  What is too
// much for 32 bits is 0.
std::optional<uint64_t> ParseKilobits(const std::string& text) {
  static constexpr std::pair<const char*, uint64_t> kBits[] = {
      {"b", 8},
      {"kb", 8ULL << 10},
      {"mb", 8ULL << 20},
      {"gb", 8ULL << 30},
      {"kbit", 1000},
      {"mbit", 1000000},
      {"gbit", 1000000000}};
  const auto [digits, unit] = SplitNumber(text);
  const auto number = ParseNumber(digits, UINT32_MAX);
  for (const auto& [name, bits] : kBits) {
    if (number && !strcasecmp(unit.c_str(), name)) {
      const uint64_t kilobits = *number * bits / 1000;
      return kilobits > UINT32_MAX ? 0 : kilobits;
    }
  }
  return std::nullopt;
}

// "100mbit", "1500kbit".
std::string FormatKilobits(uint32_t kilobits) {
  return kilobits % 1000000 == 0 ? std::to_string(kilobits / 1000000) + "gbit"
         : kilobits % 1000 == 0  ? std::to_string(kilobits / 1000) + "mbit"
                                 : std::to_string(kilobits) + "kbit";
}

uint32_t DefaultBurst(const Budget& budget) {
  return budget.unit == Budget::Unit::kPackets
             ? budget.rate
             : std::max(budget.rate, kLongestFrame);
}

RateError KilobitsOutOfRange(const std::string& text) {
  return {Quote(text) + " is not from 1 to 4294967295 kbit",
          "a switch limits to whole kilobits of 1000 bits"};
}

}  // namespace

RateError ParsePacketRate(const std::string& text, uint32_t* rate) {
  const size_t slash = text.find('/');
  const auto packets = ParseNumber(text.substr(0, slash), UINT32_MAX);
  const auto seconds = slash == std::string::npos
                           ? std::optional<uint64_t>(1)
                           : SecondsIn(text.substr(slash + 1));
  if (!packets || *packets == 0 || !seconds) {
    return {Quote(text) + " is no rate", kPossibleRates};
  }
  if (*packets % *seconds != 0) {
    return {Quote(text) +
                " is no whole number of packets per second, which is how a "
                "switch limits",
            kPossibleRates};
  }
  *rate = static_cast<uint32_t>(*packets / *seconds);
  return {};
}

RateError ParseBudget(const std::string& text, Budget* budget) {
  const std::string rest = SplitNumber(text).second;
  if (rest.empty() || rest.starts_with('/')) {
    budget->unit = Budget::Unit::kPackets;
    RateError error = ParsePacketRate(text, &budget->rate);
    if (!error.what.empty()) {
      return error;
    }
  } else {
    const size_t slash = text.find('/');
    const auto kilobits = ParseKilobits(text.substr(0, slash));
    if (!kilobits || (slash != std::string::npos &&
                      SecondsIn(text.substr(slash + 1)) != 1)) {
      return {Quote(text) + " is no rate", kPossibleBudgets};
    }
    if (*kilobits == 0) {
      return KilobitsOutOfRange(text);
    }
    budget->unit = Budget::Unit::kKilobits;
    budget->rate = static_cast<uint32_t>(*kilobits);
  }
  budget->burst = DefaultBurst(*budget);
  return {};
}

RateError ParseBudgetBurst(const std::string& text, Budget* budget) {
  if (budget->unit == Budget::Unit::kPackets) {
    const auto packets = ParseNumber(text, UINT32_MAX);
    if (!packets || *packets == 0) {
      return {Quote(text) + " is no burst",
              "write a number of packets, from 1"};
    }
    budget->burst = static_cast<uint32_t>(*packets);
    return {};
  }
  const auto kilobits = ParseKilobits(text);
  if (!kilobits) {
    return {Quote(text) + " is no burst of a limit in bytes or bits",
            kPossibleVolumes};
  }
  if (*kilobits == 0) {
    return KilobitsOutOfRange(text);
  }
  budget->burst = static_cast<uint32_t>(*kilobits);
  return {};
}

std::string FormatBudgetRate(const Budget& budget) {
  return budget.unit == Budget::Unit::kPackets
             ? std::to_string(budget.rate) + "/sec"
             : FormatKilobits(budget.rate);
}

std::string FormatBudget(const Budget& budget) {
  std::string s = "--limit " + FormatBudgetRate(budget);
  if (budget.burst != DefaultBurst(budget)) {
    s += " --limit-burst " + (budget.unit == Budget::Unit::kPackets
                                  ? std::to_string(budget.burst)
                                  : FormatKilobits(budget.burst));
  }
  return s;
}

}  // namespace ovs_rmirror
