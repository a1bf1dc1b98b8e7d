// SPDX-License-Identifier: Apache-2.0
//
// Packets for explanations, from what a user writes or has captured.

#ifndef CONTROLLER_PACKET_PATH_H
#define CONTROLLER_PACKET_PATH_H

#include <string>
#include <vector>

#include "controller/explain.h"
#include "controller/ports.h"

namespace ovs_rmirror {

// Returns the number of the port that `text` names: LOCAL, a number, or a name.
// A name that is not in `*ports` gets a number there that no port has.
uint32_t PortOf(const std::string& text, PortNumbers* ports);

// Reads a packet in the syntax of the flows of ovs-ofctl(8), with the port's
// name or number in in_port, and len for the number of bytes of its frame.
// Returns an empty string, or what is wrong, ended by a newline.
std::string ReadPacketText(const std::string& text, PortNumbers* ports,
                           PacketPath* path);

// Adds the packets in file `name`, as tcpdump -w writes it, to `*paths`.  They
// enter by the port that `in_port` names, as for PortOf().  Returns an empty
// string, or what is wrong, ended by a newline.
std::string ReadPacketFile(const std::string& name, const std::string& in_port,
                           PortNumbers* ports, std::vector<PacketPath>* paths);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PACKET_PATH_H
