// SPDX-License-Identifier: Apache-2.0
//
// The log of what changes the mirror: who has changed a policy, and how.  It is
// a module of the log of its own, "audit", with one line for each change.

#ifndef CONTROLLER_AUDIT_H
#define CONTROLLER_AUDIT_H

#include <sys/types.h>

#include <string>

#include "controller/policy_file.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// Logs `text`; a refusal, or what somebody else has done, as a warning.
void Audit(const std::string& text);
void AuditWarning(const std::string& text);

// Who has changed something, in words behind "by":

// "a command of pid 12 of user root (0)": of the processes that are connected
// to the control socket `path` of this process, which is one unless several
// have commands at once.
std::string DescribeCommander(const std::string& path);

// "SIGHUP from pid 12 of user root (0)"
std::string DescribeSender(pid_t pid, uid_t uid);

// "a change of FILE, owned by user root (0), of 2026-01-31T23:59:59Z", for each
// of the files whose text is not the same in `before`.
std::string DescribeWriters(const PolicyText& before, const PolicyText& now);

// What has changed:

// "3 rules, 1 added (-A ...), 0 removed".  No more than the first few of them
// are written out.
std::string DescribeRules(const Policy& before, const Policy& now);

// "/etc/x.policy sha1 OLD -> NEW", of each file; OLD only if it differs.
std::string DescribeDigests(const PolicyText& before, const PolicyText& now);

// `text` as it can stand in a log: what is no printable ASCII is \xHH.
std::string EscapeForLog(const std::string& text);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_AUDIT_H
