// SPDX-License-Identifier: Apache-2.0
//
// What a policy does with a packet, found in the most straightforward way: one
// rule after the other, as iptables does.  It shares nothing with the compiler,
// whose judge it is.

#ifndef CONTROLLER_EVALUATE_H
#define CONTROLLER_EVALUATE_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controller/ports.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// What rules see of a packet.  Host byte order.
struct Packet {
  uint32_t in_port = 1;
  uint32_t mark = 0;
  std::optional<uint16_t> vlan;  // ID of the outermost tag.
  uint64_t dl_src = 0;
  std::optional<Family> family;  // None: not IP.
  uint8_t nw_proto = 0;
  uint8_t dscp = 0;
  Uint128 nw_src = 0, nw_dst = 0;
  bool later_fragment = false;      // Then there are no ports.
  uint16_t tp_src = 0, tp_dst = 0;  // Or ICMP type and code.
  uint8_t tcp_flags = 0;
};

// For messages.
std::string FormatPacket(const Packet& packet);

// What a rule that matches does.
enum class Effect {
  kCopy,    // Its session takes the packet.
  kRepeat,  // It counts the packet, which its session has from another chain.
  kSkip,    // Nothing: its session has the packet from a rule of this chain, or
            // of one that the packet came through in it.
  kVerdict,  // Ends a chain, or the evaluation.
  kJump,     // Goes on in a chain of the user.
};

struct Step {
  Chain chain;  // The chain by which the packet came to the rule's chain.
  size_t rule;  // Index into the policy.
  Effect effect;

  // Whether the rule's counter has the packet.
  bool Counts() const { return effect != Effect::kSkip; }

  bool operator==(const Step&) const = default;
};

struct Outcome {
  std::vector<Step> steps;     // The rules that match, in order.
  std::vector<Chain> entered;  // In order.

  // Those at whose end the packet meets the chain's policy, other than by
  // RETURN.
  std::vector<Chain> fell_through;

  bool operator==(const Outcome&) const = default;
};

// The way of one packet through a bridge.
class Evaluation {
 public:
  // `policy` and `ports` must live as long as the evaluation.
  Evaluation(const Policy& policy, const PortNumbers& ports)
      : policy_(policy), ports_(ports) {}

  // The packet enters the bridge.
  void Enter(const Packet& packet);

  const Outcome& outcome() const { return outcome_; }

 private:
  void Offer(Chain chain, const Packet& packet);
  bool Walk(const std::string& name, Chain chain, const Packet& packet,
            std::vector<Session>* met);

  const Policy& policy_;
  const PortNumbers& ports_;
  std::vector<Session> taken_;  // Sessions that have a copy.
  Outcome outcome_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_EVALUATE_H
