// SPDX-License-Identifier: Apache-2.0
//
// A bridge and the files that say what it mirrors.

#ifndef CONTROLLER_MIRRORED_BRIDGE_H
#define CONTROLLER_MIRRORED_BRIDGE_H

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "controller/controller.h"
#include "controller/policy_file.h"

namespace ovs_rmirror {

class MirroredBridge {
 public:
  // `name`: as messages call it.  A policy in `file` may take up to `max_flows`
  // flows.
  MirroredBridge(std::string name, PolicyFile file, uint64_t max_flows,
                 std::unique_ptr<Controller> controller);

  // Reads the files and brings the switch to their policy.  If they have an
  // error, nothing changes.  Calls `done` as Controller::Load() does.
  void Reload(Controller::Done done);

  // See FormatStatus().
  nlohmann::json Status() const;

  const std::string& name() const { return name_; }
  Controller& controller() { return *controller_; }
  const Controller& controller() const { return *controller_; }

 private:
  const std::string name_;
  const PolicyFile file_;
  const uint64_t max_flows_;
  const std::unique_ptr<Controller> controller_;

  std::string policy_error_;  // Of the last Reload().
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_MIRRORED_BRIDGE_H
