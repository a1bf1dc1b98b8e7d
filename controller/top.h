// SPDX-License-Identifier: Apache-2.0
//
// Shows which rules and targets mirror how much, again and again.

#ifndef CONTROLLER_TOP_H
#define CONTROLLER_TOP_H

#include <cstdint>
#include <string>

#include "controller/daemon_client.h"

namespace ovs_rmirror {

struct TopOptions {
  double delay = 2;           // Seconds from one look to the next.
  std::string sort = "bits";  // One of RateOrderNames().
  uint64_t count = 0;         // Rates to show before the end; 0: no end.
  bool targets = false;       // Targets instead of rules.
  bool batch = false;         // Print text instead of using the terminal.
  bool as_json = false;       // Print a line of JSON each time.
};

// Returns when `count` is reached, the user wants it or a signal ends it; the
// terminal is as it was before.  What goes wrong is said on standard error.
ExitCode Top(const DaemonOptions& daemon, const TopOptions& options);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_TOP_H
