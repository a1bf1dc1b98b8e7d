// SPDX-License-Identifier: Apache-2.0
//
// Names of protocols and services, from the system's /etc/protocols and
// /etc/services.  No name is ever looked up on the network.

#ifndef CONTROLLER_NAMES_H
#define CONTROLLER_NAMES_H

#include <cstdint>
#include <optional>
#include <string>

namespace ovs_rmirror {

// The IP protocol `name`.  The names that iptables knows by itself are known
// without /etc/protocols, too.
std::optional<uint8_t> ProtocolByName(const std::string& name);

// The name that iptables shows for `protocol`: "tcp", "ipv6-icmp"; its number
// if there is none.
std::string ProtocolName(uint8_t protocol);

// The port (host byte order) of service `name` in `protocol`.
std::optional<uint16_t> ServiceByName(const std::string& name,
                                      uint8_t protocol);

// The service at `port` (host byte order) of `protocol`; the number if there is
// none.
std::string ServiceName(uint16_t port, uint8_t protocol);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_NAMES_H
