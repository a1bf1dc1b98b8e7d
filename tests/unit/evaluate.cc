// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/evaluate.h"

#include <algorithm>
#include <stdexcept>

#include "controller/flow_text.h"

namespace ovs_rmirror {

namespace {

bool AddressMatches(const std::optional<AddressMatch>& match, Family family,
                    Uint128 bits) {
  if (!match) {
    return true;
  }
  const bool in = std::any_of(match->networks.begin(), match->networks.end(),
                              [&](const Network& n) {
                                return n.Contains({family, bits});
                              });
  return in != match->negated;
}

bool RangeMatches(const std::optional<AddressRangeMatch>& match, Family family,
                  Uint128 bits) {
  return !match || (match->family == family &&
                    match->range.Contains(bits) != match->negated);
}

bool PortMatches(const std::optional<PortMatch>& match, uint16_t port) {
  return !match ||
         (match->first <= port && port <= match->last) != match->negated;
}

bool MultiportMatches(const MultiportMatch& match, const Packet& packet) {
  const auto in = [&](uint16_t port) {
    return std::any_of(
        match.ports.begin(), match.ports.end(),
        [&](const Range<uint16_t>& range) { return range.Contains(port); });
  };
  switch (match.side) {
    case MultiportMatch::Side::kSource:
      return in(packet.tp_src) != match.negated;
    case MultiportMatch::Side::kDestination:
      return in(packet.tp_dst) != match.negated;
    case MultiportMatch::Side::kEither:
      return (in(packet.tp_src) || in(packet.tp_dst)) != match.negated;
  }
  return false;
}

bool TypeMatches(const AddressTypeMatch& match, Family family, Uint128 bits) {
  const bool v4 = family == Family::kIpv4;
  const bool multicast = v4 ? bits >> 28 == 0xe : bits >> 120 == 0xff;
  const bool broadcast = v4 && (bits == 0 || bits == 0xffffffff);
  const bool unicast = !multicast && bits != 0 && !broadcast;
  return ((match.multicast && multicast) || (match.broadcast && broadcast) ||
          (match.unicast && unicast)) != match.negated;
}

bool SetMatches(const SetMatch& match, const Packet& packet) {
  const IpSet& set = *match.set;
  if (set.type == IpSet::Type::kMac) {
    return std::any_of(set.entries.begin(), set.entries.end(),
                       [&](const IpSet::Entry& entry) {
                         return entry.mac == packet.dl_src;
                       }) != match.negated;
  }
  const auto is_source = [&](size_t i) {
    return match.directions[i] == SetMatch::Direction::kSource;
  };
  const Uint128 address = is_source(0) ? packet.nw_src : packet.nw_dst;
  // The smallest network decides.
  const IpSet::Entry* best = nullptr;
  for (const IpSet::Entry& entry : set.entries) {
    if (!entry.addresses.Contains(address)) {
      continue;
    }
    if (set.HasPorts() &&
        (packet.later_fragment || entry.protocol != packet.nw_proto ||
         !entry.ports.Contains(is_source(1) ? packet.tp_src : packet.tp_dst))) {
      continue;
    }
    if (!best || entry.addresses.last - entry.addresses.first <=
                     best->addresses.last - best->addresses.first) {
      best = &entry;
    }
  }
  return (best && !best->nomatch) != match.negated;
}

bool LinkLayerMatches(const Matches& m, const PortNumbers& ports,
                      const Packet& packet) {
  if (m.in_interface) {
    const bool in =
        std::any_of(ports.begin(), ports.end(), [&](const auto& port) {
          return m.in_interface->Names(port.first) &&
                 port.second == packet.in_port && port.second != kPortLocal;
        });
    if (in == m.in_interface->negated) {
      return false;
    }
  }
  if (m.mac_source &&
      (m.mac_source->mac == packet.dl_src) == m.mac_source->negated) {
    return false;
  }
  if (m.vlan && (packet.vlan == m.vlan->id) == m.vlan->negated) {
    return false;
  }
  return !m.mark || m.mark->mark.Matches(packet.mark) != m.mark->negated;
}

bool TransportMatches(const Matches& m, const Packet& packet) {
  if (!m.MatchesTransport()) {
    return true;
  }
  if (packet.later_fragment || !PortMatches(m.source_port, packet.tp_src) ||
      !PortMatches(m.destination_port, packet.tp_dst)) {
    return false;
  }
  if (m.tcp_flags && ((packet.tcp_flags & m.tcp_flags->mask) ==
                      m.tcp_flags->set) == m.tcp_flags->negated) {
    return false;
  }
  if (m.icmp) {
    const bool is = (!m.icmp->type || *m.icmp->type == packet.tp_src) &&
                    (!m.icmp->code || *m.icmp->code == packet.tp_dst);
    if (is == m.icmp->negated) {
      return false;
    }
  }
  return std::all_of(m.multiports.begin(), m.multiports.end(),
                     [&](const MultiportMatch& match) {
                       return MultiportMatches(match, packet);
                     });
}

bool NetworkLayerMatches(const Matches& m, const Packet& packet) {
  if (!packet.family || !(*packet.family == Family::kIpv4 ? m.ipv4 : m.ipv6)) {
    return false;
  }
  const Family family = *packet.family;
  if (m.protocol &&
      (m.protocol->protocol == packet.nw_proto) == m.protocol->negated) {
    return false;
  }
  if (m.fragment && packet.later_fragment == m.fragment->negated) {
    return false;
  }
  if (m.dscp && (m.dscp->dscp == packet.dscp) == m.dscp->negated) {
    return false;
  }
  if (m.destination_type &&
      !TypeMatches(*m.destination_type, family, packet.nw_dst)) {
    return false;
  }
  return AddressMatches(m.source, family, packet.nw_src) &&
         AddressMatches(m.destination, family, packet.nw_dst) &&
         RangeMatches(m.source_range, family, packet.nw_src) &&
         RangeMatches(m.destination_range, family, packet.nw_dst);
}

bool RuleMatches(const Rule& rule, const PortNumbers& ports,
                 const Packet& packet) {
  const Matches& m = rule.matches;
  return LinkLayerMatches(m, ports, packet) &&
         (!m.MatchesLayer3() ||
          (NetworkLayerMatches(m, packet) && TransportMatches(m, packet))) &&
         std::all_of(m.sets.begin(), m.sets.end(), [&](const SetMatch& match) {
           return SetMatches(match, packet);
         });
}

// Goes through the rules as iptables does.
class RuleWalk {
 public:
  RuleWalk(const Policy& policy, const PortNumbers& ports, const Packet& packet)
      : policy_(policy), ports_(ports), packet_(packet) {}

