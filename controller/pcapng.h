// SPDX-License-Identifier: Apache-2.0
//
// Files of captured packets in the format pcapng
// (draft-ietf-opsawg-pcapng), as Wireshark reads them: as much of it as a
// capture of copies needs.

#ifndef CONTROLLER_PCAPNG_H
#define CONTROLLER_PCAPNG_H

#include <cstdint>
#include <string>
#include <string_view>

namespace ovs_rmirror {

// Each function returns the bytes of one block, in the host's byte order.

// Section Header Block: what a file begins with.  `program` wrote it.
std::string PcapngSection(std::string_view program, std::string_view comment);

// Interface Description Block: the next interface, from 0, of which there are
// Ethernet frames.
std::string PcapngInterface(std::string_view name, std::string_view comment);

// Enhanced Packet Block: `frame`, which was `original_length` bytes long before
// it was cut, seen at `when`, in ns since 1970, at the interface of that
// number.
std::string PcapngPacket(uint32_t interface, uint64_t when,
                         std::string_view frame, uint32_t original_length,
                         std::string_view comment);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PCAPNG_H
