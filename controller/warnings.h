// SPDX-License-Identifier: Apache-2.0
//
// What is allowed in a policy, but most likely not meant.

#ifndef CONTROLLER_WARNINGS_H
#define CONTROLLER_WARNINGS_H

#include <vector>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// Whether it is certain that every packet that matches `b` matches `a`, too.
bool Covers(const Matches& a, const Matches& b);

// Adds a warning for each rule that never gets a packet, because a rule before
// it in its chain takes them all, which also becomes the rule's `never`, or
// that may miss some that a rule before it does not copy because of a limit. In
// a very large policy, only the first rules are looked at.
void WarnOfShadowedRules(Policy* policy, Diagnostics* diagnostics);

// Adds a warning for each rule whose collector is one of `local`, the addresses
// of this host.
void WarnOfLocalTargets(const Policy& policy, const std::vector<Address>& local,
                        Diagnostics* diagnostics);

// The addresses that the interfaces of this host have now.
std::vector<Address> LocalAddresses();

}  // namespace ovs_rmirror

#endif  // CONTROLLER_WARNINGS_H
