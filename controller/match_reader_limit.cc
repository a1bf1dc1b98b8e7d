// SPDX-License-Identifier: Apache-2.0
//
// The matches of which the datapath decides: -m limit and -m statistic.

#include "controller/budget.h"
#include "controller/match_reader.h"
#include "controller/probability.h"
#include "rmirror/openflow.h"

namespace ovs_rmirror {

// Reads N or N/UNIT.
void MatchReader::TakeLimit(const ParsedOption& option) {
  NeedModule(option, "limit");
  RefuseNegation(option);
  seen_.insert(option.id);
  const Token& value = *option.value;
  uint32_t rate = 0;
  const RateError error = ParsePacketRate(value.text, &rate);
  if (!error.what.empty()) {
    Error(value.where, error.what, error.instead);
  } else {
    matches_->limit = {rate, burst_};
  }
}

void MatchReader::TakeLimitBurst(const ParsedOption& option) {
  NeedModule(option, "limit");
  RefuseNegation(option);
  const auto burst = ParseNumber(option.value->text, UINT32_MAX);
  if (!burst || *burst == 0) {
    Error(option.value->where, Quoted(*option.value) + " is no burst",
          "write a number of packets, from 1");
    return;
  }
  burst_ = static_cast<uint32_t>(*burst);
  if (matches_->limit) {
    matches_->limit->burst = burst_;
  }
}

// Reads --mode, and what belongs to the mode that is not possible.
void MatchReader::TakeMode(const ParsedOption& option) {
  NeedModule(option, "statistic");
  RefuseNegation(option);
  const bool is_mode = option.id == OptionId::kMode;
  const bool is_nth = !is_mode || option.value->text == "nth";
  if (is_nth && seen_.contains(OptionId::kEvery)) {
    return;  // One complaint is enough.
  }
  if (is_nth) {
    seen_.insert(OptionId::kEvery);
    Error(is_mode ? option.value->where : option.name.where,
          "--mode nth is not supported: a switch does not count the packets "
          "of a rule before it copies them",
          "possible: --mode random --probability P; 0.25 is every fourth "
          "packet on average");
  } else if (option.value->text != "random") {
    Error(option.value->where, Quoted(*option.value) + " is no mode",
          "possible: random");
  }
  seen_.insert(OptionId::kMode);
}

void MatchReader::TakeProbability(const ParsedOption& option) {
  NeedModule(option, "statistic");
  seen_.insert(option.id);
  const Token& value = *option.value;
  auto probability = ParseProbability(value.text);
  if (!probability) {
    Error(value.where, Quoted(value) + " is no probability",
          "write a number above 0 and up to 1, like 0.25");
    return;
  }
  if (option.negation) {
    probability = RMIRROR_PROBABILITY_ALL - *probability;
  }
  if (*probability == 0) {
    Error(value.where, "this rule can never mirror: its probability is 0",
          "write a number above 0 and up to 1, like 0.25, or leave the rule "
          "out");
  } else if (*probability != RMIRROR_PROBABILITY_ALL) {
    matches_->statistic = {*probability};
  }
}

void MatchReader::CheckLimits(bool mirrors) {
  const auto limit = modules_.find("limit");
  const auto statistic = modules_.find("statistic");
  for (const auto& module : {limit, statistic}) {
    if (module != modules_.end() && !mirrors) {
      Error(
          module->second,
          "-m " + module->first + " is possible with -j RMIRROR only",
          "the switch limits copies, not the evaluation of rules: write it in "
          "the rules that mirror");
      return;
    }
  }
  if (limit != modules_.end() && !seen_.contains(OptionId::kLimit)) {
    Error(limit->second,
          "-m limit without --limit is 3/hour, and a switch limits to whole "
          "packets per second",
          "write -m limit --limit 1/second or more");
  }
  if (statistic == modules_.end() || seen_.contains(OptionId::kEvery)) {
    return;
  }
  if (!seen_.contains(OptionId::kMode)) {
    Error(statistic->second, "-m statistic needs --mode",
          "write -m statistic --mode random --probability 0.25");
  } else if (!seen_.contains(OptionId::kProbability)) {
    Error(statistic->second, "--mode random needs --probability",
          "write -m statistic --mode random --probability 0.25");
  }
}

}  // namespace ovs_rmirror
