// SPDX-License-Identifier: Apache-2.0
//
// The way that copies take to a target, before there are any.

#ifndef CONTROLLER_WAY_H
#define CONTROLLER_WAY_H

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "controller/address.h"

namespace ovs_rmirror {

struct Way {
  std::string device;     // By which copies leave; empty: there is no route.
  Address next_hop;       // A router, or the target itself.
  bool resolved = false;  // Whether its MAC address is known, or none needed.
};

// The userspace datapath's: ovs-vswitchd knows it.

// MAC addresses by "DEVICE ADDRESS", in what "tnl/neigh/show" answers.
std::map<std::string, std::string> ReadNeighbours(const std::string& shown);

// Reads what "ovs/route/lookup" answers about `target`: an empty text if there
// is no route.
Way ReadWay(const Address& target, const std::string& route,
            const std::map<std::string, std::string>& neighbours);

// The kernel's, for the network namespace of this process, by rtnetlink(7).
// Stores it in `*way` and returns true, or returns false if the kernel does not
// tell.
bool FindKernelWay(const Address& target, Way* way);

// Null if there is no route; else an object: "device", "next_hop", "resolved".
nlohmann::json WayAsJson(const Way& way);

// The same for people: "no route", "by eth0", "by eth0 via 192.0.2.254",
// "by eth0, next hop 192.0.2.9 not resolved".  `target`: as FormatAddress()
// says it.
std::string FormatWay(const nlohmann::json& way, const std::string& target);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_WAY_H
