// SPDX-License-Identifier: Apache-2.0
//
// The settings that make a bridge offer its packets to the tap tables: the keys
// rmirror-ingress-table and rmirror-egress-table of its other_config column in
// the Open vSwitch database (see ovs-vswitchd.conf.db(5)).

#ifndef CONTROLLER_TAP_CONFIG_H
#define CONTROLLER_TAP_CONFIG_H

#include <memory>
#include <set>
#include <string>

#include "controller/tap.h"

namespace ovs_rmirror {

using Taps = std::set<Tap>;

class TapConfig {
 public:
  virtual ~TapConfig() = default;

  // Makes progress without blocking; Wait() makes the next poll_block() wake
  // up when there is more to do.
  virtual void Run() = 0;
  virtual void Wait() = 0;

  // From now on the keys of `taps` name our tables, whatever others do.  If
  // `only`, the other keys are removed if they do; else they stay as they are.
  virtual void Use(const Taps& taps, bool only) = 0;

  // Whether the switch follows what was said last.
  virtual bool InForce() const = 0;

  // "rmirror-ingress-table=252", for people.
  virtual std::string Describe() const = 0;
};

// Returns the settings of `bridge` in the database at `remote`, a connection
// method of OVSDB like "unix:/run/openvswitch/db.sock".  It connects in the
// background and again when the connection breaks.
std::unique_ptr<TapConfig> OvsdbTapConfig(const std::string& remote,
                                          const std::string& bridge,
                                          const TapTables& tables);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_TAP_CONFIG_H
