// SPDX-License-Identifier: Apache-2.0
//
// Packets as bytes, for the switch and for the kernel.

#ifndef TESTS_ORACLE_WIRE_PACKET_H
#define TESTS_ORACLE_WIRE_PACKET_H

#include <cstdint>
#include <string>
#include <vector>

#include "controller/evaluate.h"

namespace ovs_rmirror {

using Bytes = std::vector<uint8_t>;

// The ports of the bridge besides LOCAL: 1 to kPorts.
inline constexpr uint32_t kPorts = 3;

// The marks that packets can have.  The switch has a port for each.
inline constexpr uint32_t kMarks[] = {0, 1, 0x101};

// The bits of a packet's mark that rules can match.
inline constexpr uint32_t kPolicyMark = 0x1ff;

// A packet, and what else there is to its bytes.
struct WirePacket {
  Packet seen;                                     // What rules see of it.
  std::vector<uint32_t> out_ports = {kPortLocal};  // Where it leaves.
  uint8_t ttl = 64;                                // Or hop limit.
  uint8_t ecn = 0;                                 // 0 to 3.
  bool options = false;                            // Of IPv4.
  std::vector<uint8_t> extensions;  // Headers of IPv6, by their numbers.
  bool tcp_options = false;
  bool first_fragment = false;  // More of it would follow.
  uint16_t payload = 0;         // Bytes behind the headers.
  uint8_t padding = 0;          // Bytes behind what IP says is there.

  // What begins with the IP header, without padding.  Requires an IP packet.
  Bytes Layer3() const;

  // The frame from its Ethernet header on.
  Bytes Frame() const;

  // The same without its VLAN tag.
  Bytes UntaggedFrame() const;

  // How much longer Frame() is than Layer3().
  size_t Overhead() const { return (seen.vlan ? 18u : 14u) + padding; }
};

std::string FormatWirePacket(const WirePacket& packet);

// A packet that both sides take on the same way.
WirePacket GenerateWirePacket();

}  // namespace ovs_rmirror

#endif  // TESTS_ORACLE_WIRE_PACKET_H
