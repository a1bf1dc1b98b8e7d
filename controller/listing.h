// SPDX-License-Identifier: Apache-2.0
//
// Rules and counters as `iptables -L` shows them.

#ifndef CONTROLLER_LISTING_H
#define CONTROLLER_LISTING_H

#include <cstdint>
#include <string>
#include <vector>

#include "controller/counters.h"
#include "controller/rules.h"

namespace ovs_rmirror {

struct ListingOptions {
  bool verbose = false;  // -v: counters and interfaces, too.
  bool numeric = false;  // -n: no names of protocols and services.
  bool exact = false;    // -x: counters in full, not as 12K or 3M.
};

struct ListedRule {
  Rule rule;
  Counters counters;
  bool dormant = false;  // Its port is not there.
};

struct ListedChain {
  Chain chain = Chain::kPrerouting;
  Verdict policy = Verdict::kAccept;
  Counters counters;
  std::vector<ListedRule> rules;
};

std::string FormatListing(const std::vector<ListedChain>& chains,
                          const ListingOptions& options);

// A number in at most five characters: "99999", "100K", "12M", "4G", "1T".
std::string AbbreviateCounter(uint64_t number);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_LISTING_H
