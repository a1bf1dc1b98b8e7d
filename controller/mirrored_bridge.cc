// SPDX-License-Identifier: Apache-2.0

#include "controller/mirrored_bridge.h"

#include <sstream>
#include <string>
#include <utility>

#include "controller/ovs.h"

VLOG_DEFINE_THIS_MODULE(mirrored_bridge);

namespace ovs_rmirror {

namespace {

void LogLines(enum vlog_level level, const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    VLOG(level, "%s", line.c_str());
  }
}

}  // namespace

MirroredBridge::MirroredBridge(PolicyFile file, uint64_t max_flows,
                               std::unique_ptr<Controller> controller)
    : file_(std::move(file)),
      max_flows_(max_flows),
      controller_(std::move(controller)) {}

void MirroredBridge::Reload(Controller::Done done) {
  PolicyText text;
  CheckedPolicy checked;
  checked.messages = file_.Read(&text);
  if (checked.messages.empty()) {
    checked = CheckPolicy(text, max_flows_);
  }
  if (!checked.policy) {
    LogLines(VLL_ERR, checked.messages);
    VLOG_ERR("%s: not loaded: %s", file_.rules().c_str(),
             controller_->HasPolicy() ? "the policy in force stays"
                                      : "no policy is in force");
    done(false, checked.messages);
    return;
  }
  LogLines(VLL_WARN, checked.messages);
  controller_->Load(std::move(*checked.policy), std::move(done));
}

}  // namespace ovs_rmirror
