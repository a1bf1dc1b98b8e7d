// SPDX-License-Identifier: Apache-2.0
//
// A tap table reached by OpenFlow 1.3 or later.

#ifndef CONTROLLER_OPENFLOW_CONNECTION_H
#define CONTROLLER_OPENFLOW_CONNECTION_H

#include <memory>
#include <string>

#include "controller/switch_connection.h"

namespace ovs_rmirror {

// Returns a connection to table `table` of the switch at `target`, an active
// OpenFlow connection method like "unix:/run/openvswitch/br0.mgmt" or
// "tcp:192.0.2.1:6653".  It connects in the background, and again with
// exponential backoff when the connection breaks.
std::unique_ptr<SwitchConnection> OpenFlowConnect(const std::string& target,
                                                  uint8_t table);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_OPENFLOW_CONNECTION_H
