// SPDX-License-Identifier: Apache-2.0
//
// Tap tables reached by OpenFlow 1.3 or later.

#ifndef CONTROLLER_OPENFLOW_CONNECTION_H
#define CONTROLLER_OPENFLOW_CONNECTION_H

#include <cstdint>
#include <memory>
#include <string>

#include "controller/switch_connection.h"
#include "controller/tap.h"

namespace ovs_rmirror {

// The role of a controller among others of the same switch (OpenFlow 1.3
// section 6.3.4).
enum class ControllerRole {
  kEqual,   // Beside the others, whatever roles they have.
  kMaster,  // Whoever was the master becomes a slave.
};

// Versions of OpenFlow, a bit 1 << OFP13_VERSION and so on for each.
inline constexpr uint32_t kOpenFlowVersions = 1u << 4 | 1u << 5 | 1u << 6;

struct OpenFlowOptions {
  TapTables tables;
  uint32_t versions = kOpenFlowVersions;  // Any of these.
  ControllerRole role = ControllerRole::kEqual;
};

// Returns a connection to the tap tables of the switch at `target`, an active
// OpenFlow connection method like "unix:/run/openvswitch/br0.mgmt" or
// "tcp:192.0.2.1:6653".  It connects in the background, and again within a
// second of the switch's return when the connection breaks.
std::unique_ptr<SwitchConnection> OpenFlowConnect(
    const std::string& target, const OpenFlowOptions& options);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_OPENFLOW_CONNECTION_H
