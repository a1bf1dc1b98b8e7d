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

bool PortMatches(const std::optional<PortMatch>& match, const Packet& packet,
                 uint16_t port) {
  if (!match) {
    return true;
  }
  const bool in = match->first <= port && port <= match->last;
  return !packet.later_fragment && in != match->negated;
}

bool RuleMatches(const Rule& rule, const PortNumbers& ports,
                 const Packet& packet) {
  if (rule.in_interface) {
    const auto port = ports.find(*rule.in_interface);
    if (port == ports.end() || port->second != packet.in_port) {
      return false;
    }
  }
  if (rule.mac_source &&
      (rule.mac_source->mac == packet.dl_src) == rule.mac_source->negated) {
    return false;
  }
  if (!rule.MatchesLayer3()) {
    return true;
  }
  if (!packet.family ||
      !(*packet.family == Family::kIpv4 ? rule.ipv4 : rule.ipv6)) {
    return false;
  }
  if (rule.protocol &&
      (rule.protocol->protocol == packet.nw_proto) == rule.protocol->negated) {
    return false;
  }
  return AddressMatches(rule.source, *packet.family, packet.nw_src) &&
         AddressMatches(rule.destination, *packet.family, packet.nw_dst) &&
         PortMatches(rule.source_port, packet, packet.tp_src) &&
         PortMatches(rule.destination_port, packet, packet.tp_dst);
}

bool FlowMatches(const FlowMatch& match, uint32_t stage, const Packet& packet) {
  if (match.stage != stage ||
      (match.in_port && *match.in_port != packet.in_port) ||
      !match.dl_src.Matches(packet.dl_src)) {
    return false;
  }
  if (!match.family) {
    return true;
  }
  return packet.family == match.family &&
         (!match.nw_proto || *match.nw_proto == packet.nw_proto) &&
         match.nw_src.Matches(packet.nw_src) &&
         match.nw_dst.Matches(packet.nw_dst) &&
         !(match.not_later && packet.later_fragment) &&
         match.tp_src.Matches(packet.tp_src) &&
         match.tp_dst.Matches(packet.tp_dst);
}

class Table {
 public:
  Table(const Policy& policy, const Program& program,
        const std::vector<Flow>& flows, const Packet& packet)
      : policy_(policy), program_(program), flows_(flows), packet_(packet) {}

  Outcome Run() {
    Resubmit(0);
    return std::move(outcome_);
  }

 private:
  void Resubmit(uint32_t stage) {
    const Flow* best = nullptr;
    for (const Flow& flow : flows_) {
      if (!FlowMatches(flow.match, stage, packet_)) {
        continue;
      }
      if (best && flow.priority == best->priority &&
          (flow.cookie != best->cookie || flow.actions != best->actions)) {
        throw std::logic_error("ambiguous: " + FormatFlow(flow, 252) + " and " +
                               FormatFlow(*best, 252));
      }
      if (!best || flow.priority > best->priority) {
        best = &flow;
      }
    }
    if (best) {
      Count(best->cookie);
      Execute(best->actions);
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
      if (r >= policy_.rules.size() || !outcome_.hits.insert(r).second) {
        throw std::logic_error("counted twice, or of no rule");
      }
    }
  }

  void Execute(const FlowActions& actions) {
    if (const Mirror* mirror = std::get_if<Mirror>(&actions)) {
      outcome_.copies.insert(FormatMirror(*mirror));
    } else if (const EnterStages* enter = std::get_if<EnterStages>(&actions)) {
      for (const uint32_t number : enter->numbers) {
        Resubmit(number);
      }
    }
  }

  const Policy& policy_;
  const Program& program_;
  const std::vector<Flow>& flows_;
  const Packet& packet_;
  Outcome outcome_;
};

}  // namespace

Outcome EvaluateRules(const Policy& policy, const PortNumbers& ports,
                      const Packet& packet) {
  const Chain chain =
      packet.in_port == kPortLocal ? Chain::kOutput : Chain::kPrerouting;
  Outcome outcome;
  outcome.entered.insert(chain);
  std::vector<Session> taken;
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Rule& rule = policy.rules[r];
    if (rule.chain != chain || !RuleMatches(rule, ports, packet)) {
      continue;
    }
    if (rule.verdict()) {
      outcome.hits.insert(r);
      return outcome;
    }
    const Session& session = rule.mirror()->session;
    if (std::find(taken.begin(), taken.end(), session) == taken.end()) {
      taken.push_back(session);
      outcome.hits.insert(r);
      outcome.copies.insert(FormatMirror(*rule.mirror()));
    }
  }
  outcome.fell_through.insert(chain);
  return outcome;
}

Outcome EvaluateFlows(const Policy& policy, const Program& program,
                      const std::vector<Flow>& flows, const Packet& packet) {
  return Table(policy, program, flows, packet).Run();
}

}  // namespace ovs_rmirror
