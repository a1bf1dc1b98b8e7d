// SPDX-License-Identifier: Apache-2.0

#include "controller/warnings.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "controller/clauses.h"

namespace ovs_rmirror {

namespace {

// Comparing very many rules with each other takes too long.
constexpr size_t kMaxComparisons = 10000000;

bool CoversAddresses(const std::optional<AddressMatch>& a,
                     const std::optional<AddressMatch>& b) {
  if (!a || a == b) {
    return true;
  }
  if (!b || a->negated || b->negated) {
    return false;
  }
  return std::all_of(
      b->networks.begin(), b->networks.end(), [&](const Network& small) {
        return std::any_of(a->networks.begin(), a->networks.end(),
                           [&](const Network& large) {
                             return large.family == small.family &&
                                    (large.bits.mask & ~small.bits.mask) == 0 &&
                                    large.bits.Matches(small.bits.value);
                           });
      });
}

bool CoversProtocol(const std::optional<ProtocolMatch>& a,
                    const std::optional<ProtocolMatch>& b) {
  return !a || a == b ||
         (b && a->negated && !b->negated && a->protocol != b->protocol);
}

bool CoversInterface(const std::optional<InterfaceMatch>& a,
                     const std::optional<InterfaceMatch>& b) {
  return !a || a == b ||
         (b && !a->negated && !b->negated && a->prefix &&
          b->name.starts_with(a->name));
}

bool CoversPorts(const std::optional<PortMatch>& a,
                 const std::optional<PortMatch>& b) {
  return !a || a == b ||
         (b && !a->negated && !b->negated && a->first <= b->first &&
          b->last <= a->last);
}

// For matches of which only the same one is known to be covered.
template <typename T>
bool CoversSame(const std::optional<T>& a, const std::optional<T>& b) {
  return !a || a == b;
}

template <typename T>
bool CoversSame(const std::vector<T>& a, const std::vector<T>& b) {
  return std::all_of(a.begin(), a.end(), [&](const T& match) {
    return std::find(b.begin(), b.end(), match) != b.end();
  });
}

// Whether `first` takes every packet that it matches from `rule`.
bool Takes(const Rule& first, const Rule& rule) {
  const Mirror* mirror = first.mirror();
  return first.verdict() || (first.jump() && first.jump()->is_goto) ||
         (mirror && rule.mirror() && mirror->session == rule.mirror()->session);
}

// The rules of a chain, by an address that all of their packets have, so that
// few have to be compared with a rule.
class RulesByAddress {
 public:
  void Add(const Rule& rule) {
    const Matches& m = rule.matches;
    const bool by_source = IsNetwork(m.source);
    if (!by_source && !IsNetwork(m.destination)) {
      others_.push_back(&rule);
      return;
    }
    const Network& network =
        (by_source ? m.source : m.destination)->networks[0];
    tables_[{by_source, network.family, network.bits.mask}][network.bits.value]
        .push_back(&rule);
  }

  // Returns all rules that may cover `matches`, in no particular order.
  std::vector<const Rule*> MayCover(const Matches& matches) const {
    std::vector<const Rule*> rules = others_;
    for (const auto& [key, table] : tables_) {
      const auto& [by_source, family, mask] = key;
      const auto& addresses = by_source ? matches.source : matches.destination;
      if (!addresses || addresses->negated ||
          addresses->networks[0].family != family) {
        continue;
      }
      const auto it = table.find(addresses->networks[0].bits.value & mask);
      if (it != table.end()) {
        rules.insert(rules.end(), it->second.begin(), it->second.end());
      }
    }
    return rules;
  }

 private:
  static bool IsNetwork(const std::optional<AddressMatch>& match) {
    return match && !match->negated && match->networks.size() == 1;
  }

