// SPDX-License-Identifier: Apache-2.0
//
// Asks the ovs-vswitchd of this host what its datapaths count of mirror
// sessions, and for the ways to their targets.

#ifndef CONTROLLER_SESSION_READER_H
#define CONTROLLER_SESSION_READER_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/rules.h"
#include "controller/sessions.h"
#include "controller/way.h"

namespace ovs_rmirror {

// An answer to "dpctl/rmirror-show --json".
struct ShownSessions {
  nlohmann::json datapaths;  // As it was said; ReadSessionCounters() takes it.
  int64_t when = 0;          // It came, in milliseconds of the reader's clock.
};

class SessionReader {
 public:
  // How long an answer may take, in milliseconds.
  static constexpr int64_t kPatience = 2000;

  // `directory` has the pidfile and the control socket of ovs-vswitchd.
  // `window`: see SessionHistory.  `now` returns milliseconds that never go
  // back.
  SessionReader(std::string directory, int64_t window,
                std::function<int64_t()> now);
  ~SessionReader();
  SessionReader(const SessionReader&) = delete;
  SessionReader& operator=(const SessionReader&) = delete;

  // Follows the sessions of the bridge of this name.
  void Add(const std::string& bridge);

  // Makes progress without blocking.  Wait() makes the next poll_block() wake
  // up when there is more to do.
  void Run();
  void Wait();

  // Calls `done` when Report() is at most a second old, or no answer is to be
  // had: at once, or from Run().
  void Refresh(std::function<void()> done);

  // The last answer; none if there was no answer to the last inquiry.
  const std::optional<ShownSessions>& Shown() const { return shown_; }

  // See SessionHistory::Report().  `bridge` may be one that was not added:
  // nothing is known of its sessions.  Otherwise, each session that had been
  // reported of the bridge before the last inquiry has a member more:
  //
  //   way   WayAsJson() of the way to its target
  nlohmann::json Report(const std::string& bridge,
                        const std::vector<Session>& sessions);

 private:
  class Inquiry;  // One connection to ovs-vswitchd.
  // By FormatAddress() of the targets.
  using Targets = std::map<std::string, Address>;
  using Ways = std::map<std::string, Way>;

  void Finish(const std::string& error);
  Targets AllTargets() const;
  Ways KernelWays() const;

  const std::string directory_;
  const int64_t interval_;  // Between inquiries, in milliseconds.
  const std::function<int64_t()> now_;
  SessionHistory history_;
  std::map<std::string, std::string> tiers_;  // Of each bridge; empty: unknown.
  std::map<std::string, Targets> targets_;    // Of each bridge.
  Ways userspace_ways_;
  Ways kernel_ways_;
  std::optional<ShownSessions> shown_;
  bool unknown_ = false;  // Whether it was logged that there is no answer.
  std::string error_ = "ovs-vswitchd was not asked yet";
  std::unique_ptr<Inquiry> inquiry_;  // That is going on.
  std::optional<int64_t> last_;       // End of the last one.
  std::vector<std::function<void()>> waiting_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SESSION_READER_H
