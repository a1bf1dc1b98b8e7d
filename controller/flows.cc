// SPDX-License-Identifier: Apache-2.0

#include "controller/flows.h"

#include <algorithm>

namespace ovs_rmirror {

namespace {

constexpr int kMacWidth = 48;
constexpr Masked<uint64_t> kWholeMac(uint64_t mac) {
  return {mac, (uint64_t{1} << kMacWidth) - 1};
}

// The entry of OUTPUT stands before that of PREROUTING, which is for all ports.
constexpr uint16_t kEntryPriority = 1;
constexpr uint16_t kLocalEntryPriority = 2;

// What a rule says about one field, as alternatives of which any may hold.  No
// element: nothing can match.  One with mask 0: everything does.
struct Alternatives {
  std::vector<std::optional<uint8_t>> protocols;
  std::map<Family, std::vector<Masked<Uint128>>> sources, destinations;
  std::vector<Masked<uint16_t>> source_ports, destination_ports;
  std::vector<Masked<uint64_t>> macs;
};

std::vector<std::optional<uint8_t>> ProtocolAlternatives(const Rule& rule) {
  if (!rule.protocol) {
    return {std::nullopt};
  }
  if (!rule.protocol->negated) {
    return {rule.protocol->protocol};
  }
  std::vector<std::optional<uint8_t>> others;
  for (int protocol = 0; protocol <= 255; protocol++) {
    if (protocol != rule.protocol->protocol) {
      others.push_back(static_cast<uint8_t>(protocol));
    }
  }
  return others;
}

std::vector<Masked<Uint128>> AddressAlternatives(
    const std::optional<AddressMatch>& match, Family family) {
  if (!match) {
    return {{}};
  }
  std::vector<Masked<Uint128>> networks;
  for (const Network& network : match->networks) {
    if (network.family != family) {
      continue;
    }
    if (match->negated) {
      return Complement(network.bits, AddressWidth(family));
    }
    networks.push_back(network.bits);
  }
  return networks;
}

std::vector<Masked<uint16_t>> PortAlternatives(
    const std::optional<PortMatch>& match) {
  if (!match) {
    return {{}};
  }
  if (!match->negated) {
    return CoverRange(match->first, match->last);
  }
  std::vector<Masked<uint16_t>> ports;
  if (match->first > 0) {
    ports = CoverRange(0, static_cast<uint16_t>(match->first - 1));
  }
  if (match->last < 65535) {
    const auto above =
        CoverRange(static_cast<uint16_t>(match->last + 1), 65535);
    ports.insert(ports.end(), above.begin(), above.end());
  }
  return ports;
}

std::vector<Masked<uint64_t>> MacAlternatives(
    const std::optional<MacMatch>& match) {
  if (!match) {
    return {{}};
  }
  const Masked<uint64_t> mac = kWholeMac(match->mac);
  return match->negated ? Complement(mac, kMacWidth)
                        : std::vector<Masked<uint64_t>>{mac};
}

std::vector<Family> Families(const Rule& rule) {
  std::vector<Family> families;
  if (rule.ipv4) {
    families.push_back(Family::kIpv4);
  }
  if (rule.ipv6) {
    families.push_back(Family::kIpv6);
  }
  return families;
}

Alternatives FindAlternatives(const Rule& rule) {
  Alternatives alternatives;
  alternatives.protocols = ProtocolAlternatives(rule);
  for (const Family family : Families(rule)) {
    alternatives.sources[family] = AddressAlternatives(rule.source, family);
    alternatives.destinations[family] =
        AddressAlternatives(rule.destination, family);
  }
  alternatives.source_ports = PortAlternatives(rule.source_port);
  alternatives.destination_ports = PortAlternatives(rule.destination_port);
  alternatives.macs = MacAlternatives(rule.mac_source);
  return alternatives;
}

// The number of matches into which `rule` expands.
uint64_t CountMatches(const Rule& rule, const Alternatives& alternatives) {
  const uint64_t rest =
      alternatives.macs.size() * alternatives.protocols.size() *
      alternatives.source_ports.size() * alternatives.destination_ports.size();
  if (!rule.MatchesLayer3()) {
    return rest;
  }
  uint64_t n = 0;
  for (const Family family : Families(rule)) {
    n += rest * alternatives.sources.at(family).size() *
         alternatives.destinations.at(family).size();
  }
  return n;
}

// Replaces each of `matches` by what `set` makes of it with each alternative.
template <typename T, typename Set>
void Expand(const std::vector<T>& alternatives, const Set& set,
            std::vector<FlowMatch>* matches) {
  std::vector<FlowMatch> expanded;
  expanded.reserve(matches->size() * alternatives.size());
  for (const FlowMatch& match : *matches) {
    for (const T& alternative : alternatives) {
      expanded.push_back(match);
      set(alternative, &expanded.back());
    }
  }
  *matches = std::move(expanded);
}

std::vector<FlowMatch> ExpandRule(const Rule& rule,
                                  const Alternatives& alternatives,
                                  const std::optional<uint32_t>& in_port) {
  FlowMatch base;
  base.in_port = in_port;
  // iptables, too, finds no ports in a fragment without transport header.
  base.not_later = rule.source_port || rule.destination_port;
  std::vector<FlowMatch> matches;
  if (!rule.MatchesLayer3()) {
    matches.push_back(base);
  } else {
    for (const Family family : Families(rule)) {
      base.family = family;
      std::vector<FlowMatch> of_family = {base};
      Expand(
          alternatives.protocols,
          [](const std::optional<uint8_t>& p, FlowMatch* m) {
            m->nw_proto = p;
          },
          &of_family);
      Expand(
          alternatives.sources.at(family),
          [](const Masked<Uint128>& a, FlowMatch* m) { m->nw_src = a; },
          &of_family);
      Expand(
          alternatives.destinations.at(family),
          [](const Masked<Uint128>& a, FlowMatch* m) { m->nw_dst = a; },
          &of_family);
      matches.insert(matches.end(), of_family.begin(), of_family.end());
    }
  }
  Expand(
      alternatives.source_ports,
      [](const Masked<uint16_t>& p, FlowMatch* m) { m->tp_src = p; }, &matches);
  Expand(
      alternatives.destination_ports,
      [](const Masked<uint16_t>& p, FlowMatch* m) { m->tp_dst = p; }, &matches);
  Expand(
      alternatives.macs,
      [](const Masked<uint64_t>& mac, FlowMatch* m) { m->dl_src = mac; },
      &matches);
  return matches;
}

// The flows of rule `r` in `stage`.
void AddRule(const Policy& policy, const Program& program, const Stage& stage,
             size_t r, const std::vector<FlowMatch>& matches,
             std::vector<Flow>* flows) {
  const Rule& rule = policy.rules[r];
  Flow flow;
  flow.priority = program.priorities[r];
  flow.cookie.id = program.ids[r];
  if (const Mirror* mirror = rule.mirror()) {
    flow.cookie.role = Role::kMirror;
    flow.actions = *mirror;
  } else {
    flow.cookie.role = stage.session ? Role::kGuard : Role::kVerdict;
  }
  for (const FlowMatch& match : matches) {
    flow.match = match;
    flow.match.stage = stage.number;
    flows->push_back(flow);
  }
}

void AddEntry(const Program& program, Chain chain, std::vector<Flow>* flows) {
  Flow entry;
  entry.priority =
      chain == Chain::kOutput ? kLocalEntryPriority : kEntryPriority;
  entry.cookie = {Role::kEntry, ChainId(chain)};
  if (chain == Chain::kOutput) {
    entry.match.in_port = kPortLocal;
  }
  EnterStages enter;
  for (const Stage& stage : program.stages) {
    if (stage.chain == chain) {
      enter.numbers.push_back(stage.number);
    }
  }
  entry.actions = std::move(enter);
  flows->push_back(std::move(entry));
}

// Where a packet without verdict ends, in the stage of the chain's verdicts.
void AddChainPolicy(const Stage& stage, std::vector<Flow>* flows) {
  Flow flow;
  flow.cookie = {Role::kPolicy, ChainId(stage.chain)};
  flow.match.stage = stage.number;
  flows->push_back(std::move(flow));
}

}  // namespace

TapFlows CompileFlows(const Policy& policy, const Program& program,
                      const PortNumbers& ports, Diagnostics* diagnostics) {
  TapFlows result;

  // In how many stages does each rule appear?
  std::vector<uint64_t> appearances(policy.rules.size());
  for (const Stage& stage : program.stages) {
    for (const size_t r : stage.rules) {
      appearances[r]++;
    }
  }

  std::vector<std::vector<FlowMatch>> matches(policy.rules.size());
  uint64_t total = 0;
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const Rule& rule = policy.rules[r];
    std::optional<uint32_t> in_port;
    if (rule.in_interface) {
      const auto port = ports.find(*rule.in_interface);
      if (port == ports.end() || port->second == kPortLocal) {
        result.dormant.push_back(r);
        continue;
      }
      in_port = port->second;
    }
    const Alternatives alternatives = FindAlternatives(rule);
    const uint64_t n = CountMatches(rule, alternatives) * appearances[r];
    total += n;
    if (total > kMaxFlows) {
      diagnostics->Error(rule.where,
                         "with this rule, which takes " + std::to_string(n) +
                             " flows, the policy takes more than " +
                             std::to_string(kMaxFlows),
                         "a '!' costs a flow for each bit of an address and "
                         "for each protocol, times those of the rule's other "
                         "matches: write a RETURN rule for what to exclude");
      return result;
    }
    matches[r] = ExpandRule(rule, alternatives, in_port);
  }

  for (const Chain chain : kChains) {
    AddEntry(program, chain, &result.flows);
  }
  for (const Stage& stage : program.stages) {
    for (const size_t r : stage.rules) {
      AddRule(policy, program, stage, r, matches[r], &result.flows);
    }
    if (!stage.session) {
      AddChainPolicy(stage, &result.flows);
    }
  }
  return result;
}

TapFlows CompileForAnySwitch(const Policy& policy, Diagnostics* diagnostics) {
  PortNumbers ports;
  for (const Rule& rule : policy.rules) {
    if (rule.in_interface) {
      ports[*rule.in_interface] = 1;
    }
  }
  const Program program = BuildStages(policy, {}, diagnostics);
  return diagnostics->HasErrors()
             ? TapFlows()
             : CompileFlows(policy, program, ports, diagnostics);
}

}  // namespace ovs_rmirror