  // By source or else by destination, family and mask; then by value.
  std::map<std::tuple<bool, Family, Uint128>,
           std::map<Uint128, std::vector<const Rule*>>>
      tables_;
  std::vector<const Rule*> others_;  // Without one such address.
};

// Whether a packet that `first` matches counts as taken by the session of both
// without being copied for sure.
bool MaySpare(const Rule& first, const Rule& rule) {
  return (first.matches.limit || first.matches.statistic) && first.mirror() &&
         rule.mirror() && first.mirror()->session == rule.mirror()->session;
}

}  // namespace

bool Covers(const Matches& a, const Matches& b) {
  if (a.MatchesLayer3() &&
      (!b.MatchesLayer3() || (b.ipv4 && !a.ipv4) || (b.ipv6 && !a.ipv6))) {
    return false;
  }
  if (a.MatchesTransport() && !b.MatchesTransport()) {
    return false;  // Later fragments.
  }
  return CoversInterface(a.in_interface, b.in_interface) &&
         CoversInterface(a.out_interface, b.out_interface) &&
         CoversProtocol(a.protocol, b.protocol) &&
         CoversAddresses(a.source, b.source) &&
         CoversAddresses(a.destination, b.destination) &&
         CoversSame(a.source_range, b.source_range) &&
         CoversSame(a.destination_range, b.destination_range) &&
         CoversSame(a.destination_type, b.destination_type) &&
         CoversSame(a.fragment, b.fragment) &&
         CoversPorts(a.source_port, b.source_port) &&
         CoversPorts(a.destination_port, b.destination_port) &&
         CoversSame(a.multiports, b.multiports) &&
         CoversSame(a.tcp_flags, b.tcp_flags) && CoversSame(a.icmp, b.icmp) &&
         CoversSame(a.mac_source, b.mac_source) && CoversSame(a.vlan, b.vlan) &&
         CoversSame(a.dscp, b.dscp) && CoversSame(a.mark, b.mark) &&
         CoversSame(a.sets, b.sets);
}

namespace {

// A rule with a limit, or a probability, takes the packets that it does not
// copy from later rules to its session, which in iptables get them.
void WarnOfSparedPackets(const std::vector<const Rule*>& others,
                         const Rule& rule, Diagnostics* diagnostics) {
  const auto first =
      std::find_if(others.begin(), others.end(), [&](const Rule* other) {
        return MaySpare(*other, rule) &&
               !AreDisjoint(other->matches, rule.matches);
      });
  if (first != others.end()) {
    diagnostics->Warning(
        rule.where,
        "what line " + std::to_string((*first)->where.line) +
            " matches and does not copy will not be copied by this rule, "
            "either: they have the same session",
        "give this rule another --key, or write it before that line");
  }
}

}  // namespace

void WarnOfShadowedRules(Policy* policy, Diagnostics* diagnostics) {
  size_t comparisons = 0;
  std::map<std::string, RulesByAddress> before;  // By chain.
  // Those that may spare packets, by chain.
  std::map<std::string, std::vector<const Rule*>> sparing;
  for (Rule& rule : policy->rules) {
    RulesByAddress& others = before[rule.chain];
    const std::vector<const Rule*> candidates = others.MayCover(rule.matches);
    comparisons += candidates.size();
    if (comparisons > kMaxComparisons) {
      return;
    }
    const Rule* first = nullptr;
    for (const Rule* other : candidates) {
      // The rules are in an array: the lower pointer is the earlier rule.
      if ((!first || other < first) && Takes(*other, rule) &&
          Covers(other->matches, rule.matches)) {
        first = other;
      }
    }
    if (first) {
      const std::string line = std::to_string(first->where.line);
      rule.never =
          MaySpare(*first, rule)
              ? "this rule can never mirror: its session takes all of its "
                "packets by line " +
                    line + ", copied or not"
          : first->mirror()
              ? "this rule can never mirror: its session has a copy of all of "
                "its packets by line " +
                    line
              : "this rule can never match: line " + line +
                    " takes all of its packets";
      diagnostics->Warning(rule.where, rule.never,
                           "write it before that line, or leave it out");
    } else {
      WarnOfSparedPackets(sparing[rule.chain], rule, diagnostics);
    }
    others.Add(rule);
    if (rule.matches.limit || rule.matches.statistic) {
      sparing[rule.chain].push_back(&rule);
    }
  }
}

void WarnOfLocalTargets(const Policy& policy, const std::vector<Address>& local,
                        Diagnostics* diagnostics) {
  for (const Rule& rule : policy.rules) {
    const Mirror* mirror = rule.mirror();
    if (mirror && std::find(local.begin(), local.end(),
                            mirror->session.target) != local.end()) {
      diagnostics->Warning(
          rule.where,
          "the target " + FormatAddress(mirror->session.target) +
              " is an address of this host",
          "write the address of a collector elsewhere, unless one runs here");
    }
  }
}

std::vector<Address> LocalAddresses() {
  std::vector<Address> addresses;
  struct ifaddrs* all;
  if (getifaddrs(&all)) {
    return addresses;
  }
  for (const struct ifaddrs* ifa = all; ifa; ifa = ifa->ifa_next) {
    const int family = ifa->ifa_addr ? ifa->ifa_addr->sa_family : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6) {
      continue;
    }
    char text[NI_MAXHOST];
    const socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in)
                                             : sizeof(struct sockaddr_in6);
    if (getnameinfo(ifa->ifa_addr, size, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) == 0) {
      // Link-local addresses have "%INTERFACE" behind them.
      const std::string_view view(text);
      if (const auto address = ParseAddress(view.substr(0, view.find('%')))) {
        addresses.push_back(*address);
      }
    }
  }
  freeifaddrs(all);
  return addresses;
}

}  // namespace ovs_rmirror
