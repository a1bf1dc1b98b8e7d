// SPDX-License-Identifier: Apache-2.0
//
// The files that a user's policy is in: one with the rules, and those with the
// sets that the rules refer to.

#ifndef CONTROLLER_POLICY_FILE_H
#define CONTROLLER_POLICY_FILE_H

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/address.h"
#include "controller/flows.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// What a file held when it was read.
struct NamedText {
  std::string name;  // As messages call it.
  std::string text;

  bool operator==(const NamedText&) const = default;
};

// The texts that make up a policy.
struct PolicyText {
  NamedText rules;
  std::vector<NamedText> sets;  // In the order of the options.

  bool operator==(const PolicyText&) const = default;
};

// The outcome of reading a policy.
struct CheckedPolicy {
  std::optional<Policy> policy;  // None if there is an error.

  // The errors, or the warnings about a good policy, each line ended by a
  // newline.
  std::string messages;
};

// What a policy may ask for.
struct PolicyBounds {
  uint64_t max_flows = kMaxFlows;          // On a switch that has every port.
  std::vector<Network> allowed_targets{};  // Empty: all.
};

// Reads and checks `text`, also whether it keeps within `bounds`.
CheckedPolicy CheckPolicy(const PolicyText& text, const PolicyBounds& bounds);

class PolicyFile {
 public:
  // `sets` are files as ipset save writes them.
  PolicyFile(std::string rules, std::vector<std::string> sets)
      : rules_(std::move(rules)), sets_(std::move(sets)) {}

  const std::string& rules() const { return rules_; }
  const std::vector<std::string>& sets() const { return sets_; }

  // Stores what is in the files in `*text`.  Returns an empty string, or a line
  // for each file that cannot be read.
  std::string Read(PolicyText* text) const;

 private:
  std::string rules_;
  std::vector<std::string> sets_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_POLICY_FILE_H
