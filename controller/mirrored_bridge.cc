// SPDX-License-Identifier: Apache-2.0

#include "controller/mirrored_bridge.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "controller/audit.h"
#include "controller/ovs.h"
#include "controller/status.h"

VLOG_DEFINE_THIS_MODULE(mirrored_bridge);

namespace ovs_rmirror {

namespace {

// Who loads a policy first.
constexpr const char* kStart = "the start of the daemon";

struct vlog_rate_limit loss_rl = VLOG_RATE_LIMIT_INIT(60, 30);

// How many diagnostics of this kind, "error" or "warning", there are in
// `messages`.
size_t CountDiagnostics(const std::string& messages, const std::string& kind) {
  const std::string mark = ": " + kind + ": ";
  size_t count = 0;
  for (size_t at = messages.find(mark); at != std::string::npos;
       at = messages.find(mark, at + 1)) {
    count++;
  }
  return count;
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

}  // namespace

// Everything is said to who asked for it; in the log one line has to do.
void MirroredBridge::LogRefusal(const std::string& messages) const {
  const size_t errors = CountDiagnostics(messages, "error");
  VLOG_ERR("%s: %s is not loaded, %s: %s%s", name().c_str(),
           options_.file.rules().c_str(),
           controller_->HasPolicy() ? "the policy in force stays"
                                    : "no policy is in force",
           FirstLine(messages).c_str(),
           errors > 1
               ? (", and " + std::to_string(errors - 1) + " more").c_str()
               : "");
}

MirroredBridge::MirroredBridge(Options options,
                               std::unique_ptr<Controller> controller,
                               std::function<int64_t()> now)
    : options_(std::move(options)),
      controller_(std::move(controller)),
      now_(std::move(now)) {
  if (options_.watch) {
    std::vector<std::string> files = options_.file.sets();
    files.push_back(options_.file.rules());
    watch_.emplace(std::move(files));
    LogWatchError();
  }
  if (!options_.state_dir.empty()) {
    last_good_.emplace(options_.state_dir, options_.name);
  }
}

void MirroredBridge::LogWatchError() {
  if (watch_->error() != logged_watch_error_) {
    logged_watch_error_ = watch_->error();
    if (!logged_watch_error_.empty()) {
      VLOG_ERR(
          "%s: changes of the policy are not noticed: %s: reload it by "
          "command",
          name().c_str(), logged_watch_error_.c_str());
    }
  }
}

void MirroredBridge::Run() {
  if (watch_ && watch_->Run(now_())) {
    LogWatchError();
    VLOG_INFO("%s: the policy has changed: reloading", name().c_str());
    ReloadBy(
        [this](const PolicyText& text) {
          return DescribeWriters(in_force_, text);
        },
        [](bool, const std::string&) {});
  }
  controller_->Run();
}

std::optional<int64_t> MirroredBridge::Wait() {
  const std::optional<int64_t> controller = controller_->Wait();
  const std::optional<int64_t> watch = watch_ ? watch_->Wait() : std::nullopt;
  return controller && watch ? std::min(*controller, *watch)
         : controller        ? controller
                             : watch;
}

void MirroredBridge::Reload(const std::string& who, Controller::Done done) {
  ReloadBy([&who](const PolicyText&) { return who; }, std::move(done));
}

void MirroredBridge::Clear(const std::string& who, Controller::Done done) {
  const size_t rules =
      controller_->HasPolicy() ? controller_->InForce()->rules.size() : 0;
  controller_->Clear(std::move(done));
  if (!controller_->HasPolicy()) {
    in_force_ = {};
    Audit(name() + ": policy cleared by " + who + ": 0 rules, " +
          std::to_string(rules) + " removed");
  }
}

// To be called before `policy`, which is that of `text`, comes into force.
void MirroredBridge::AuditLoad(const std::string& what, const std::string& who,
                               const Policy& policy, const PolicyText& text) {
  const Policy* const before = controller_->InForce();
  Audit(name() + ": " + what + " loaded by " + who + ": " +
        DescribeRules(before ? *before : Policy(), policy) + "; " +
        DescribeDigests(in_force_, text));
  in_force_ = text;
}

// `who` says it when the files have been read.
void MirroredBridge::ReloadBy(
    const std::function<std::string(const PolicyText&)>& who,
    Controller::Done done) {
  PolicyText text;
  CheckedPolicy checked;
  checked.messages = options_.file.Read(&text);
  if (checked.messages.empty()) {
    checked = CheckPolicy(text, options_.bounds);
  }
  if (!checked.policy) {
    policy_error_ = FirstLine(checked.messages);
    LogRefusal(checked.messages);
    AuditWarning(name() + ": policy refused, by " + who(text) + ": " +
                 FirstLine(checked.messages) + "; " +
                 DescribeDigests(in_force_, text));
    checked.messages +=
        name() + ": " + options_.file.rules() + " is not loaded: " +
        (controller_->HasPolicy() ? "the policy in force stays\n"
                                  : "no policy is in force\n");
    CountReload(false);
    done(false, checked.messages);
    return;
  }
  policy_error_.clear();
  using_last_good_ = false;
  if (!checked.messages.empty()) {
    const size_t warnings = CountDiagnostics(checked.messages, "warning");
    VLOG_WARN("%s: %s%s", name().c_str(), FirstLine(checked.messages).c_str(),
              warnings > 1
                  ? (", and " + std::to_string(warnings - 1) + " more").c_str()
                  : "");
  }
  AuditLoad("policy", who(text), *checked.policy, text);
  // The disk may be slow: the switch comes first.
  controller_->Load(std::move(*checked.policy),
                    [this, text = std::move(text), done = std::move(done)](
                        bool good, const std::string& answer) {
                      CountReload(good);
                      done(good, answer);
                      Keep(text);
                    });
}

void MirroredBridge::CountReload(bool good) {
  reloads_.last_good = good;
  if (good) {
    reloads_.good++;
    reloads_.loaded = std::time(nullptr);
  } else {
    reloads_.failed++;
  }
}

// Keeps the good policy `text` for a start at which there is none.
void MirroredBridge::Keep(const PolicyText& text) {
  if (!last_good_ || text == kept_) {
    return;
  }
  const std::string error = last_good_->Write(text);
  if (error.empty()) {
    kept_ = text;
  } else {
    kept_.reset();
    if (error != keep_error_) {
      VLOG_WARN(
          "%s: the policy is in force, but not kept for the next start: "
          "%s",
          name().c_str(), error.c_str());
    }
  }
  keep_error_ = error;
}

bool MirroredBridge::LoadAtStart() {
  Reload(kStart, [](bool, const std::string&) {});
  if (!controller_->HasPolicy() && last_good_) {
    LoadLastGood();
  }
  return controller_->HasPolicy();
}

void MirroredBridge::LoadLastGood() {
  PolicyText text;
  CheckedPolicy checked;
  checked.messages = last_good_->Read(&text);
  if (checked.messages.empty()) {
    checked = CheckPolicy(text, options_.bounds);
  } else {
    checked.messages += "\n";
  }
  if (!checked.policy) {
    VLOG_ERR("%s: there is no last good policy, either: %s", name().c_str(),
             FirstLine(checked.messages).c_str());
    return;
  }
  VLOG_ERR("%s: the last good policy is used instead of %s: %s", name().c_str(),
           options_.file.rules().c_str(), last_good_->name().c_str());
  AuditLoad("last good policy", kStart, *checked.policy, text);
  kept_ = std::move(text);
  using_last_good_ = true;
  controller_->Load(std::move(*checked.policy),
                    [](bool, const std::string&) {});
}

void MirroredBridge::LookAtSessions(const nlohmann::json& sessions) {
  const auto tier = sessions.at("tier").get<std::string>();
  if (!tier.empty() && tier != logged_tier_) {
    VLOG_INFO("%s: copies are made by the tier %s%s", name().c_str(),
              tier.c_str(),
              logged_tier_.empty()
                  ? ""
                  : (", not " + logged_tier_ + " any longer").c_str());
    logged_tier_ = tier;
  }
  for (const LossEvent& event : losses_.Look(sessions, now_())) {
    if (event.losing) {
      VLOG_WARN_RL(&loss_rl, "%s: %s", name().c_str(), event.text.c_str());
    } else {
      VLOG_INFO_RL(&loss_rl, "%s: %s", name().c_str(), event.text.c_str());
    }
  }
}

nlohmann::json MirroredBridge::Status(const nlohmann::json& sessions) const {
  nlohmann::json status = controller_->Status();
  status.update(sessions);
  status["policy_error"] = policy_error_;
  status["last_good"] = using_last_good_ ? last_good_->name() : "";
  status["keep_error"] = keep_error_;
  status["watch"] = watch_ && watch_->error().empty();
  status["watch_error"] = watch_ ? watch_->error() : "";
  status["good"] = policy_error_.empty() && status["connected"] &&
                   status["error"].get<std::string>().empty() &&
                   !status["losing"].get<bool>();
  return status;
}

BridgeMetrics MirroredBridge::Metrics(const nlohmann::json& sessions) const {
  BridgeMetrics metrics;
  metrics.bridge = name();
  metrics.tier = sessions.at("tier");
  metrics.status = Status(sessions);
  const nlohmann::json& status = metrics.status;
  metrics.connected = status["connected"];
  metrics.in_force = status["in_force"];
  metrics.up_to_date = status["state"] == kUpToDate;
  metrics.healthy = status["good"];
  metrics.fallback = using_last_good_;
  metrics.rules = status.value("rules", size_t{0});
  metrics.dormant = status.value("dormant", size_t{0});
  metrics.flows = status.value("flows", size_t{0});
  metrics.foreign = status["foreign"];
  metrics.tallies = controller_->tallies();
  metrics.reloads = reloads_;
  return metrics;
}

}  // namespace ovs_rmirror
