// SPDX-License-Identifier: Apache-2.0
//
// The switch as the rest of the controller sees it: the tap tables of one
// bridge.  OpenFlowConnection is the real one.

#ifndef CONTROLLER_SWITCH_CONNECTION_H
#define CONTROLLER_SWITCH_CONNECTION_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/flows.h"
#include "controller/reconcile.h"

namespace ovs_rmirror {

// What a switch has.
struct SwitchState {
  std::vector<SwitchFlow> flows;  // Of the tap tables.
  PortNumbers ports;
  std::vector<SwitchMeter> meters;  // All of the bridge.
  uint32_t max_meters = 0;          // The highest number that one may have.
  // How long the bridge has been there, in milliseconds, if the switch says it.
  // One that is made again, or by a switch that was restarted, is a new one.
  std::optional<int64_t> age;
};

class SwitchConnection {
 public:
  // `error` is empty on success; otherwise `state` is.
  using StateDone =
      std::function<void(const std::string& error, const SwitchState& state)>;
  using ApplyDone = std::function<void(const std::string& error)>;

  virtual ~SwitchConnection() = default;

  // Makes progress without blocking; calls what is done.  Wait() makes the next
  // poll_block() wake up when there is more to do.
  virtual void Run() = 0;
  virtual void Wait() = 0;

  virtual bool IsConnected() const = 0;

  // Changes with each new connection, and whenever ports of the bridge come,
  // go or get another number: what was read before may be out of date.
  virtual uint64_t Generation() const = 0;

  // Changes whenever somebody else changes flows of the tap tables, or meters.
  virtual uint64_t Interference() const = 0;

  // "connected to unix:...", for people.
  virtual std::string Describe() const = 0;

  // Reads the flows, ports and meters.  Calls `done` from a later Run(), also
  // if the connection breaks.  Requires IsConnected().
  virtual void ReadState(StateDone done) = 0;

  // Likewise, but reads counters alone, at less cost: only our flows, without
  // matches and actions, and meters without what they are, and no ports.
  virtual void ReadCounters(StateDone done) = 0;

  // Makes all changes of flows, or none, in their order and as one change for
  // the packets; those of meters before, or if they are deleted behind it.
  // Calls `done` from a later Run(), also if the connection breaks. Requires
  // IsConnected().
  virtual void Apply(const SwitchChanges& changes, ApplyDone done) = 0;

  // Sets `*result` to the flow of `match`, `actions` and so on as this switch
  // would print it.  Returns what is wrong with it, or an empty string.
  // Requires IsConnected().
  virtual std::string Canonicalize(const SwitchFlow& flow,
                                   SwitchFlow* result) = 0;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SWITCH_CONNECTION_H
