// SPDX-License-Identifier: Apache-2.0
//
// Rules and counters as the tables of Open vSwitch's own programs.

#ifndef CONTROLLER_RULE_TABLE_H
#define CONTROLLER_RULE_TABLE_H

#include <memory>
#include <string>
#include <vector>

#include "controller/listing.h"

struct table;

namespace ovs_rmirror {

class RuleTable {
 public:
  RuleTable();

  void Add(const std::string& bridge, const std::vector<ListedChain>& chains);

  // The table in `format`: table, list, json, csv or html.  Its columns are
  // bridge, chain, num (from 1 in each chain), packets, bytes, dormant, target
  // and rule.
  std::string Format(const std::string& format) const;

 private:
  std::unique_ptr<struct table, void (*)(struct table*)> table_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_RULE_TABLE_H
