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
  // Its session takes the packet.
  kCopy,

  // The same, except that the rule's limit or probability may spare the copy.
  // It counts as taken all the same.
  kMayCopy,

  // It counts the packet, which its session has taken in another chain or at
  // another output.
  kRepeat,

  // Nothing: its session has taken the packet in this chain, or in one of the
  // user through which the packet came in this chain.
  kSkip,

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

  // The packet enters the bridge.  Nothing happens at a tap that the policy
  // does not use.
  void Enter(const Packet& packet);

  // A copy of the packet, as it is by then, leaves the bridge by the port of
  // number `out_port`.  Each output is evaluated.
  void Leave(const Packet& packet, uint32_t out_port);

  const Outcome& outcome() const { return outcome_; }

 private:
  // Through one chain of those at which packets enter the policy.
  struct Pass {
    Chain chain;
    const Packet& packet;
    std::optional<uint32_t> out_port;  // At egress.
    std::vector<Session> met;          // Those whose rules it met.
  };

  bool Offer(Chain chain, const Packet& packet,
             std::optional<uint32_t> out_port);
  std::optional<Verdict> Walk(const std::string& name, Pass* pass);

  const Policy& policy_;
  const PortNumbers& ports_;
  std::vector<Session> taken_;  // Sessions that have a copy.
  Outcome outcome_;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_EVALUATE_H
