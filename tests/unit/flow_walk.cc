// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/flow_walk.h"

#include <algorithm>
#include <stdexcept>

#include "controller/flow_text.h"

namespace ovs_rmirror {

namespace {

// OFPP_UNSET: what the field of the output holds at ingress.
constexpr uint32_t kPortUnset = 0xfffffff7;

const std::string kBudget = " budget of the session";

std::string FormatLimitOf(size_t rule) {
  return " limit of rule " + std::to_string(rule);
}

// `limit` is what FormatLimitOf() says of the rule whose limit holds for the
// copy; empty if there is none.
std::string FormatCopyOf(const Mirror& mirror, const std::string& limit,
                         uint32_t probability) {
  return FormatMirror(mirror) + limit + " probability " +
         std::to_string(probability);
}

// Follows a packet through the tables.
class FlowWalk {
 public:
  FlowWalk(const Policy& policy, const Program& program,
           const FlowTables& tables, const Packet& packet)
      : policy_(policy), program_(program), tables_(tables), packet_(packet) {}

  void Enter() {
    tap_ = Tap::kIngress;
    reg1_ = 0;
    Resubmit(0);
  }

  void Leave(uint32_t out_port) {
    tap_ = Tap::kEgress;
    out_port_ = out_port;
    reg1_ = 0;
    Resubmit(0);
  }

  const Tally& tally() const { return tally_; }

 private:
  void Resubmit(uint32_t stage) {
    if (const Flow* flow =
            tables_.Lookup(tap_, packet_, out_port_, stage, reg1_)) {
      Count(flow->cookie);
      for (const FlowAction& action : flow->actions) {
        Execute(action);
      }
    }
  }

  void Count(const Cookie& cookie) {
    for (const Chain chain : kChains) {
      if (cookie == Cookie{Role::kEntry, ChainId(chain)}) {
        tally_.entered.insert(chain);
      } else if (cookie == Cookie{Role::kPolicy, ChainId(chain)}) {
        tally_.fell_through.insert(chain);
      }
    }
    if (cookie.role == Role::kMirror || cookie.role == Role::kVerdict) {
      tally_.hits.insert(RuleOf(cookie.id));
    }
  }

  size_t RuleOf(RuleId id) const {
    const auto it = std::find(program_.ids.begin(), program_.ids.end(), id);
    const size_t r = static_cast<size_t>(it - program_.ids.begin());
    if (r >= policy_.rules.size()) {
      throw std::logic_error("counted, but of no rule");
    }
    return r;
  }

  void Execute(const FlowAction& action) {
    if (const Copy* copy = std::get_if<Copy>(&action)) {
      const Session& session = copy->mirror.session;
      if (std::find(taken_.begin(), taken_.end(), session) == taken_.end()) {
        taken_.push_back(session);
        const std::string limit = !copy->meter ? ""
                                  : *copy->meter > kMaxRuleId
                                      ? kBudget
                                      : FormatLimitOf(RuleOf(*copy->meter));
        tally_.copies.insert(
            FormatCopyOf(copy->mirror, limit, copy->probability));
      }
    } else if (const EnterStage* enter = std::get_if<EnterStage>(&action)) {
      Resubmit(enter->number);
    } else if (const Progress* progress = std::get_if<Progress>(&action)) {
      switch (*progress) {
        case Progress::kStart:
          reg1_ = 0;
          break;
        case Progress::kFinish:
          reg1_ |= 1;
          break;
        case Progress::kLeave:
          reg1_ |= 2;
          break;
        case Progress::kReturn:
          reg1_ &= ~2u;
          break;
        case Progress::kDrop:
          reg1_ |= 4;
          break;
        case Progress::kContinue:
          reg1_ &= ~3u;
          break;
      }
    } else {
      throw std::logic_error("a clause of a conjunction is no flow by itself");
    }
  }

