// SPDX-License-Identifier: Apache-2.0
//
// Says what a policy does with a packet, and why.

#ifndef CONTROLLER_EXPLAIN_H
#define CONTROLLER_EXPLAIN_H

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/evaluate.h"
#include "controller/ports.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// A packet and its way through a bridge.
struct PacketPath {
  std::string text;  // What explanations call it.
  Packet packet;
  std::optional<uint64_t> length;  // Of the frame, in bytes, if it is known.
  std::vector<uint32_t> outputs;   // The ports by which it leaves.
};

// A copy that a rule makes, or may make.
struct ExplainedCopy {
  // The bytes that it keeps of the frame; none if that depends on a length that
  // is not known.
  std::optional<uint64_t> bytes;
  bool up_to_mtu = false;  // It keeps less if the MTU of the way says so.
  bool loop = false;       // It is not sent, for the packet may be a copy.
};

// A rule that matches.
struct ExplainedStep {
  size_t rule = 0;    // Index into the policy.
  size_t number = 0;  // In the rule's chain, from 1.
  Effect effect = Effect::kCopy;
  std::optional<ExplainedCopy> copy;  // For kCopy and kMayCopy.
};

// A packet's way through one of the chains at which packets enter the policy.
struct ExplainedChain {
  Chain chain = Chain::kPrerouting;
  std::optional<uint32_t> output;  // The port by which the packet leaves.
  std::vector<ExplainedStep> steps;
  bool fell_through = false;  // The chain's policy ended it, not its last step.
};

using Explanation = std::vector<ExplainedChain>;

// `ports` has the ports that the rules may name.
Explanation Explain(const Policy& policy, const PortNumbers& ports,
                    const PacketPath& path);

// The explanation for people.
std::string FormatExplanation(const Policy& policy, const PortNumbers& ports,
                              const PacketPath& path,
                              const Explanation& explanation);

// An object with the members packet, length, which may be null, and chains, an
// array of objects: chain; output, a port or null; policy, whether the chain's
// policy ended it; and rules, an array of objects:
//
//   chain, number  where the rule is; numbers count from 1
//   line           the same in the policy's file
//   rule           its text
//   effect         "copy", "may-copy" (a limit or chance decides), "repeat",
//                  "skip", "verdict" or "jump"
//   copy           if that is its effect, or may be: an object with the members
//   target;
//                  action, as in OpenFlow; bytes, which may be null; up_to_mtu;
//                  and loop
nlohmann::json ExplanationAsJson(const Policy& policy, const PortNumbers& ports,
                                 const PacketPath& path,
                                 const Explanation& explanation);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_EXPLAIN_H
