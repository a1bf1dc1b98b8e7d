// SPDX-License-Identifier: Apache-2.0
//
// What the matches of a rule are for a switch.  A rule holds for a packet if
// all of its clauses hold, and a clause if any of its alternatives does, each
// of which is a match of one flow.  This is the form from which flows are made
// without multiplying what can be added.

#ifndef CONTROLLER_CLAUSES_H
#define CONTROLLER_CLAUSES_H

#include <cstdint>
#include <vector>

#include "controller/flow_match.h"
#include "controller/matches.h"
#include "controller/ports.h"
#include "controller/tap.h"

namespace ovs_rmirror {

// A negation that takes more alternatives than this is written as exceptions.
inline constexpr size_t kMaxComplement = 128;

struct Clauses {
  FlowMatch base;  // Holds in addition to all clauses.

  // At least two alternatives each; all of them are within `base`.
  std::vector<std::vector<FlowMatch>> clauses;
};

struct RuleClauses {
  // For packets of each family, or one for all frames.  Packets match if they
  // match one of these and none of `exceptions`.
  std::vector<Clauses> variants;
  std::vector<FlowMatch> exceptions;
};

// Whether `matches` says something that only exceptions can express.
bool NeedsExceptions(const Matches& matches);

// Returns the clauses of `matches` at `tap` of a bridge with `ports`.  There
// are no variants if nothing can match.  Neither -i nor -o names LOCAL, and at
// ingress, where the port of the output is not known, -o names no port.
RuleClauses FindClauses(const Matches& matches, Tap tap,
                        const PortNumbers& ports);

// What of `matches` names a port that a bridge with `ports` does not have, or
// LOCAL, so that no packet can match; null if nothing does.
const InterfaceMatch* FindMissingPort(const Matches& matches,
                                      const PortNumbers& ports);

// Whether it is certain that no packet matches both `a` and `b`.
bool AreDisjoint(const Matches& a, const Matches& b);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_CLAUSES_H
