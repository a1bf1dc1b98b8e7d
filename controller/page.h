// SPDX-License-Identifier: Apache-2.0
//
// The live page: a browser gets its files once, and then the figures as JSON.

#ifndef CONTROLLER_PAGE_H
#define CONTROLLER_PAGE_H

#include <string>
#include <vector>

#include "controller/metrics.h"

namespace ovs_rmirror {

// A file of the page, as it is in controller/page.
struct PageFile {
  const char* name;
  const char* text;
};

// All of them; made when the program is built.
extern const std::vector<PageFile> kPageFiles;

// The type of content of the file of this name.
std::string PageContentType(const std::string& name);

// What changes all the time.  Times are in milliseconds, "clock" and
// "sessions_clock" by a clock that never goes back.  An object:
//
//   version, host      of the daemon
//   time, clock        when this was so; "time" in Unix time
//   sessions_clock     when the datapaths counted, or null if that is not known
//   bridges            an array of objects:
//     status           see FormatStatus()
//     policy           the policy in force, or null if its counters are not
//                      known:
//       id             that of the texts of FormatPagePolicies() to which this
//                      belongs
//       rules          for each of them [PACKETS, BYTES]
//       dormant        the indexes of those that wait for a port
//       chains         an array of objects: chain, policy, packets, bytes
//       ports          the names of the ports of the bridge
std::string FormatPageState(const MetricsSnapshot& snapshot);

// The texts of policies, an array with an object for each bridge whose policy
// is known:
//
//   bridge, id
//   rules    an array of objects with the members of RuleLabels
std::string FormatPagePolicies(const MetricsSnapshot& snapshot);

// TrafficHistory, an object:
//
//   time     now, in milliseconds of Unix time
//   window   in milliseconds
//   series   an array of objects for each session of a bridge: bridge, session,
//            points, each [WHEN, DURATION, COPIES, BYTES, ORIGINAL BYTES,
//            {REASON: DROPS}], see TrafficPoint
std::string FormatPageHistory(const MetricsSnapshot& snapshot);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_PAGE_H
