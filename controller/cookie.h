// SPDX-License-Identifier: Apache-2.0
//
// What the cookie of a flow in a tap table says: that the flow is ours, what it
// is for, and of which rule.  From the top: 16 bits "rm", 8 bits role, 40 bits
// identity of the rule, or of the chain.

#ifndef CONTROLLER_COOKIE_H
#define CONTROLLER_COOKIE_H

#include <cstdint>
#include <optional>

#include "controller/stages.h"

namespace ovs_rmirror {

enum class Role : uint8_t {
  kEntry = 1,    // The entry of a chain.  Counts the packets that enter it.
  kMirror = 2,   // A rule that mirrors.  Counts its packets.
  kVerdict = 3,  // A verdict or jump among the verdicts.  Counts its packets.
  kGuard = 4,    // The same in a session's stage, or an exception from a rule:
                 // its count is void.
  kPolicy = 5,   // The end of a chain.  Counts the packets that reach it.
};

struct Cookie {
  Role role = Role::kEntry;
  RuleId id = 0;

  bool operator==(const Cookie&) const = default;
};

// The bits that all our cookies have in common.
inline constexpr uint64_t kCookiePrefix = uint64_t{0x726d} << 48;
inline constexpr uint64_t kCookiePrefixMask = uint64_t{0xffff} << 48;

inline uint64_t EncodeCookie(const Cookie& cookie) {
  return kCookiePrefix | static_cast<uint64_t>(cookie.role) << 40 | cookie.id;
}

// Returns nothing if the flow of cookie `bits` is not ours.
inline std::optional<Cookie> DecodeCookie(uint64_t bits) {
  const uint64_t role = bits >> 40 & 0xff;
  if ((bits & kCookiePrefixMask) != kCookiePrefix ||
      role < static_cast<uint64_t>(Role::kEntry) ||
      role > static_cast<uint64_t>(Role::kPolicy)) {
    return std::nullopt;
  }
  return Cookie{static_cast<Role>(role), bits & kMaxRuleId};
}

}  // namespace ovs_rmirror

#endif  // CONTROLLER_COOKIE_H
