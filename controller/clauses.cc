// SPDX-License-Identifier: Apache-2.0

#include "controller/clauses.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>

namespace ovs_rmirror {

namespace {

using Alternatives = std::vector<FlowMatch>;

constexpr int kMacWidth = 48;
constexpr uint64_t kMacMask = (uint64_t{1} << kMacWidth) - 1;

// In a VLAN tag: the bit that says that there is a tag, and the ID.
constexpr uint16_t kVlanPresent = 0x1000;
constexpr uint16_t kVlanId = 0x0fff;

enum class Side { kSource, kDestination };

// Keeps the first of those that are the same.
void RemoveDoubles(Alternatives* alternatives) {
  std::set<FlowMatch> seen;
  std::erase_if(*alternatives, [&](const FlowMatch& alternative) {
    return !seen.insert(alternative).second;
  });
}

FlowMatch AddressAlternative(Side side, Family family,
                             const Masked<Uint128>& bits) {
  FlowMatch m;
  m.family = family;
  (side == Side::kSource ? m.nw_src : m.nw_dst) = bits;
  return m;
}

FlowMatch PortAlternative(Side side, const Masked<uint16_t>& bits) {
  FlowMatch m;
  (side == Side::kSource ? m.tp_src : m.tp_dst) = bits;
  return m;
}

Alternatives CoverAddresses(Side side, Family family,
                            const std::vector<Range<Uint128>>& ranges) {
  Alternatives alternatives;
  for (const Range<Uint128>& range : ranges) {
    for (const auto& bits : Cover(range, AddressWidth(family))) {
      alternatives.push_back(AddressAlternative(side, family, bits));
    }
  }
  return alternatives;
}

Alternatives CoverPorts(Side side, const std::vector<Range<uint16_t>>& ranges) {
  Alternatives alternatives;
  for (const Range<uint16_t>& range : ranges) {
    for (const auto& bits : CoverRange(range.first, range.last)) {
      alternatives.push_back(PortAlternative(side, bits));
    }
  }
  return alternatives;
}

// `m`, or all that it is not, of a field of `width` bits.
template <typename T>
std::vector<Masked<T>> Maybe(bool negated, const Masked<T>& m, int width) {
  return negated ? Complement(m, width) : std::vector<Masked<T>>{m};
}

Side SideOf(SetMatch::Direction direction) {
  return direction == SetMatch::Direction::kSource ? Side::kSource
                                                   : Side::kDestination;
}

// The packets that are in the set.
Alternatives SetAlternatives(const SetMatch& match) {
  const IpSet& set = *match.set;
  Alternatives alternatives;
  if (set.type == IpSet::Type::kMac) {
    for (const IpSet::Entry& entry : set.entries) {
      FlowMatch m;
      m.dl_src = {entry.mac, kMacMask};
      alternatives.push_back(m);
    }
    return alternatives;
  }
  for (const IpSetPart& part : set.parts) {
    const Alternatives addresses =
        CoverAddresses(SideOf(match.directions[0]), set.family, part.addresses);
    if (!part.protocol) {
      alternatives.insert(alternatives.end(), addresses.begin(),
                          addresses.end());
      continue;
    }
    for (FlowMatch ports :
         CoverPorts(SideOf(match.directions[1]), {part.ports})) {
      ports.nw_proto = part.protocol;
      ports.fragment = Fragment::kNotLater;
      for (const FlowMatch& address : addresses) {
        alternatives.push_back(*Intersect(address, ports));
      }
    }
  }
  return alternatives;
}

// The packets that are not in the set, if few flows can say so.
std::optional<Alternatives> SetComplement(const SetMatch& match) {
  const IpSet& set = *match.set;
  if (set.type == IpSet::Type::kMac || set.HasPorts()) {
    return std::nullopt;
  }
  const Alternatives alternatives = CoverAddresses(
      SideOf(match.directions[0]), set.family,
      Complement(set.parts.empty() ? std::vector<Range<Uint128>>()
                                   : set.parts[0].addresses,
                 AddressWidth(set.family)));
  return alternatives.size() <= kMaxComplement ? std::optional(alternatives)
                                               : std::nullopt;
}

// The destinations that a switch takes for unicast, and so on.
std::vector<Range<Uint128>> TypeRanges(const AddressTypeMatch& match,
                                       Family family) {
  const bool v4 = family == Family::kIpv4;
  const Uint128 one = 1;
  const Uint128 highest = PrefixMask(family, AddressWidth(family));
  const Range<Uint128> multicast =
      v4 ? Range<Uint128>{one * 0xe0000000, one * 0xefffffff}
         : Range<Uint128>{one * 0xff << 120, highest};
  std::vector<Range<Uint128>> neither = {{0, 0}};
  if (v4) {
    neither.push_back({highest, highest});
  }
  std::vector<Range<Uint128>> ranges;
  if (match.multicast) {
    ranges.push_back(multicast);
  }
  if (match.broadcast && v4) {
    // Linux takes 0.0.0.0 for one, too.
    ranges.insert(ranges.end(), neither.begin(), neither.end());
  }
  if (match.unicast) {
    std::vector<Range<Uint128>> others = neither;
    others.push_back(multicast);
    for (const auto& range : Complement(others, AddressWidth(family))) {
      ranges.push_back(range);
    }
  }
  return match.negated ? Complement(ranges, AddressWidth(family))
                       : Merge(ranges);
}

// The numbers of the ports that `match` names.
std::vector<uint32_t> NumbersOf(const InterfaceMatch& match,
                                const PortNumbers& ports) {
  std::vector<uint32_t> numbers;
  for (const auto& [name, number] : ports) {
    if (match.Names(name) && number != kPortLocal) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

Alternatives InPorts(const InterfaceMatch& match, const PortNumbers& ports) {
  Alternatives alternatives;
  for (const uint32_t number : NumbersOf(match, ports)) {
    alternatives.emplace_back().in_port = number;
  }
  return alternatives;
}

Alternatives OutPorts(const InterfaceMatch& match, Tap tap,
                      const PortNumbers& ports) {
  Alternatives alternatives;
  if (tap == Tap::kEgress) {
    for (const uint32_t number : NumbersOf(match, ports)) {
      alternatives.emplace_back().actset_output = number;
    }
  }
  return alternatives;
}

// Collects the clauses of a rule for packets of `family`, or for all frames.
class Collector {
 public:
  Collector(const Matches& matches, Tap tap, const PortNumbers& ports,
            std::optional<Family> family)
      : matches_(matches), tap_(tap), ports_(ports), family_(family) {
    result_.base.family = family;
  }

  // Returns nothing if no packet can match.
  std::optional<Clauses> Collect() {
    AddLinkLayer();
    if (family_) {
      AddNetworkLayer(*family_);
      AddTransportLayer();
    }
    for (const SetMatch& match : matches_.sets) {
      if (!match.negated) {
        Add(SetAlternatives(match));
      } else if (const auto complement = SetComplement(match)) {
        Add(*complement);
      }
    }
    return Simplify() ? std::optional(result_) : std::nullopt;
  }

 private:
  void Add(Alternatives alternatives) {
    result_.clauses.push_back(std::move(alternatives));
  }

  void AddLinkLayer();
  void AddNetworkLayer(Family family);
  void AddAddresses(Side side, Family family,
                    const std::optional<AddressMatch>& match);
  void AddRange(Side side, const std::optional<AddressRangeMatch>& match);
  void AddTransportLayer();
  void AddPorts(Side side, const std::optional<PortMatch>& match);
  void AddMultiport(const MultiportMatch& match);
  bool Simplify();

  const Matches& matches_;
  const Tap tap_;
  const PortNumbers& ports_;
  const std::optional<Family> family_;
  Clauses result_;
};

void Collector::AddLinkLayer() {
  for (const auto* match : {&matches_.in_interface, &matches_.out_interface}) {
    if (*match && (*match)->IsNever()) {
      Add({});
    }
  }
  if (const auto& match = matches_.in_interface; match && !match->negated) {
    Add(InPorts(*match, ports_));
  }
  if (const auto& match = matches_.out_interface; match && !match->negated) {
    Add(OutPorts(*match, tap_, ports_));
  }
  if (const auto& match = matches_.mac_source) {
    Alternatives alternatives;
    for (const auto& bits :
         Maybe<uint64_t>(match->negated, {match->mac, kMacMask}, kMacWidth)) {
      alternatives.emplace_back().dl_src = bits;
    }
    Add(std::move(alternatives));
  }
  if (const auto& match = matches_.vlan) {
    Alternatives alternatives;
    const Masked<uint16_t> tag = {
        static_cast<uint16_t>(kVlanPresent | match->id),
        kVlanPresent | kVlanId};
    for (const auto& bits : Maybe(match->negated, tag, 16)) {
      alternatives.emplace_back().vlan_tci = bits;
    }
    Add(std::move(alternatives));
  }
  if (const auto& match = matches_.mark) {
    Alternatives alternatives;
    for (const auto& bits : Maybe(match->negated, match->mark, 32)) {
      alternatives.emplace_back().pkt_mark = bits;
    }
    Add(std::move(alternatives));
  }
}

void Collector::AddNetworkLayer(Family family) {
  FlowMatch& base = result_.base;
  if (const auto& match = matches_.protocol; match && !match->negated) {
    base.nw_proto = match->protocol;
  }
  if (const auto& match = matches_.fragment) {
    base.fragment = match->negated ? Fragment::kNotLater : Fragment::kLater;
  }
  AddAddresses(Side::kSource, family, matches_.source);
  AddAddresses(Side::kDestination, family, matches_.destination);
  AddRange(Side::kSource, matches_.source_range);
  AddRange(Side::kDestination, matches_.destination_range);
  if (const auto& match = matches_.destination_type) {
    Add(CoverAddresses(Side::kDestination, family, TypeRanges(*match, family)));
  }
  if (const auto& match = matches_.dscp) {
    Alternatives alternatives;
    for (uint8_t dscp = 0; dscp < 64; dscp++) {
      if ((dscp == match->dscp) != match->negated) {
        alternatives.emplace_back().dscp = dscp;
      }
    }
    Add(std::move(alternatives));
  }
}

void Collector::AddAddresses(Side side, Family family,
                             const std::optional<AddressMatch>& match) {
  if (!match) {
    return;
  }
  Alternatives alternatives;
  for (const Network& network : match->networks) {
    if (network.family == family) {
      for (const auto& bits :
           Maybe(match->negated, network.bits, AddressWidth(family))) {
        alternatives.push_back(AddressAlternative(side, family, bits));
      }
    }
  }
  Add(std::move(alternatives));
}

void Collector::AddRange(Side side,
                         const std::optional<AddressRangeMatch>& match) {
  if (match) {
    const int width = AddressWidth(match->family);
    Add(CoverAddresses(side, match->family,
                       match->negated ? Complement({match->range}, width)
                                      : std::vector{match->range}));
  }
}

void Collector::AddTransportLayer() {
  if (!matches_.MatchesTransport()) {
    return;
  }
  // iptables, too, finds no ports in a fragment without transport header.
  FlowMatch not_later;
  not_later.fragment = Fragment::kNotLater;
  Add({not_later});
  AddPorts(Side::kSource, matches_.source_port);
  AddPorts(Side::kDestination, matches_.destination_port);
  for (const MultiportMatch& match : matches_.multiports) {
    AddMultiport(match);
  }
  if (const auto& match = matches_.tcp_flags) {
    Alternatives alternatives;
    const Masked<uint16_t> flags = {match->set, match->mask};
    for (const auto& bits : Maybe(match->negated, flags, 16)) {
      alternatives.emplace_back().tcp_flags = bits;
    }
    Add(std::move(alternatives));
  }
  if (const auto& match = matches_.icmp; match && match->negated) {
    if (!match->type) {
      Add({});
    }
  } else if (match && match->type) {
    FlowMatch m;
    m.tp_src = {*match->type, 0xffff};
    if (match->code) {
      m.tp_dst = {*match->code, 0xffff};
    }
    Add({m});
  }
}

void Collector::AddPorts(Side side, const std::optional<PortMatch>& match) {
  if (match) {
    const std::vector<Range<uint16_t>> range = {{match->first, match->last}};
    Add(CoverPorts(side, match->negated ? Complement(range) : range));
  }
}

void Collector::AddMultiport(const MultiportMatch& match) {
  const auto ports =
      match.negated ? Complement(match.ports) : Merge(match.ports);
  const bool source = match.side != MultiportMatch::Side::kDestination;
  const bool destination = match.side != MultiportMatch::Side::kSource;
  if (match.negated || !source || !destination) {
    // Neither port may be in the list, or only one counts.
    if (source) {
      Add(CoverPorts(Side::kSource, ports));
    }
    if (destination) {
      Add(CoverPorts(Side::kDestination, ports));
    }
    return;
  }
  Alternatives either = CoverPorts(Side::kSource, ports);
  const Alternatives others = CoverPorts(Side::kDestination, ports);
  either.insert(either.end(), others.begin(), others.end());
  Add(std::move(either));
}

// Moves clauses with one alternative into the base, and drops alternatives that
// contradict it.  Returns false if nothing is left of a clause.
bool Collector::Simplify() {
  bool changed = true;
  while (changed) {
    changed = false;
    std::vector<Alternatives> rest;
    for (const Alternatives& clause : result_.clauses) {
      Alternatives possible;
      bool is_base = false;  // An alternative is all of the base.
      for (const FlowMatch& alternative : clause) {
        if (const auto m = Intersect(result_.base, alternative)) {
          is_base = is_base || *m == result_.base;
          possible.push_back(*m);
        }
      }
      if (possible.empty()) {
        return false;
      } else if (possible.size() == 1) {
        changed = changed || possible[0] != result_.base;
        result_.base = possible[0];
      } else if (!is_base) {
        RemoveDoubles(&possible);
        rest.push_back(std::move(possible));
      }
    }
    result_.clauses = std::move(rest);
  }
  return true;
}

Alternatives FindExceptions(const Matches& matches, Tap tap,
                            const PortNumbers& ports) {
  Alternatives exceptions;
  if (const auto& match = matches.in_interface; match && match->negated) {
    exceptions = InPorts(*match, ports);
  }
  if (const auto& match = matches.out_interface; match && match->negated) {
    const Alternatives others = OutPorts(*match, tap, ports);
    exceptions.insert(exceptions.end(), others.begin(), others.end());
  }
  if (const auto& match = matches.protocol; match && match->negated) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      if (family == Family::kIpv4 ? matches.ipv4 : matches.ipv6) {
        FlowMatch m;
        m.family = family;
        m.nw_proto = match->protocol;
        exceptions.push_back(m);
      }
    }
  }
  if (const auto& match = matches.icmp;
      match && match->negated && match->type) {
    const bool v4 = match->family == Family::kIpv4;
    FlowMatch m;
    m.family = match->family;
    m.nw_proto = v4 ? uint8_t{IPPROTO_ICMP} : uint8_t{IPPROTO_ICMPV6};
    m.fragment = Fragment::kNotLater;
    m.tp_src = {*match->type, 0xffff};
    if (match->code) {
      m.tp_dst = {*match->code, 0xffff};
    }
    exceptions.push_back(m);
  }
  for (const SetMatch& match : matches.sets) {
    if (match.negated && !SetComplement(match)) {
      const Alternatives alternatives = SetAlternatives(match);
      exceptions.insert(exceptions.end(), alternatives.begin(),
                        alternatives.end());
    }
  }
  RemoveDoubles(&exceptions);
  return exceptions;
}

// Whether two lists of addresses, neither of them negated, have none in common.
bool AreDisjointAddresses(const std::optional<AddressMatch>& a,
                          const std::optional<AddressMatch>& b) {
  if (!a || !b || a->negated || b->negated) {
    return false;
  }
  Masked<Uint128> both;
  for (const Network& x : a->networks) {
    for (const Network& y : b->networks) {
      if (x.family == y.family && Intersect(x.bits, y.bits, &both)) {
        return false;
      }
    }
  }
  return true;
}

bool AreDisjointInterfaces(const std::optional<InterfaceMatch>& a,
                           const std::optional<InterfaceMatch>& b) {
  const auto covers = [](const InterfaceMatch& large,
                         const InterfaceMatch& small) {
    return large.prefix ? small.name.starts_with(large.name)
                        : !small.prefix && small.name == large.name;
  };
  return a && b && !a->negated && !b->negated && !covers(*a, *b) &&
         !covers(*b, *a);
}

bool AreDisjointPorts(const std::optional<PortMatch>& a,
                      const std::optional<PortMatch>& b) {
  return a && b && !a->negated && !b->negated &&
         (a->last < b->first || b->last < a->first);
}

}  // namespace

bool NeedsExceptions(const Matches& matches) {
  const auto is_negated = [](const auto& match) {
    return match && match->negated;
  };
  return is_negated(matches.in_interface) ||
         is_negated(matches.out_interface) || is_negated(matches.protocol) ||
         (is_negated(matches.icmp) && matches.icmp->type) ||
         std::any_of(matches.sets.begin(), matches.sets.end(),
                     [](const SetMatch& match) {
                       return match.negated && !SetComplement(match);
                     });
}

RuleClauses FindClauses(const Matches& matches, Tap tap,
                        const PortNumbers& ports) {
  RuleClauses result;
  std::vector<std::optional<Family>> families;
  if (!matches.MatchesLayer3()) {
    families.push_back(std::nullopt);
  } else {
    if (matches.ipv4) {
      families.push_back(Family::kIpv4);
    }
    if (matches.ipv6) {
      families.push_back(Family::kIpv6);
    }
  }
  for (const std::optional<Family>& family : families) {
    if (auto clauses = Collector(matches, tap, ports, family).Collect()) {
      result.variants.push_back(std::move(*clauses));
    }
  }
  if (!result.variants.empty()) {
    result.exceptions = FindExceptions(matches, tap, ports);
  }
  return result;
}

const InterfaceMatch* FindMissingPort(const Matches& matches,
                                      const PortNumbers& ports) {
  for (const auto* match : {&matches.in_interface, &matches.out_interface}) {
    if (*match && !(*match)->negated && NumbersOf(**match, ports).empty()) {
      return &**match;
    }
  }
  return nullptr;
}

bool AreDisjoint(const Matches& a, const Matches& b) {
  const auto differ = [](const auto& x, const auto& y, auto value) {
    return x && y && !x->negated && !y->negated && value(*x) != value(*y);
  };
  if (AreDisjointInterfaces(a.in_interface, b.in_interface) ||
      AreDisjointInterfaces(a.out_interface, b.out_interface)) {
    return true;
  }
  if (a.MatchesLayer3() && b.MatchesLayer3() && !(a.ipv4 && b.ipv4) &&
      !(a.ipv6 && b.ipv6)) {
    return true;
  }
  const bool same_protocol = a.protocol && b.protocol && !a.protocol->negated &&
                             !b.protocol->negated &&
                             a.protocol->protocol == b.protocol->protocol;
  return differ(a.protocol, b.protocol,
                [](const ProtocolMatch& m) { return m.protocol; }) ||
         differ(a.mac_source, b.mac_source,
                [](const MacMatch& m) { return m.mac; }) ||
         differ(a.vlan, b.vlan, [](const VlanMatch& m) { return m.id; }) ||
         AreDisjointAddresses(a.source, b.source) ||
         AreDisjointAddresses(a.destination, b.destination) ||
         (same_protocol &&
          (AreDisjointPorts(a.source_port, b.source_port) ||
           AreDisjointPorts(a.destination_port, b.destination_port)));
}

}  // namespace ovs_rmirror