  const Policy& policy_;
  const Program& program_;
  const FlowTables& tables_;
  const Packet& packet_;
  Tap tap_ = Tap::kIngress;
  std::optional<uint32_t> out_port_;
  uint32_t reg1_ = 0;
  std::vector<Session> taken_;
  Tally tally_;
};

void StoreAddress(Family family, Uint128 bits, uint8_t* bytes) {
  for (int i = AddressWidth(family) / 8 - 1; i >= 0; i--) {
    bytes[i] = static_cast<uint8_t>(bits);
    bits >>= 8;
  }
}

}  // namespace

std::string FormatTrip(const Trip& trip) {
  std::string s = FormatPacket(trip.packet);
  for (const uint32_t port : trip.outputs) {
    s += ",output:" + std::to_string(port);
  }
  return s;
}

Tally FollowRules(const Policy& policy, const PortNumbers& ports,
                  const Trip& trip) {
  Evaluation evaluation(policy, ports);
  evaluation.Enter(trip.packet);
  for (const uint32_t port : trip.outputs) {
    evaluation.Leave(trip.packet, port);
  }
  const Outcome& outcome = evaluation.outcome();
  Tally tally;
  tally.entered.insert(outcome.entered.begin(), outcome.entered.end());
  tally.fell_through.insert(outcome.fell_through.begin(),
                            outcome.fell_through.end());
  for (const Step& step : outcome.steps) {
    if (step.Counts()) {
      tally.hits.insert(step.rule);
    }
    if (step.effect == Effect::kCopy || step.effect == Effect::kMayCopy) {
      const Rule& rule = policy.rules[step.rule];
      const Matches& m = rule.matches;
      tally.copies.insert(FormatCopyOf(
          *rule.mirror(),
          m.limit                 ? FormatLimitOf(step.rule)
          : rule.mirror()->budget ? kBudget
                                  : "",
          m.statistic ? m.statistic->probability : RMIRROR_PROBABILITY_ALL));
    }
  }
  return tally;
}

FlowTables::FlowTables(const TapFlows& tap)
    : flows_(tap.flows),
      ingress_(flow_table_create(), flow_table_destroy),
      egress_(flow_table_create(), flow_table_destroy) {
  const MeterNumbers meters = NumberMeters(tap.meters);
  for (size_t i = 0; i < flows_.size(); i++) {
    const std::string flow = FormatFlow(flows_[i], TapTables(), meters);
    char* error = flow_table_add(TableOf(flows_[i].tap).get(), flow.c_str(), i);
    if (error) {
      const std::string text = error;
      free(error);
      throw std::logic_error(text);
    }
  }
}

const Flow* FlowTables::Lookup(Tap tap, const Packet& packet,
                               std::optional<uint32_t> out_port, uint32_t reg0,
                               uint32_t reg1) const {
  struct flow_table_packet p = {};
  p.reg0 = reg0;
  p.reg1 = reg1;
  p.pkt_mark = packet.mark;
  p.in_port = packet.in_port;
  p.actset_output = out_port.value_or(kPortUnset);
  p.vlan_tci =
      packet.vlan ? static_cast<uint16_t>(0x1000 | *packet.vlan) : uint16_t{0};
  for (int i = 0; i < 6; i++) {
    p.dl_src[i] = static_cast<uint8_t>(packet.dl_src >> (40 - 8 * i));
  }
  p.dl_type = 0x0806;
  if (packet.family) {
    p.dl_type = *packet.family == Family::kIpv4 ? 0x0800 : 0x86dd;
    p.nw_proto = packet.nw_proto;
    p.nw_tos = static_cast<uint8_t>(packet.dscp << 2);
    p.later_fragment = packet.later_fragment;
    StoreAddress(*packet.family, packet.nw_src, p.nw_src);
    StoreAddress(*packet.family, packet.nw_dst, p.nw_dst);
    p.tp_src = packet.tp_src;
    p.tp_dst = packet.tp_dst;
    p.tcp_flags = packet.tcp_flags;
  }
  const size_t i = flow_table_lookup(TableOf(tap).get(), &p);
  return i == SIZE_MAX ? nullptr : &flows_[i];
}

Tally FollowFlows(const Policy& policy, const Program& program,
                  const FlowTables& tables, const Trip& trip) {
  FlowWalk walk(policy, program, tables, trip.packet);
  walk.Enter();
  for (const uint32_t port : trip.outputs) {
    walk.Leave(port);
  }
  return walk.tally();
}

}  // namespace ovs_rmirror
