// SPDX-License-Identifier: Apache-2.0
//
// What datapaths count of mirror sessions, and what that says of the targets of
// a policy.

#ifndef CONTROLLER_SESSIONS_H
#define CONTROLLER_SESSIONS_H

#include <cstdint>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "controller/listing.h"
#include "controller/rules.h"

namespace ovs_rmirror {

struct SessionCounters {
  std::map<std::string, uint64_t> counts;  // "copies", "bytes", ...
  std::map<std::string, uint64_t> drops;   // By reason.
};

struct DatapathCounters {
  // By NameSession().
  std::map<std::string, SessionCounters> sessions;
  uint64_t no_session = 0;  // Packets for which there was no session left.
};

// By the datapath's name: "netdev@ovs-netdev".  One for which nothing counts is
// not there.
using CountersByDatapath = std::map<std::string, DatapathCounters>;

// The tier of a bridge of the userspace datapath, in what ovs-vswitchd says.
inline constexpr const char* kUserspaceTier = "userspace";

// The session in words of a policy: "192.0.2.9 --key 7".
std::string NameSession(const Session& session);

// Reads what "dpctl/rmirror-show --json" answers.  Throws std::exception if it
// is no such answer.
CountersByDatapath ReadSessionCounters(const nlohmann::json& shown);

// A reason for a drop which nobody misses: that of a copy of a copy.
inline constexpr const char* kLoop = "loop";

// The drops that somebody misses.
uint64_t SumLost(const std::map<std::string, uint64_t>& drops);

// So often, at least, what is counted is looked at in a window of
// SessionHistory.
inline constexpr int64_t kLooksInWindow = 12;

// What was counted in the last while.  A counter that has become less was reset
// meanwhile.
class SessionHistory {
 public:
  // `window`: how long that is, in milliseconds.
  explicit SessionHistory(int64_t window) : window_(window) {}

  // Adds what is counted at `when`, in milliseconds, not before the last one.
  void Add(int64_t when, CountersByDatapath counters);

  // Says what a bridge whose tier is `tier` does with `sessions`.  Members:
  //
  //   tier               as given
  //   sessions_error     why nothing is known of the sessions; else empty
  //   sessions           an array with an object for each of `sessions`:
  //     target, key, ttl, tos, df  as dpctl/rmirror-show says them
  //     session          NameSession()
  //     health           "sending"; "idle": nothing to send; a reason for which
  //                      copies were dropped lately; "unknown"
  //     and, unless that is unknown:
  //     copies, bytes, ... and drops, as dpctl/rmirror-show says them
  //     recent_copies, recent_drops  those of the last `window`
  //     last_copy        how many seconds before the last Add() a copy was last
  //                      seen to be sent; null if none was
  //   no_session         packets for which there was no session left
  //   recent_no_session  those of the last `window`
  //   window             in seconds
  //   losing             whether copies were lost in the last `window`.  A copy
  //                      of a copy, dropped as "loop", is not lost.
  //
  // `error`: why nothing is known, if so; else empty.
  nlohmann::json Report(const std::string& tier, const std::string& error,
                        const std::vector<Session>& sessions) const;

 private:
  struct Sample {
    int64_t when;
    CountersByDatapath counters;
  };

  static const SessionCounters& Find(const Sample& sample,
                                     const std::string& datapath,
                                     const std::string& session);
  SessionCounters Recent(const std::string& datapath,
                         const std::string& session) const;
  uint64_t RecentNoSession(const std::string& datapath) const;

  const int64_t window_;
  std::deque<Sample> samples_;
  // When each session of a datapath was last seen to have sent copies; 0 if it
  // was not.
  std::map<std::string, std::map<std::string, int64_t>> last_copies_;
};

// A report for people: a line for each session.
std::string FormatSessions(const nlohmann::json& report,
                           const ListingOptions& options);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SESSIONS_H
