// SPDX-License-Identifier: Apache-2.0
//
// What the targets that read texts of the controller share.

#ifndef TESTS_FUZZ_TEXT_H
#define TESTS_FUZZ_TEXT_H

#include <algorithm>
#include <string>

#include "controller/diagnostic.h"
#include "controller/ipset.h"
#include "controller/rule_text.h"
#include "controller/rules.h"
#include "tests/fuzz/property.h"

namespace ovs_rmirror {

inline std::string TextOf(const uint8_t* data, size_t size) {
  return std::string(reinterpret_cast<const char*>(data), size);
}

// Each message is about a piece of a line of `source`, and says something.
inline void RequireMessages(const SourceText& source,
                            const Diagnostics& diagnostics) {
  bool errors = false;
  for (const Diagnostic& diagnostic : diagnostics.Sorted()) {
    const Location& where = diagnostic.where;
    REQUIRE(!diagnostic.what.empty());
    REQUIRE(where.line >= 1);
    // A file that is too short is wrong behind its end.
    if (static_cast<size_t>(where.line) <= source.lines().size()) {
      const size_t length =
          source.lines()[static_cast<size_t>(where.line) - 1].size();
      REQUIRE(where.offset <= length);
      REQUIRE(where.length <= std::max<size_t>(length - where.offset, 1));
    }
    errors |= diagnostic.severity == Severity::kError;
  }
  REQUIRE(errors == diagnostics.HasErrors());
  REQUIRE(Format(source, diagnostics).empty() == diagnostics.Sorted().empty());
}

// `policy`, which has no errors, reads back from its text.
inline Policy RequireReadBack(const Policy& policy, const IpSets& sets) {
  const std::string text = FormatPolicy(policy);
  const SourceText source("policy", text);
  Diagnostics diagnostics;
  Policy again = ReadPolicy(source, sets, &diagnostics);
  REQUIRE_SAME(diagnostics.HasErrors() ? Format(source, diagnostics).c_str()
                                       : "",
               "");
  REQUIRE_SAME(FormatPolicy(again).c_str(), text.c_str());
  REQUIRE(again.rules.size() == policy.rules.size());
  for (size_t i = 0; i < policy.rules.size(); i++) {
    REQUIRE(again.rules[i].comment == policy.rules[i].comment);
    REQUIRE(again.rules[i].target == policy.rules[i].target);
    // It names a line, which may be another one.
    REQUIRE(again.rules[i].never.empty() == policy.rules[i].never.empty());
  }
  return again;
}

// Sets for policies to refer to, one of each type.
inline const IpSets& SomeSets() {
  static const IpSets* const sets = [] {
    const SourceText source("sets",
                            "create hosts hash:ip family inet\n"
                            "add hosts 192.0.2.1\n"
                            "add hosts 192.0.2.7\n"
                            "create hosts6 hash:ip family inet6\n"
                            "add hosts6 2001:db8::1\n"
                            "create nets hash:net family inet\n"
                            "add nets 10.0.0.0/8\n"
                            "add nets 10.1.0.0/16 nomatch\n"
                            "create web hash:ip,port family inet\n"
                            "add web 192.0.2.1,tcp:80\n"
                            "add web 192.0.2.2,udp:1000-1003\n"
                            "create webnets hash:net,port family inet6\n"
                            "add webnets 2001:db8::/32,tcp:443\n"
                            "create macs hash:mac\n"
                            "add macs 02:00:00:00:00:05\n"
                            "create empty hash:net family inet\n");
    IpSets* const result = new IpSets;
    Diagnostics diagnostics;
    ReadIpSets(source, result, &diagnostics);
    REQUIRE(!diagnostics.HasErrors());
    return result;
  }();
  return *sets;
}

}  // namespace ovs_rmirror

#endif  // TESTS_FUZZ_TEXT_H
