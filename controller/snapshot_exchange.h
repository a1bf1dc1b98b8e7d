// SPDX-License-Identifier: Apache-2.0
//
// How threads get figures from the main loop without ever holding it up: they
// ask, the main loop makes an immutable snapshot when it gets to it, and all
// who have asked share that.

#ifndef CONTROLLER_SNAPSHOT_EXCHANGE_H
#define CONTROLLER_SNAPSHOT_EXCHANGE_H

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace ovs_rmirror {

template <typename Snapshot>
class SnapshotExchange {
 public:
  using Clock = std::chrono::steady_clock;

  SnapshotExchange() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~SnapshotExchange() { close(fd_); }

  SnapshotExchange(const SnapshotExchange&) = delete;
  SnapshotExchange& operator=(const SnapshotExchange&) = delete;

  // For the main loop.

  // A file descriptor that can be read when somebody asks for a snapshot.
  int fd() const { return fd_; }

  // Returns whether somebody has asked since the last call.
  bool TakeRequest() {
    eventfd_t value;
    return eventfd_read(fd_, &value) == 0;
  }

  void Publish(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    latest_ = std::move(snapshot);
    published_ = Clock::now();
    asked_ = false;
    changed_.notify_all();
  }

  // Lets nobody wait any longer: there will be no more snapshots.
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  // For other threads.

  // Returns the latest snapshot if it is not older than `max_age`, else the
  // next one.  Returns null if that does not come within `patience`.
  std::shared_ptr<const Snapshot> Get(Clock::duration max_age,
                                      Clock::duration patience) {
    const Clock::time_point now = Clock::now();
    std::unique_lock lock(mutex_);
    const auto is_fresh = [&] {
      return latest_ && published_ >= now - max_age;
    };
    if (!is_fresh() && !asked_) {
      asked_ = true;
      eventfd_write(fd_, 1);
    }
    changed_.wait_until(lock, now + patience,
                        [&] { return closed_ || is_fresh(); });
    return is_fresh() ? latest_ : nullptr;
  }

 private:
  const int fd_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const Snapshot> latest_;
  Clock::time_point published_;  // Of `latest_`.
  bool asked_ = false;           // Since then.
  bool closed_ = false;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SNAPSHOT_EXCHANGE_H
