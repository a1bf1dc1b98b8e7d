// SPDX-License-Identifier: Apache-2.0
//
// What the daemon says to systemd.

#ifndef CONTROLLER_SERVICE_MANAGER_H
#define CONTROLLER_SERVICE_MANAGER_H

#include <string>

namespace ovs_rmirror {

// Says that the daemon has started, if it was started by a service manager that
// wants to know: see sd_notify(3).  Returns an empty string, or why that is not
// possible.
std::string NotifyReady();

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SERVICE_MANAGER_H
