// SPDX-License-Identifier: Apache-2.0

#include "controller/metrics_collector.h"

#include <string>
#include <utility>

#include "controller/ovs.h"

namespace ovs_rmirror {

MetricsCollector::MetricsCollector(MetricsExchange* exchange,
                                   MirroredBridges* bridges,
                                   std::function<int64_t()> now)
    : exchange_(exchange), bridges_(bridges), now_(std::move(now)) {}

void MetricsCollector::Run() {
  if (!collection_ && exchange_->TakeRequest()) {
    Start();
  }
  if (collection_ &&
      (collection_->missing == 0 || now_() >= collection_->deadline)) {
    exchange_->Publish(
        std::make_shared<const MetricsSnapshot>(collection_->snapshot));
    collection_.reset();
  }
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
  collection_->snapshot.version = std::string(RMIRROR_VERSION);
  collection_->snapshot.process = MeasureProcess();
  collection_->deadline = now_() + kPatience;
  const std::weak_ptr<Collection> weak = collection_;
  for (size_t i = 0; i < bridges_->size(); i++) {
    MirroredBridge& bridge = bridges_->at(i);
    collection_->snapshot.bridges.push_back(
        bridge.Metrics(bridges_->SessionsOf(bridge)));
    collection_->missing++;
    if (!asked_.insert(i).second) {
      continue;
    }
    bridges_->at(i).controller().Measure(
        [this, i, weak](const std::optional<MeasuredPolicy>& policy) {
          asked_.erase(i);
          if (const std::shared_ptr<Collection> collection = weak.lock()) {
            collection->snapshot.bridges[i].policy = policy;
            collection->missing--;
          }
        });
  }
}

}  // namespace ovs_rmirror
