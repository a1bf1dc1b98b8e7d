// SPDX-License-Identifier: Apache-2.0
//
// A bridge and the files that say what it mirrors.

#ifndef CONTROLLER_MIRRORED_BRIDGE_H
#define CONTROLLER_MIRRORED_BRIDGE_H

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "controller/controller.h"
#include "controller/file_watch.h"
#include "controller/last_good.h"
#include "controller/loss_log.h"
#include "controller/metrics.h"
#include "controller/policy_file.h"

namespace ovs_rmirror {

class MirroredBridge {
 public:
  struct Options {
    std::string name;  // As messages call it.
    PolicyFile file;
    PolicyBounds bounds = {};    // That the policy has to keep.
    bool watch = false;          // Reload when the files change.
    std::string state_dir = {};  // For the last good policy; empty: none.
  };

  // `now` returns milliseconds that never go back.
  MirroredBridge(Options options, std::unique_ptr<Controller> controller,
                 std::function<int64_t()> now);

  // Makes progress without blocking.  Wait() makes the next poll_block() wake
  // up when there is more to do, and returns the time of `now` at which it must
  // in any case, if there is one.
  void Run();
  std::optional<int64_t> Wait();

  // Reads the files and brings the switch to their policy.  If they have an
  // error, nothing changes.  Calls `done` as Controller::Load() does.  `who`
  // wants it, as the functions of audit.h say it.
  void Reload(const std::string& who, Controller::Done done);

  // See Controller::Clear().
  void Clear(const std::string& who, Controller::Done done);

  // Like Reload(), but if the files have an error, takes the last good policy
  // instead, if one was kept.  Returns whether there is a policy now.
  bool LoadAtStart();

  // Logs what is new in what SessionHistory::Report() says.
  void LookAtSessions(const nlohmann::json& sessions);

  // See FormatStatus().  `sessions` is what SessionHistory::Report() says.
  nlohmann::json Status(const nlohmann::json& sessions) const;

  // The same for Prometheus, without what Controller::Measure() says.
  BridgeMetrics Metrics(const nlohmann::json& sessions) const;

  const std::string& name() const { return options_.name; }
  Controller& controller() { return *controller_; }
  const Controller& controller() const { return *controller_; }

 private:
  void ReloadBy(const std::function<std::string(const PolicyText&)>& who,
                Controller::Done done);
  void AuditLoad(const std::string& what, const std::string& who,
                 const Policy& policy, const PolicyText& text);
  void LoadLastGood();
  void Keep(const PolicyText& text);
  void LogWatchError();
  void CountReload(bool good);
  void LogRefusal(const std::string& messages) const;

  const Options options_;
  const std::unique_ptr<Controller> controller_;
  const std::function<int64_t()> now_;
  std::optional<FileWatch> watch_;
  std::optional<LastGood> last_good_;

  ReloadTallies reloads_;
  PolicyText in_force_;             // The text of the policy in force, if any.
  std::string policy_error_;        // Of the last Reload().
  bool using_last_good_ = false;    // Instead of the files.
  std::optional<PolicyText> kept_;  // In `last_good_`, as far as we know.
  std::string keep_error_;          // Of the last attempt to keep a policy.
  std::string logged_watch_error_;
  std::string logged_tier_;
  LossLog losses_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_MIRRORED_BRIDGE_H
