// SPDX-License-Identifier: Apache-2.0
//
// Captures copies where they leave this host.  See docs/architecture.md.

#ifndef CONTROLLER_CAPTURE_H
#define CONTROLLER_CAPTURE_H

#include <cstdint>
#include <string>
#include <vector>

#include "controller/daemon_client.h"

namespace ovs_rmirror {

struct CaptureOptions {
  std::string what;                  // A target's address, or CHAIN:NUMBER.
  std::string file = "-";            // To write; "-": standard output.
  std::vector<std::string> devices;  // Empty: where the copies leave.
  uint64_t count = 0;                // Copies to capture; 0: no end.
  double seconds = 0;                // How long; 0: no end.
};

// Writes what is mirrored as pcapng, until `count` or `seconds` is reached, a
// signal comes, or nobody reads any longer.
ExitCode Capture(const DaemonOptions& daemon, const CaptureOptions& options);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_CAPTURE_H
