// SPDX-License-Identifier: Apache-2.0
//
// A policy file, through all stages of the compiler.
//
//   - A policy with an error is refused, with a message about a place in it.
//   - One that is accepted reads back from its text, and compiles to the same
//     flows then.
//   - Open vSwitch takes each of these flows.

#include "controller/compile_json.h"
#include "controller/flow_text.h"
#include "controller/flows.h"
#include "controller/ovs.h"
#include "controller/policy_file.h"
#include "controller/stages.h"
#include "controller/status.h"
#include "tests/fuzz/text.h"

namespace ovs_rmirror {

namespace {

constexpr uint64_t kFewFlows = 300;

// The ports of a bridge, some of those that the policy names among them.
PortNumbers PortsFor(const Policy& policy) {
  PortNumbers ports = {{"br0", kPortLocal}, {"eth0", 1}, {"eth1", 2}};
  for (const Rule& rule : policy.rules) {
    const uint32_t number = static_cast<uint32_t>(ports.size()) + 1;
    if (rule.matches.in_interface && number % 2) {
      ports.try_emplace(rule.matches.in_interface->name, number);
    }
  }
  return ports;
}

std::string Compile(const Policy& policy) {
  Diagnostics diagnostics;
  const Program program = BuildStages(policy, {}, &diagnostics);
  if (diagnostics.HasErrors()) {
    return "";
  }
  const TapFlows tap = CompileFlows(policy, program, PortsFor(policy),
                                    kFewFlows, &diagnostics);
  if (diagnostics.HasErrors()) {
    return "";
  }
  REQUIRE(tap.flows_of_rule.size() == policy.rules.size());
  std::string text;
  const MeterNumbers meters = NumberMeters(tap.meters);
  for (const Meter& meter : tap.meters) {
    text += FormatMeter(meter, meters.at(meter.id)) + "\n";
  }
  for (const Flow& flow : tap.flows) {
    text += FormatFlow(flow, TapTables(), meters) + "\n";
  }
  FormatStages(policy, program);
  FormatStatistics(policy, program, tap);
  FormatJson(StagesAsJson(policy, program));
  FormatJson(FlowsAsJson(tap, TapTables(), meters));
  FormatJson(StatisticsAsJson(policy, program, tap));
  return text;
}

void RequireTaken(const std::string& flows) {
  const SourceText source("flows", flows);
  for (const std::string_view line : source.lines()) {
    if (!line.starts_with("table=")) {
      continue;
    }
    struct ofputil_flow_mod fm;
    enum ofputil_protocol usable;
    char* error =
        parse_ofp_flow_mod_str(&fm, std::string(line).c_str(), nullptr, nullptr,
                               OFPFC_ADD, &usable);
    REQUIRE_SAME(error ? error : "", "");
    free(const_cast<struct ofpact*>(fm.ofpacts));
    minimatch_destroy(&fm.match);
  }
}

void Test(const std::string& text) {
  const SourceText source("policy", text);
  Diagnostics diagnostics;
  const std::vector<TokenLine> tokens = Scan(source, &diagnostics);
  FormatTokens(tokens);
  FormatJson(TokensAsJson(tokens));
  const Policy policy =
      BuildRules(Parse(tokens, &diagnostics), SomeSets(), &diagnostics);
  FormatJson(PolicyAsJson(policy));
  RequireMessages(source, diagnostics);

  const CheckedPolicy checked =
      CheckPolicy({{"policy", text}, {}}, {kFewFlows, {}});
  REQUIRE(checked.policy.has_value() || !checked.messages.empty());
  if (diagnostics.HasErrors()) {
    REQUIRE(!checked.policy);
    return;
  }
  const Policy again = RequireReadBack(policy, SomeSets());
  const std::string flows = Compile(policy);
  REQUIRE_SAME(Compile(again).c_str(), flows.c_str());
  RequireTaken(flows);
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
