// SPDX-License-Identifier: Apache-2.0
//
// Turns the rules of a host that used the iptables target RMIRROR into a policy
// that mirrors the same packets.

#ifndef CONTROLLER_IMPORT_H
#define CONTROLLER_IMPORT_H

#include <optional>
#include <string>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/ipset.h"

namespace ovs_rmirror {

struct ImportOptions {
  // Mirror more packets than the host did, where a rule that mirrors has a
  // match that a policy cannot have.  Otherwise that is an error.
  bool widen = false;

  // Which program wrote the text, if it does not say so itself.
  std::optional<Family> family;
};

// Returns the policy for what iptables-save, ip6tables-save or one after the
// other printed into `source`.  It has everything that `diagnostics` got as
// comments, and is good: ReadPolicy() takes it without an error.  Empty if
// there are errors.
std::string ImportPolicy(const SourceText& source, const IpSets& sets,
                         const ImportOptions& options,
                         Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_IMPORT_H
