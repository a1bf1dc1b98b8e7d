// SPDX-License-Identifier: Apache-2.0
//
// The ports of a bridge.

#ifndef CONTROLLER_PORTS_H
#define CONTROLLER_PORTS_H

#include <cstdint>
#include <map>
#include <string>

namespace ovs_rmirror {

// OpenFlow port numbers of a bridge's ports by name.
using PortNumbers = std::map<std::string, uint32_t>;

// The OpenFlow port number of a bridge's own port, OFPP_LOCAL.
inline constexpr uint32_t kPortLocal = 0xfffffffe;

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PORTS_H
