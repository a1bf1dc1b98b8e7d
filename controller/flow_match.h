// SPDX-License-Identifier: Apache-2.0
//
// The match of one flow.

#ifndef CONTROLLER_FLOW_MATCH_H
#define CONTROLLER_FLOW_MATCH_H

#include <cstdint>
#include <optional>

#include "controller/address.h"
#include "controller/masked.h"

namespace ovs_rmirror {

enum class Fragment : uint8_t {
  kAny,
  kNotLater,  // No fragment, or the first one.
  kLater,     // The second or a later one.
};

// A match; what is absent, or has mask 0, is a wildcard.  Host byte order.
struct FlowMatch {
  uint32_t stage = 0;    // reg0.
  bool running = false;  // reg1 is 0: see flows.h.
  uint32_t zero = 0;     // Bits of reg2 that are 0, as all of them always are.
  std::optional<uint32_t> conj_id;  // All clauses of a conjunction hold.
  Masked<uint32_t> pkt_mark;
  std::optional<uint32_t> actset_output;  // At egress: the port of the output.
  std::optional<uint32_t> in_port;
  Masked<uint16_t> vlan_tci;     // Of the outermost tag; 0x1000: there is one.
  Masked<uint64_t> dl_src;       // Ethernet source.
  std::optional<Family> family;  // The packet is IP of this version.
  std::optional<uint8_t> nw_proto;
  Masked<Uint128> nw_src, nw_dst;  // Require `family`.
  std::optional<uint8_t> dscp;     // Requires `family`.
  Fragment fragment = Fragment::kAny;

  // Require `nw_proto` TCP, UDP or SCTP; or ICMP or ICMPv6, whose type and code
  // they are.
  Masked<uint16_t> tp_src, tp_dst;
  Masked<uint16_t> tcp_flags;  // Requires `nw_proto` TCP.

  auto operator<=>(const FlowMatch&) const = default;
};

// Returns the match of the packets that match both `a` and `b`, or nothing if
// there are none.
std::optional<FlowMatch> Intersect(const FlowMatch& a, const FlowMatch& b);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_FLOW_MATCH_H
