// SPDX-License-Identifier: Apache-2.0
//
// Rules and counters as `iptables -L` shows them.

#ifndef CONTROLLER_LISTING_H
#define CONTROLLER_LISTING_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/counters.h"
#include "controller/rules.h"

namespace ovs_rmirror {

struct ListingOptions {
  bool verbose = false;       // -v: counters and interfaces, too.
  bool numeric = false;       // -n: no names of protocols and services.
  bool exact = false;         // -x: counters in full, not as 12K or 3M.
  bool line_numbers = false;  // The number of each rule in its chain.
};

struct ListedRule {
  Rule rule;
  Counters counters;
  bool dormant = false;  // Its port is not there.
};

struct ListedChain {
  std::string chain = "PREROUTING";

  // Of a built-in chain; a user's chain has none.
  std::optional<Verdict> policy = Verdict::kAccept;
  Counters counters;      // Likewise.
  size_t references = 0;  // Of a user's chain: the rules that jump there.
  std::vector<ListedRule> rules;
};

// What "target" shows of a rule: RMIRROR, a verdict or a chain.
std::string FormatTargetName(const Rule& rule);

std::string FormatListing(const std::vector<ListedChain>& chains,
                          const ListingOptions& options);

// The policy of `chains` as a file, as iptables-save writes one; with counters,
// if wanted.
std::string FormatSaved(const std::vector<ListedChain>& chains,
                        bool with_counters);

// A number in at most five characters: "99999", "100K", "12M", "4G", "1T".
std::string AbbreviateCounter(uint64_t number);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_LISTING_H
