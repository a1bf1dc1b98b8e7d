// SPDX-License-Identifier: Apache-2.0
//
// The setting that makes a bridge offer its packets to a tap table: the key
// rmirror-ingress-table of its other_config column in the Open vSwitch database
// (see ovs-vswitchd.conf.db(5)).

#ifndef CONTROLLER_TAP_CONFIG_H
#define CONTROLLER_TAP_CONFIG_H

#include <cstdint>
#include <memory>
#include <string>

namespace ovs_rmirror {

class TapConfig {
 public:
  virtual ~TapConfig() = default;

  // Makes progress without blocking; Wait() makes the next poll_block() wake
  // up when there is more to do.
  virtual void Run() = 0;
  virtual void Wait() = 0;

  // From now on the key shall name the tap table, or be absent.  Absent means
  // that this table is not named: what somebody else has set stays.
  virtual void Enable(bool enable) = 0;

  // Says the same to the database once more: it may have got another bridge of
  // this name meanwhile.
  virtual void Refresh() = 0;

  // "set in unix:...", for people.
  virtual std::string Describe() const = 0;
};

// Returns the setting of `bridge` in the database at `remote`, a connection
// method of OVSDB like "unix:/run/openvswitch/db.sock".  It connects in the
// background and again when the connection breaks.
std::unique_ptr<TapConfig> OvsdbTapConfig(const std::string& remote,
                                          const std::string& bridge,
                                          uint8_t table);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_TAP_CONFIG_H
