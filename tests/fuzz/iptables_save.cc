// SPDX-License-Identifier: Apache-2.0
//
// The output of iptables-save, which becomes a policy.
//
//   - There is either a policy or an error, with a message about a place.
//   - The policy is good, and reads back from its text.
//   - What needs no widening is not changed by it.

#include "controller/import.h"
#include "tests/fuzz/text.h"

namespace ovs_rmirror {

namespace {

std::string Import(const std::string& text, const ImportOptions& options) {
  const SourceText source("rules", text);
  Diagnostics diagnostics;
  const std::string policy =
      ImportPolicy(source, SomeSets(), options, &diagnostics);
  RequireMessages(source, diagnostics);
  REQUIRE(policy.empty() == diagnostics.HasErrors());
  if (!policy.empty()) {
    const SourceText imported("imported", policy);
    Diagnostics problems;
    const Policy read = ReadPolicy(imported, SomeSets(), &problems);
    REQUIRE_SAME(problems.HasErrors() ? Format(imported, problems).c_str() : "",
                 "");
    RequireReadBack(read, SomeSets());
  }
  return policy;
}

void Test(const std::string& text) {
  const std::string exact = Import(text, {});
  const std::string wide = Import(text, {.widen = true, .family = {}});
  if (!exact.empty()) {
    REQUIRE_SAME(exact.c_str(), wide.c_str());
  }
  Import(text, {.widen = true, .family = Family::kIpv6});
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
