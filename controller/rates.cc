// SPDX-License-Identifier: Apache-2.0

#include "controller/rates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "controller/rule_text.h"
#include "rmirror/openflow.h"

namespace ovs_rmirror {

namespace {

// What makes a rule the same rule in another sample.
struct RuleKey {
  std::string bridge;
  std::string text;
  size_t nth = 0;  // Among those that are alike.

  auto operator<=>(const RuleKey&) const = default;
};

// The keys of the rules of `sample`.
std::vector<RuleKey> KeysOf(const Sample& sample) {
  std::map<RuleKey, size_t> seen;
  std::vector<RuleKey> keys;
  for (const CountedRule& rule : sample.rules) {
    RuleKey key{rule.bridge, FormatRule(rule.listed.rule), 0};
    key.nth = seen[key]++;
    keys.push_back(std::move(key));
  }
  return keys;
}

double PerSecond(uint64_t before, uint64_t after, double seconds) {
  const uint64_t count = after >= before ? after - before : after;
  return static_cast<double>(count) / seconds;
}

// What of `rate` is mirrored by `rule`.
std::optional<double> MirroredRate(const Rule& rule, const Rate& rate) {
  const Mirror* mirror = rule.mirror();
  if (!mirror || mirror->len.mtu) {
    return std::nullopt;
  }
  double mirrored = rate.bits;
  if (mirror->len.bytes != RMIRROR_LEN_ALL) {
    mirrored = std::min(mirrored, rate.packets * mirror->len.bytes * 8);
  }
  if (const auto& statistic = rule.matches.statistic) {
    mirrored *=
        statistic->probability / static_cast<double>(RMIRROR_PROBABILITY_ALL);
  }
  return mirrored;
}

void AddRate(const Rate& rate, Rate* sum) {
  sum->packets += rate.packets;
  sum->bits += rate.bits;
  if (sum->mirrored && rate.mirrored) {
    *sum->mirrored += *rate.mirrored;
  } else {
    sum->mirrored.reset();
  }
}

std::string Right(const std::string& text, size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}
std::string Left(const std::string& text, size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

// Comments may hold anything, but a terminal obeys control characters.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      c = '?';
    }
  }
  return text;
}

}  // namespace

void Sample::Add(const std::string& bridge,
                 const std::vector<ListedChain>& chains) {
  for (const ListedChain& chain : chains) {
    for (size_t i = 0; i < chain.rules.size(); i++) {
      rules.push_back({bridge, i + 1, chain.rules[i]});
    }
  }
}

