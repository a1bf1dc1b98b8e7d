// SPDX-License-Identifier: Apache-2.0
//
// Answers in JSON: of ovs-rmirrord, as ovs-rmirrorctl reads them, and of
// ovs-vswitchd, as ovs-rmirrord reads them.
//
//   - What is no such answer is an exception for which the caller is prepared.
//   - What is one can be shown in every form.
//   - The rules of a listing that make a policy read back from its text.

#include <nlohmann/json.hpp>

#include "controller/daemon_client.h"
#include "controller/listing.h"
#include "controller/rates.h"
#include "controller/read_json.h"
#include "controller/sessions.h"
#include "controller/status.h"
#include "tests/fuzz/text.h"

namespace ovs_rmirror {

namespace {

using nlohmann::json;

// Returns whether `use` takes what it is given.
template <typename Use>
bool Takes(const Use& use) {
  try {
    use();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

void UseListing(const json& list) {
  std::vector<ListedChain> chains;
  if (!Takes([&] { chains = ReadListing(list, ""); })) {
    return;
  }
  for (const bool set : {false, true}) {
    REQUIRE(!chains.size() ||
            !FormatListing(chains, {.verbose = set,
                                    .numeric = set,
                                    .exact = set,
                                    .line_numbers = set})
                 .empty());
    FormatSaved(chains, set);
  }
  Sample before;
  before.Add("br0", chains);
  Sample after = before;
  after.when = 1000;
  FormatRates(RuleRates(before, after));
  FormatRates(TargetRates(before, after));

  const SourceText source("listing", FormatSaved(chains, false));
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  if (!diagnostics.HasErrors()) {
    RequireReadBack(policy, {});
  }
}

void UseCounters(const json& shown) {
  CountersByDatapath counters;
  if (!Takes([&] { counters = ReadSessionCounters(shown); })) {
    return;
  }
  Session session;
  session.target = *ParseAddress("192.0.2.9");
  SessionHistory history(60000);
  history.Add(0, counters);
  history.Add(1000, counters);
  const json report = history.Report("native", "", {session});
  REQUIRE(!FormatJson(report).empty());
  FormatSessions(report, {});
}

void Test(const std::string& text) {
  json answer;
  if (!Takes([&] { answer = ReadJson(text); })) {
    return;
  }
  UseListing(answer);
  UseCounters(answer);
  Takes([&] { FormatStatus(answer); });
  Takes([&] { FormatSessions(answer, {}); });
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
