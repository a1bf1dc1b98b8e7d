// SPDX-License-Identifier: Apache-2.0
//
// The places where a bridge offers packets to the policy, and the OpenFlow
// tables that it asks there.

#ifndef CONTROLLER_TAP_H
#define CONTROLLER_TAP_H

#include <array>
#include <cstdint>

namespace ovs_rmirror {

enum class Tap : uint8_t {
  kIngress,  // A frame enters the bridge.
  kEgress,   // A frame leaves the bridge by a port.
};
inline constexpr std::array<Tap, 2> kTaps = {Tap::kIngress, Tap::kEgress};

// The highest table that a tap may have: 254 is Open vSwitch's own.
inline constexpr int kMaxTapTable = 253;

struct TapTables {
  uint8_t ingress = 252;
  uint8_t egress = 253;

  uint8_t of(Tap tap) const { return tap == Tap::kIngress ? ingress : egress; }

  bool operator==(const TapTables&) const = default;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_TAP_H
