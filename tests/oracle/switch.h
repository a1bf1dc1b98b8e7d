// SPDX-License-Identifier: Apache-2.0
//
// A policy in a switch: ovs-rmirrord reads and installs it, and ovs-vswitchd
// counts.
//
// Ports 1 to kPorts of the bridge are patch ports.  Behind them, another bridge
// has a port of type dummy for each of them and each mark that packets may
// have, and gives its packets the mark.  A dummy port gets its packets through
// ovs-vswitchd's control socket, so that none is ever lost; from there on all
// is as with any other port of the userspace datapath.

#ifndef TESTS_ORACLE_SWITCH_H
#define TESTS_ORACLE_SWITCH_H

#include <map>
#include <string>
#include <vector>

#include "controller/counters.h"
#include "controller/rules.h"
#include "tests/oracle/wire_packet.h"

struct jsonrpc;

namespace ovs_rmirror {

class Switch {
 public:
  // `switch_control` and `controller_control` are the control sockets of the
  // two daemons, `policy_file` the file that the latter reads.  Throws
  // std::runtime_error, as Count() does, if something is not as it has to be.
  Switch(const std::string& switch_control,
         const std::string& controller_control, std::string policy_file);
  ~Switch();
  Switch(const Switch&) = delete;
  Switch& operator=(const Switch&) = delete;

  // Returns what the rules of `policy` count when `packets` go through it.
  PolicyCounters Count(const Policy& policy,
                       const std::vector<WirePacket>& packets);

 private:
  void Load(const Policy& policy);
  void Send(const std::vector<WirePacket>& packets);
  PolicyCounters Read(const Policy& policy);

  const std::string policy_file_;
  struct jsonrpc* switch_;
  struct jsonrpc* controller_;
};

}  // namespace ovs_rmirror

#endif  // TESTS_ORACLE_SWITCH_H
