// SPDX-License-Identifier: Apache-2.0
//
// Which copies a capture is to show, and where they can be seen.

#ifndef CONTROLLER_CAPTURE_CHOICE_H
#define CONTROLLER_CAPTURE_CHOICE_H

#include <string>
#include <vector>

#include "controller/rates.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// A session, and the rules that mirror to it: a copy does not say which of them
// made it.
struct CapturedSession {
  Session session;
  std::string name;                // "192.0.2.9 --key 7".
  std::vector<std::string> rules;  // "PREROUTING:2: -A PREROUTING ...".
};

struct CaptureChoice {
  std::vector<CapturedSession> sessions;  // All to one target.
  std::string error;  // Why there are none, and what there is; else empty.
};

// Chooses from the rules of `policy`: all sessions to a target if `what` is an
// address, the session of a rule if it is "CHAIN:NUMBER".
CaptureChoice ChooseSessions(const Sample& policy, const std::string& what);

// Whether a copy with the outer header of `carried` is of `session`.  Of the
// TOS it looks at the DSCP only: the ECN may be the kernel's business.
bool IsOfSession(const Session& carried, const Session& session);

// The filter, as for pcap-filter(7), for the packets to `target` that are GRE
// or fragments, on devices with Ethernet headers or without.
std::string CaptureFilter(const Address& target, bool ethernet);

struct CaptureDevices {
  std::vector<std::string> names;
  std::string error;  // Why there are none; else empty.
};

// Returns the devices at which the kernel sees the copies whose route leads out
// of `device`, each of them once.  `ports` is what ovs-vswitchd answers to
// "dpif/show".
CaptureDevices FindCaptureDevices(const std::string& device,
                                  const std::string& ports);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_CAPTURE_CHOICE_H
