// SPDX-License-Identifier: Apache-2.0
//
// A policy as rules of iptables and ip6tables, and what these count.
//
// The network namespace in which this runs has the Linux bridge br0 with a port
// for each port of the switch, and the frames that a port gets on its way
// through this bridge meet the kernel's chains (br_netfilter).  Packets that
// the host sends go out by the ports directly.
//
// Each chain of the policy is that of a table in which a verdict does to the
// rest of the packet's way what it does in a policy:
//
//   raw     OUTPUT                    DROP becomes ACCEPT
//   mangle  PREROUTING, POSTROUTING   DROP becomes ACCEPT
//   filter  INPUT, FORWARD            DROP ends the packet
//
// The mark carries what else rules must know.  A rule with -j RMIRROR requires
// the bit of its session to be 0, and sets it: so a session counts a packet
// once in each chain.

#ifndef TESTS_ORACLE_IPTABLES_H
#define TESTS_ORACLE_IPTABLES_H

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/counters.h"
#include "controller/rules.h"
#include "tests/oracle/wire_packet.h"

namespace ovs_rmirror {

class Iptables {
 public:
  // Opens the sockets.  Throws std::runtime_error, as the others do, if
  // something is not as it has to be.
  Iptables();
  ~Iptables();
  Iptables(const Iptables&) = delete;
  Iptables& operator=(const Iptables&) = delete;

  // Returns what the rules of `policy` count when the IP packets among
  // `packets` go through it; bytes are those of whole frames.
  PolicyCounters Count(const Policy& policy,
                       const std::vector<WirePacket>& packets);

  // The input of iptables-restore, or ip6tables-restore, for `policy`.
  static std::string Text(const Policy& policy, Family family);

 private:
  // What a counter is for: a rule by its index, or the policy of a chain.
  struct Line {
    std::optional<size_t> rule;
    std::optional<Chain> chain;
  };
  // By table and chain: its rules in their order, the chain itself first.
  using Lines =
      std::map<std::pair<std::string, std::string>, std::vector<Line>>;

  static std::string Write(const Policy& policy, Family family, Lines* lines);
  void Send(const WirePacket& packet);
  PolicyCounters Read(const Policy& policy);
  void ReadFamily(Family family, PolicyCounters* counters);

  int packet_socket_ = -1;
  std::array<int, kPorts + 1> ipv4_sockets_;  // By port; they send out by it.
  std::array<int, kPorts + 1> ipv6_sockets_;
  std::array<int, kPorts + 1> peers_;  // Interface indexes.
  std::map<Family, Lines> lines_;
  uint64_t markers_ = 0;       // Sent since the rules were loaded.
  uint64_t markers_seen_ = 0;  // Counted.
};

}  // namespace ovs_rmirror

#endif  // TESTS_ORACLE_IPTABLES_H
