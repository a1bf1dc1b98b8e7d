// SPDX-License-Identifier: Apache-2.0
//
// Names of protocols and services, from the system's /etc/protocols and
// /etc/services, and of what stands in their headers.  No name is ever looked
// up on the network.

#ifndef CONTROLLER_NAMES_H
#define CONTROLLER_NAMES_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ovs_rmirror {

// The IP protocol `name`; 0, "ip", stands for all.  The names that iptables
// knows by itself are known without /etc/protocols, too.
std::optional<uint8_t> ProtocolByName(const std::string& name);

// The name that iptables shows for `protocol`: "tcp", "ipv6-icmp"; its number
// if there is none.
std::string ProtocolName(uint8_t protocol);

// The port (host byte order) of service `name` in `protocol`.
std::optional<uint16_t> ServiceByName(const std::string& name,
                                      uint8_t protocol);

// The port (host byte order) that `text` says: a number, or the name of a
// service of `protocol`.
std::optional<uint16_t> PortByName(const std::string& text, uint8_t protocol);

// Whether packets of `protocol` have ports that a switch can match: TCP, UDP
// and SCTP.
bool ProtocolHasPorts(uint8_t protocol);

// The service at `port` (host byte order) of `protocol`; the number if there is
// none.
std::string ServiceName(uint16_t port, uint8_t protocol);

// The code point (0 to 63) of a class like "EF", "AF41", "CS6" or "BE", in
// either case.
std::optional<uint8_t> DscpByClass(const std::string& name);

// A type of ICMP or ICMPv6 messages, with a code or for all codes.
struct IcmpType {
  std::optional<uint8_t> type;  // None: any.
  std::optional<uint8_t> code;  // None: any.
};

// The type that iptables, or ip6tables if `v6`, knows by `name`.
std::optional<IcmpType> IcmpTypeByName(std::string_view name, bool v6);

// All names that IcmpTypeByName() knows.
std::vector<std::string_view> IcmpTypeNames(bool v6);

// The bit in the TCP header of the flag `name`: "SYN" is 0x02.
std::optional<uint8_t> TcpFlagByName(std::string_view name);

// "SYN,ACK"; "NONE" if `flags` is 0.
std::string TcpFlagNames(uint8_t flags);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_NAMES_H
