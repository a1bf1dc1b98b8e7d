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

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

MirroredBridge::MirroredBridge(std::string name, PolicyFile file,
                               uint64_t max_flows,
                               std::unique_ptr<Controller> controller)
    : name_(std::move(name)),
      file_(std::move(file)),
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
    policy_error_ = FirstLine(checked.messages);
    checked.messages +=
        name_ + ": " + file_.rules() + " is not loaded: " +
        (controller_->HasPolicy() ? "the policy in force stays\n"
                                  : "no policy is in force\n");
    LogLines(VLL_ERR, checked.messages);
    done(false, checked.messages);
    return;
  }
  policy_error_.clear();
  LogLines(VLL_WARN, checked.messages);
  controller_->Load(std::move(*checked.policy), std::move(done));
}

nlohmann::json MirroredBridge::Status() const {
  nlohmann::json status = controller_->Status();
  status["policy_error"] = policy_error_;
  status["good"] = policy_error_.empty() && status["connected"] &&
                   status["error"].get<std::string>().empty();
  return status;
}

}  // namespace ovs_rmirror
