// SPDX-License-Identifier: Apache-2.0

#include "controller/warnings.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <string>

namespace ovs_rmirror {

namespace {

// Comparing every rule with every other one takes too long for tens of
// thousands.
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

void WarnOfShadowedRules(const Policy& policy, Diagnostics* diagnostics) {
  size_t comparisons = 0;
  std::map<std::string, std::vector<const Rule*>> before;  // By chain.
  for (const Rule& rule : policy.rules) {
    std::vector<const Rule*>& others = before[rule.chain];
    comparisons += others.size();
    if (comparisons > kMaxComparisons) {
      return;
    }
    const auto first =
        std::find_if(others.begin(), others.end(), [&](const Rule* other) {
          return Takes(*other, rule) && Covers(other->matches, rule.matches);
        });
    if (first != others.end()) {
      const std::string line = std::to_string((*first)->where.line);
      diagnostics->Warning(
          rule.where,
          (*first)->mirror()
              ? "this rule can never mirror: its session has a copy of all of "
                "its packets by line " +
                    line
              : "this rule can never match: line " + line +
                    " takes all of its packets",
          "write it before that line, or leave it out");
    }
    others.push_back(&rule);
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