  Outcome Run() {
    const Chain chain =
        packet_.in_port == kPortLocal ? Chain::kOutput : Chain::kPrerouting;
    outcome_.entered.insert(chain);
    if (Walk(std::string(ChainName(chain)))) {
      outcome_.fell_through.insert(chain);
    }
    return std::move(outcome_);
  }

 private:
  // Returns whether the packet comes out at the end of `chain`, or is returned
  // by a chain to which it jumped; false if a verdict ends the evaluation.
  bool Walk(const std::string& chain) {
    for (size_t r = 0; r < policy_.rules.size(); r++) {
      const Rule& rule = policy_.rules[r];
      if (rule.chain != chain || !RuleMatches(rule, ports_, packet_)) {
        continue;
      }
      if (const Verdict* verdict = rule.verdict()) {
        outcome_.hits.insert(r);
        return *verdict == Verdict::kReturn && !ChainByName(chain);
      } else if (const Jump* jump = rule.jump()) {
        outcome_.hits.insert(r);
        if (!Walk(jump->chain)) {
          return false;
        }
        if (jump->is_goto) {
          return true;
        }
        continue;
      }
      const Session& session = rule.mirror()->session;
      if (std::find(taken_.begin(), taken_.end(), session) == taken_.end()) {
        taken_.push_back(session);
        outcome_.hits.insert(r);
        outcome_.copies.insert(FormatMirror(*rule.mirror()));
      }
    }
    return true;
  }

  const Policy& policy_;
  const PortNumbers& ports_;
  const Packet& packet_;
  std::vector<Session> taken_;
  Outcome outcome_;
};

// Follows a packet through the table.
class FlowWalk {
 public:
  FlowWalk(const Policy& policy, const Program& program, const FlowTable& table,
           const Packet& packet)
      : policy_(policy), program_(program), table_(table), packet_(packet) {}

  Outcome Run() {
    Resubmit(0);
    return std::move(outcome_);
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
        outcome_.entered.insert(chain);
      } else if (cookie == Cookie{Role::kPolicy, ChainId(chain)}) {
        outcome_.fell_through.insert(chain);
      }
    }
    if (cookie.role == Role::kMirror || cookie.role == Role::kVerdict) {
      const auto it =
          std::find(program_.ids.begin(), program_.ids.end(), cookie.id);
      const size_t r = static_cast<size_t>(it - program_.ids.begin());
      if (r >= policy_.rules.size()) {
        throw std::logic_error("counted, but of no rule");
      }
      outcome_.hits.insert(r);
    }
  }

  void Execute(const FlowAction& action) {
    if (const Mirror* mirror = std::get_if<Mirror>(&action)) {
      outcome_.copies.insert(FormatMirror(*mirror));
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
  Outcome outcome_;
};

void StoreAddress(Family family, Uint128 bits, uint8_t* bytes) {
  for (int i = AddressWidth(family) / 8 - 1; i >= 0; i--) {
    bytes[i] = static_cast<uint8_t>(bits);
    bits >>= 8;
  }
}

}  // namespace

std::string FormatPacket(const Packet& packet) {
  std::string s = "in_port=" + std::to_string(packet.in_port) +
                  ",mark=" + std::to_string(packet.mark) +
                  ",dl_src=" + FormatMac(packet.dl_src);
  if (packet.vlan) {
    s += ",vlan=" + std::to_string(*packet.vlan);
  }
  if (packet.family) {
    s += ",proto=" + std::to_string(packet.nw_proto) +
         ",dscp=" + std::to_string(packet.dscp) +
         ",src=" + FormatAddress({*packet.family, packet.nw_src}) +
         ",dst=" + FormatAddress({*packet.family, packet.nw_dst}) +
         (packet.later_fragment ? ",later" : "") +
         ",tp_src=" + std::to_string(packet.tp_src) +
         ",tp_dst=" + std::to_string(packet.tp_dst) +
         ",flags=" + std::to_string(packet.tcp_flags);
  }
  return s;
}

Outcome EvaluateRules(const Policy& policy, const PortNumbers& ports,
                      const Packet& packet) {
  return RuleWalk(policy, ports, packet).Run();
}

FlowTable::FlowTable(const std::vector<Flow>& flows)
    : flows_(flows), table_(flow_table_create(), flow_table_destroy) {
  for (size_t i = 0; i < flows.size(); i++) {
    char* error =
        flow_table_add(table_.get(), FormatFlow(flows[i], 252).c_str(), i);
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

Outcome EvaluateFlows(const Policy& policy, const Program& program,
                      const FlowTable& table, const Packet& packet) {
  return FlowWalk(policy, program, table, packet).Run();
}

}  // namespace ovs_rmirror