std::vector<RateRow> RuleRates(const Sample& before, const Sample& after) {
  std::map<RuleKey, const Counters*> known;
  const double seconds = static_cast<double>(after.when - before.when) / 1000;
  if (seconds > 0) {
    std::vector<RuleKey> keys = KeysOf(before);
    for (size_t i = 0; i < keys.size(); i++) {
      known[std::move(keys[i])] = &before.rules[i].listed.counters;
    }
  }
  std::vector<RateRow> rows;
  const std::vector<RuleKey> keys = KeysOf(after);
  for (size_t i = 0; i < keys.size(); i++) {
    const CountedRule& counted = after.rules[i];
    const Rule& rule = counted.listed.rule;
    const Counters& now = counted.listed.counters;
    RateRow row;
    row.bridge = counted.bridge;
    row.chain = rule.chain;
    row.number = counted.number;
    // Without "-A CHAIN ", which has a column of its own.
    row.text = keys[i].text.substr(4 + rule.chain.size());
    row.dormant = counted.listed.dormant;
    row.total = now;
    if (const auto found = known.find(keys[i]); found != known.end()) {
      Rate rate;
      rate.packets = PerSecond(found->second->packets, now.packets, seconds);
      rate.bits = 8 * PerSecond(found->second->bytes, now.bytes, seconds);
      rate.mirrored = MirroredRate(rule, rate);
      row.rate = rate;
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<RateRow> TargetRates(const Sample& before, const Sample& after) {
  const std::vector<RateRow> rules = RuleRates(before, after);
  std::map<std::pair<std::string, std::string>, size_t> index;
  std::vector<RateRow> rows;
  for (size_t i = 0; i < rules.size(); i++) {
    const Mirror* mirror = after.rules[i].listed.rule.mirror();
    if (!mirror) {
      continue;
    }
    const std::string text = FormatAddress(mirror->session.target) +
                             FormatSessionOptions(mirror->session);
    const auto [found, added] =
        index.try_emplace({rules[i].bridge, text}, rows.size());
    if (added) {
      rows.emplace_back();
      rows.back().bridge = rules[i].bridge;
      rows.back().text = text;
      rows.back().dormant = true;
    }
    RateRow& row = rows[found->second];
    row.number++;
    row.dormant = row.dormant && rules[i].dormant;
    row.total += rules[i].total;
    if (!rules[i].rate) {
      continue;
    }
    if (row.rate) {
      AddRate(*rules[i].rate, &*row.rate);
    } else {
      row.rate = rules[i].rate;
    }
  }
  return rows;
}

const std::vector<std::string>& RateOrderNames() {
  static const std::vector<std::string> names = {"packets", "bits", "mirrored",
                                                 "total", "policy"};
  return names;
}

RateOrder RateOrderByName(std::string_view name) {
  const auto& names = RateOrderNames();
  return static_cast<RateOrder>(std::find(names.begin(), names.end(), name) -
                                names.begin());
}

void SortRates(RateOrder order, std::vector<RateRow>* rows) {
  const auto key = [order](const RateRow& row) {
    const Rate rate = row.rate.value_or(Rate{-1, -1, {}});
    switch (order) {
      case RateOrder::kPackets:
        return rate.packets;
      case RateOrder::kBits:
        return rate.bits;
      case RateOrder::kMirrored:
        return rate.mirrored.value_or(-1);
      case RateOrder::kTotal:
        return static_cast<double>(row.total.packets);
      case RateOrder::kPolicy:
        break;
    }
    return 0.0;
  };
  std::stable_sort(
      rows->begin(), rows->end(),
      [&](const RateRow& a, const RateRow& b) { return key(a) > key(b); });
}

Rate SumOfTargets(const std::vector<RateRow>& rows) {
  Rate sum;
  sum.mirrored = 0;
  for (const RateRow& row : rows) {
    if (row.rate) {
      AddRate(*row.rate, &sum);
    }
  }
  return sum;
}

std::string FormatRate(double rate) {
  const char* unit = " KMGTPE";
  while (rate >= 999.5 && unit[1] != '\0') {
    rate /= 1000;
    unit++;
  }
  // Three digits, and none behind the point that say nothing.
  std::array<char, 32> text;
  const int digits = rate < 9.995 ? 2 : rate < 99.95 ? 1 : 0;
  std::snprintf(text.data(), text.size(), "%.*f", digits, rate);
  std::string s = text.data();
  if (*unit != ' ') {
    return s + *unit;
  }
  if (s.find('.') != std::string::npos) {
    s.erase(s.find_last_not_of('0') + 1);
    if (s.back() == '.') {
      s.pop_back();
    }
  }
  return s;
}

std::vector<std::string> FormatRates(const std::vector<RateRow>& rows) {
  const bool targets = !rows.empty() && rows.front().chain.empty();
  bool bridges = false;
  size_t bridge_width = 6;
  size_t chain_width = 5;
  for (const RateRow& row : rows) {
    bridges = bridges || row.bridge != rows.front().bridge;
    bridge_width = std::max(bridge_width, row.bridge.size());
    chain_width = std::max(chain_width, row.chain.size());
  }

  const auto line = [&](const std::string& bridge, const std::string& chain,
                        const std::string& number, const std::string& packets,
                        const std::string& bits, const std::string& mirrored,
                        const std::string& total, const std::string& text) {
    return Right(packets, 6) + Right(bits, 7) + Right(mirrored, 9) +
           Right(total, 7) + "  " +
           (bridges ? Left(bridge, bridge_width) + " " : "") +
           (targets ? "" : Left(chain, chain_width) + " ") + Right(number, 5) +
           "  " + text;
  };
  std::vector<std::string> lines = {
      line("BRIDGE", "CHAIN", targets ? "RULES" : "NUM", "PKT/S", "BIT/S",
           "MIRROR/S", "PKTS", targets ? "TARGET" : "RULE")};
  for (const RateRow& row : rows) {
    const auto rate = [&](double Rate::*member) {
      return row.rate ? FormatRate(*row.rate.*member) : "-";
    };
    const bool mirrored = row.rate && row.rate->mirrored;
    lines.push_back(line(
        row.bridge, row.chain, std::to_string(row.number), rate(&Rate::packets),
        rate(&Rate::bits), mirrored ? FormatRate(*row.rate->mirrored) : "-",
        AbbreviateCounter(row.total.packets),
        Printable(row.text) + (row.dormant ? " [no port]" : "")));
  }
  return lines;
}

}  // namespace ovs_rmirror
