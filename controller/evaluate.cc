// SPDX-License-Identifier: Apache-2.0

#include "controller/evaluate.h"

#include <algorithm>

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

// `port` is none where it is not known: no name is its.
bool InterfaceMatches(const std::optional<InterfaceMatch>& match,
                      const PortNumbers& ports, std::optional<uint32_t> port) {
  if (!match) {
    return true;
  }
  if (match->IsNever()) {
    return false;
  }
  const bool in =
      port && port != kPortLocal &&
      std::any_of(ports.begin(), ports.end(), [&](const auto& entry) {
        return entry.second == port && match->Names(entry.first);
      });
  return in != match->negated;
}

bool LinkLayerMatches(const Matches& m, const Packet& packet) {
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
                 const Packet& packet, std::optional<uint32_t> out_port) {
  const Matches& m = rule.matches;
  return InterfaceMatches(m.in_interface, ports, packet.in_port) &&
         InterfaceMatches(m.out_interface, ports, out_port) &&
         LinkLayerMatches(m, packet) &&
         (!m.MatchesLayer3() ||
          (NetworkLayerMatches(m, packet) && TransportMatches(m, packet))) &&
         std::all_of(m.sets.begin(), m.sets.end(), [&](const SetMatch& match) {
           return SetMatches(match, packet);
         });
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

void Evaluation::Enter(const Packet& packet) {
  Offer(packet.in_port == kPortLocal ? Chain::kOutput : Chain::kPrerouting,
        packet, std::nullopt);
}

void Evaluation::Leave(const Packet& packet, uint32_t out_port) {
  if (out_port == kPortLocal) {
    Offer(Chain::kInput, packet, out_port);
  } else if (packet.in_port == kPortLocal ||
             Offer(Chain::kForward, packet, out_port)) {
    Offer(Chain::kPostrouting, packet, out_port);
  }
}

// Returns whether the packet may go on to another chain.
bool Evaluation::Offer(Chain chain, const Packet& packet,
                       std::optional<uint32_t> out_port) {
  if (!policy_.Uses(TapOf(chain))) {
    return false;
  }
  outcome_.entered.push_back(chain);
  Pass pass = {chain, packet, out_port, {}};
  std::optional<Verdict> verdict = Walk(std::string(ChainName(chain)), &pass);
  if (!verdict) {
    outcome_.fell_through.push_back(chain);
  }
  if (!verdict || verdict == Verdict::kReturn) {
    verdict = policy_.PolicyOf(chain);
  }
  return verdict != Verdict::kDrop;
}

// Goes through the rules of chain `name`.  Returns the verdict that ends the
// evaluation, or nothing if the packet comes out at the chain's end or by
// RETURN to where it came from.
std::optional<Verdict> Evaluation::Walk(const std::string& name, Pass* pass) {
  const auto contains = [](const std::vector<Session>& sessions,
                           const Session& session) {
    return std::find(sessions.begin(), sessions.end(), session) !=
           sessions.end();
  };
  const auto add_step = [&](size_t rule, Effect effect) {
    outcome_.steps.push_back({pass->chain, rule, effect});
  };
  for (size_t r = 0; r < policy_.rules.size(); r++) {
    const Rule& rule = policy_.rules[r];
    if (rule.chain != name ||
        !RuleMatches(rule, ports_, pass->packet, pass->out_port)) {
      continue;
    }
    if (const Verdict* verdict = rule.verdict()) {
      add_step(r, Effect::kVerdict);
      const bool returns = *verdict == Verdict::kReturn && !ChainByName(name);
      return returns ? std::nullopt : std::optional(*verdict);
    } else if (const Jump* jump = rule.jump()) {
      add_step(r, Effect::kJump);
      const std::optional<Verdict> end = Walk(jump->chain, pass);
      if (end || jump->is_goto) {
        return end;
      }
      continue;
    }
    const Session& session = rule.mirror()->session;
    const Matches& m = rule.matches;
    const bool always = !m.limit && !m.statistic && !rule.mirror()->budget;
    Effect effect = always ? Effect::kCopy : Effect::kMayCopy;
    if (contains(pass->met, session)) {
      effect = Effect::kSkip;
    } else if (contains(taken_, session)) {
      effect = Effect::kRepeat;
    } else {
      taken_.push_back(session);
    }
    pass->met.push_back(session);
    add_step(r, effect);
  }
  return std::nullopt;
}

}  // namespace ovs_rmirror
