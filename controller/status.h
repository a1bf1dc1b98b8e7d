// SPDX-License-Identifier: Apache-2.0
//
// What a daemon says about itself.

#ifndef CONTROLLER_STATUS_H
#define CONTROLLER_STATUS_H

#include <nlohmann/json.hpp>
#include <string>

namespace ovs_rmirror {

// Returns `bridges`, an array, for people.  The members of each element:
//
//   bridge        its name or connection
//   tables        the numbers of the tap tables: "ingress", "egress"
//   switch        the connection: "connected to unix:..."
//   connected     whether there is one
//   tap           whether the tap tables are set
//   policy        the file's name
//   policy_error  why the file is not what is in force; empty if it is
//   last_good     the copy that is in force instead; empty if the file is
//   keep_error    why no copy of a good policy is kept; empty: it is, or need
//                 not be
//   watch         whether changes of the file are noticed
//   watch_error   why they are not, though they should be; else empty
//   in_force      whether a policy is; if so:
//     rules       how many it has
//     dormant     how many of these wait for a port
//     flows       how many flows it takes
//   foreign       how many flows of others were left in the tap tables
//   state         "up to date", "being brought up to date", "out of date"
//   error         why the switch is out of date; empty if it is not
//   synchronized  when the switch was last brought up to date, in RFC 3339, or
//                 empty
//   good          whether nothing is wrong
//
// and those of SessionHistory::Report().
std::string FormatStatus(const nlohmann::json& bridges);

// The member "state" of a bridge whose switch is as the policy says.
inline constexpr const char* kUpToDate = "up to date";

// Returns `value` as text.  JSON is UTF-8, policies and names of files need not
// be: what is no UTF-8 is replaced by U+FFFD.
std::string FormatJson(const nlohmann::json& value);

// The Unix time `seconds` as in RFC 3339: "2026-01-31T23:59:59Z".
std::string FormatTime(int64_t seconds);

// Returns `text` with what is no UTF-8 replaced likewise.
std::string ReplaceInvalidUtf8(const std::string& text);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_STATUS_H
