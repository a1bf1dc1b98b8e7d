// SPDX-License-Identifier: Apache-2.0
//
// Which targets begin to lose copies, and which cease to.

#ifndef CONTROLLER_LOSS_LOG_H
#define CONTROLLER_LOSS_LOG_H

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ovs_rmirror {

// A line for the log.
struct LossEvent {
  bool losing = false;  // Or no longer.
  std::string text;     // "copies to 192.0.2.9 --key 7 are lost: no_route 12"
};

// There is an event for a target when it still loses copies a twelfth of the
// window (of SessionHistory) after the first loss, and not for those few that a
// next hop costs until it has answered; and when it has lost none in the whole
// window.  So a target that loses copies now and then has one event, not many.
class LossLog {
 public:
  // Looks at what SessionHistory::Report() says at time `now`, in milliseconds.
  std::vector<LossEvent> Look(const nlohmann::json& report, int64_t now);

 private:
  using Drops = std::map<std::string, uint64_t>;  // By reason.

  struct Target {
    Drops counted;      // When last looked at.
    Drops lost;         // Since `since`.
    int64_t since = 0;  // Time of the first loss; 0: there is none.
    bool told = false;
  };

  static void Look(const std::string& what, const Drops& counted, bool recent,
                   int64_t now, int64_t window, bool is_new, Target* target,
                   std::vector<LossEvent>* events);

  std::map<std::string, Target> targets_;  // By session.
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_LOSS_LOG_H
