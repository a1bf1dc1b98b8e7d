// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics_collector.h"

#include <unistd.h>

#include <chrono>
#include <exception>
#include <map>
#include <utility>

#include "controller/ovs.h"

VLOG_DEFINE_THIS_MODULE(metrics);

namespace ovs_rmirror {

namespace {

// In milliseconds.
int64_t UnixTime() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string HostName() {
  char name[256] = "";
  return gethostname(name, sizeof name - 1) ? "" : name;
}

}  // namespace

MetricsCollector::MetricsCollector(MetricsExchange* exchange,
                                   MirroredBridges* bridges,
                                   SessionReader* sessions,
                                   std::function<int64_t()> now)
    : exchange_(exchange),
      bridges_(bridges),
      sessions_(sessions),
      now_(std::move(now)) {}

void MetricsCollector::Run() {
  Sample();
  if (!collection_ && exchange_->TakeRequest()) {
    Start();
  }
  if (collection_ &&
      (collection_->missing == 0 || now_() >= collection_->deadline)) {
    exchange_->Publish(
        std::make_shared<const MetricsSnapshot>(TakeSnapshot(*collection_)));
    collection_.reset();
  }
}

void MetricsCollector::Sample() {
  const std::optional<ShownSessions>& shown = sessions_->Shown();
  if (!shown || !history_.IsDue(shown->when)) {
    return;
  }
  std::map<std::string, nlohmann::json> reports;
  for (size_t i = 0; i < bridges_->size(); i++) {
    const MirroredBridge& bridge = bridges_->at(i);
    reports[bridge.name()] = bridges_->SessionsOf(bridge);
  }
  history_.Add(shown->when, UnixTime() - (now_() - shown->when), reports);
  shared_history_.reset();
}

void MetricsCollector::Wait() {
  if (collection_) {
    poll_timer_wait_until(collection_->deadline);
  } else {
    poll_fd_wait(exchange_->fd(), POLLIN);
  }
}

void MetricsCollector::Start() {
  collection_ = std::make_shared<Collection>();
  collection_->policies.resize(bridges_->size());
  collection_->missing = bridges_->size() + 1;
  collection_->deadline = now_() + kPatience;
  const std::weak_ptr<Collection> weak = collection_;
  sessions_->Refresh([weak] {
    if (const std::shared_ptr<Collection> collection = weak.lock()) {
      collection->has_sessions = true;
      collection->missing--;
    }
  });
  for (size_t i = 0; i < bridges_->size(); i++) {
    if (!asked_.insert(i).second) {
      continue;
    }
    bridges_->at(i).controller().Measure(
        [this, i, weak](const std::optional<MeasuredPolicy>& policy) {
          asked_.erase(i);
          if (const std::shared_ptr<Collection> collection = weak.lock()) {
            collection->policies[i] = policy;
            collection->missing--;
          }
        });
  }
}

MetricsSnapshot MetricsCollector::TakeSnapshot(const Collection& collection) {
  MetricsSnapshot snapshot;
  snapshot.version = std::string(RMIRROR_VERSION);
  snapshot.host = HostName();
  snapshot.when = now_();
  snapshot.unix_time = UnixTime();
  if (const std::optional<ShownSessions>& shown = sessions_->Shown()) {
    snapshot.sessions_when = shown->when;
  }
  if (!shared_history_) {
    shared_history_ = std::make_shared<const TrafficHistory>(history_);
  }
  snapshot.history = shared_history_;
  snapshot.process = MeasureProcess();
  for (size_t i = 0; i < bridges_->size(); i++) {
    const MirroredBridge& bridge = bridges_->at(i);
    snapshot.bridges.push_back(bridge.Metrics(bridges_->SessionsOf(bridge)));
    snapshot.bridges.back().policy = collection.policies[i];
  }
  if (collection.has_sessions) {
    snapshot.datapaths = TakeDatapaths();
  }
  return snapshot;
}

// What ovs-vswitchd has said of the sessions; nothing if that makes no sense.
std::vector<DatapathMetrics> MetricsCollector::TakeDatapaths() {
  std::string error;
  std::vector<DatapathMetrics> datapaths;
  if (const std::optional<ShownSessions>& shown = sessions_->Shown()) {
    try {
      datapaths = ReadDatapaths(shown->datapaths);
    } catch (const std::exception& e) {
      error = e.what();
    }
  }
  if (!error.empty() && error != logged_error_) {
    VLOG_WARN("metrics go without sessions: dpctl/rmirror-show: %s",
              error.c_str());
  }
  logged_error_ = error;
  return datapaths;
}

}  // namespace ovs_rmirror
