// SPDX-License-Identifier: Apache-2.0
//
// How soon to put right what somebody else has changed: at once, but ever more
// slowly against somebody who does it again and again.

#ifndef CONTROLLER_PACE_H
#define CONTROLLER_PACE_H

#include <algorithm>
#include <cstdint>

namespace ovs_rmirror {

class Pace {
 public:
  // Milliseconds.
  static constexpr int64_t kFirst = 50;
  static constexpr int64_t kSlowest = 1000;
  static constexpr int64_t kForgive = 10000;

  // Returns when to make the repair that is found to be due at time `now`.
  int64_t Schedule(int64_t now) {
    if (now >= forgive_at_) {
      delay_ = 0;
    } else {
      delay_ = delay_ == 0 ? kFirst : std::min(2 * delay_, kSlowest);
    }
    forgive_at_ = now + delay_ + kForgive;
    return now + delay_;
  }

  // Whether repairs have come to be as slow as they get.
  bool IsSlowest(int64_t now) const {
    return delay_ == kSlowest && now < forgive_at_;
  }

 private:
  int64_t delay_ = 0;
  int64_t forgive_at_ = INT64_MIN;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PACE_H
