// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/flow_walk.h"

#include <algorithm>
#include <stdexcept>

#include "controller/flow_text.h"

namespace ovs_rmirror {

namespace {

// Follows a packet through the table.
class FlowWalk {
 public:
  FlowWalk(const Policy& policy, const Program& program, const FlowTable& table,
           const Packet& packet)
      : policy_(policy), program_(program), table_(table), packet_(packet) {}

  Tally Run() {
    Resubmit(0);
    return std::move(tally_);
  }

 private:
  void Resubmit(uint32_t stage) {
    if (const Flow* flow = table_.Lookup(packet_, stage, reg1_)) {
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
      const auto it =
          std::find(program_.ids.begin(), program_.ids.end(), cookie.id);
      const size_t r = static_cast<size_t>(it - program_.ids.begin());
      if (r >= policy_.rules.size()) {
        throw std::logic_error("counted, but of no rule");
      }
      tally_.hits.insert(r);
    }
  }

  void Execute(const FlowAction& action) {
    if (const Mirror* mirror = std::get_if<Mirror>(&action)) {
      tally_.copies.insert(FormatMirror(*mirror));
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
      }
    } else {
      throw std::logic_error("a clause of a conjunction is no flow by itself");
    }
  }

  const Policy& policy_;
  const Program& program_;
  const FlowTable& table_;
  const Packet& packet_;
  uint32_t reg1_ = 0;
  Tally tally_;
};

void StoreAddress(Family family, Uint128 bits, uint8_t* bytes) {
  for (int i = AddressWidth(family) / 8 - 1; i >= 0; i--) {
    bytes[i] = static_cast<uint8_t>(bits);
    bits >>= 8;
  }
}

}  // namespace

Tally FollowRules(const Policy& policy, const PortNumbers& ports,
                  const Packet& packet) {
  Evaluation evaluation(policy, ports);
  evaluation.Enter(packet);
  const Outcome& outcome = evaluation.outcome();
  Tally tally;
  tally.entered.insert(outcome.entered.begin(), outcome.entered.end());
  tally.fell_through.insert(outcome.fell_through.begin(),
                            outcome.fell_through.end());
  for (const Step& step : outcome.steps) {
    if (step.Counts()) {
      tally.hits.insert(step.rule);
    }
    if (step.effect == Effect::kCopy) {
      tally.copies.insert(FormatMirror(*policy.rules[step.rule].mirror()));
    }
  }
  return tally;
}

FlowTable::FlowTable(const std::vector<Flow>& flows)
    : flows_(flows), table_(flow_table_create(), flow_table_destroy) {
  for (size_t i = 0; i < flows.size(); i++) {
    char* error = flow_table_add(table_.get(),
                                 FormatFlow(flows[i], TapTables()).c_str(), i);
    if (error) {
      const std::string text = error;
      free(error);
      throw std::logic_error(text);
    }
  }
}

const Flow* FlowTable::Lookup(const Packet& packet, uint32_t reg0,
                              uint32_t reg1) const {
  struct flow_table_packet p = {};
  p.reg0 = reg0;
  p.reg1 = reg1;
  p.pkt_mark = packet.mark;
  p.in_port = packet.in_port;
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
  const size_t i = flow_table_lookup(table_.get(), &p);
  return i == SIZE_MAX ? nullptr : &flows_[i];
}

Tally FollowFlows(const Policy& policy, const Program& program,
                  const FlowTable& table, const Packet& packet) {
  return FlowWalk(policy, program, table, packet).Run();
}

}  // namespace ovs_rmirror
