// SPDX-License-Identifier: Apache-2.0
//
// The networks that a policy may mirror to.  Mirroring copies data off the
// host, so who runs the daemon, and not who writes policies, has the last word
// on where to.

#ifndef CONTROLLER_ALLOWED_TARGETS_H
#define CONTROLLER_ALLOWED_TARGETS_H

#include <string>
#include <string_view>
#include <vector>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// Appends the networks of `text`, "192.0.2.0/24,2001:db8::9", to `*networks`.
// Returns an empty string, or what is wrong with it.
std::string ParseAllowedTargets(std::string_view text,
                                std::vector<Network>* networks);

// Adds an error for each rule of `policy` whose target is in none of `allowed`.
// If that is empty, all are allowed.
void RefuseOtherTargets(const Policy& policy,
                        const std::vector<Network>& allowed,
                        Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_ALLOWED_TARGETS_H
