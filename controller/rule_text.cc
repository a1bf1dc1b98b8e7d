// SPDX-License-Identifier: Apache-2.0

#include "controller/rule_text.h"

#include <algorithm>
#include <cstdio>

#include "controller/names.h"
#include "controller/probability.h"
#include "controller/scanner.h"

namespace ovs_rmirror {

namespace {

std::string Not(bool negated) { return negated ? " !" : ""; }

std::string FormatAddresses(const AddressMatch& match, const char* option) {
  std::string s = Not(match.negated) + option;
  char separator = ' ';
  for (const Network& network : match.networks) {
    s += separator + FormatNetwork(network);
    separator = ',';
  }
  return s;
}

std::string FormatPorts(const PortMatch& match, const char* option) {
  std::string s =
      Not(match.negated) + option + " " + std::to_string(match.first);
  if (match.last != match.first) {
    s += ":" + std::to_string(match.last);
  }
  return s;
}

std::string FormatInterface(const std::optional<InterfaceMatch>& match,
                            const char* option) {
  return match ? Not(match->negated) + option +
                     QuoteIfNeeded(match->name + (match->prefix ? "+" : ""))
               : "";
}

std::string Hex(uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx",
                static_cast<unsigned long long>(number));
  return text;
}

std::string FormatRange(const AddressRangeMatch& match, const char* option) {
  return Not(match.negated) + option + " " +
         FormatAddress({match.family, match.range.first}) + "-" +
         FormatAddress({match.family, match.range.last});
}

std::string FormatMultiport(const MultiportMatch& match) {
  std::string s = " -m multiport" + Not(match.negated);
  switch (match.side) {
    case MultiportMatch::Side::kSource:
      s += " --sports";
      break;
    case MultiportMatch::Side::kDestination:
      s += " --dports";
      break;
    case MultiportMatch::Side::kEither:
      s += " --ports";
      break;
  }
  char separator = ' ';
  for (const Range<uint16_t>& range : match.ports) {
    s += separator + std::to_string(range.first);
    if (range.last != range.first) {
      s += ":" + std::to_string(range.last);
    }
    separator = ',';
  }
  return s;
}

std::string FormatIcmp(const IcmpMatch& match) {
  const bool v4 = match.family == Family::kIpv4;
  std::string s =
      Not(match.negated) + (v4 ? " --icmp-type " : " --icmpv6-type ");
  s += match.type ? std::to_string(*match.type) : "any";
  if (match.code) {
    s += "/" + std::to_string(*match.code);
  }
  return s;
}

std::string FormatDestinationType(const AddressTypeMatch& match) {
  std::string types;
  const auto add = [&](bool wanted, const char* type) {
    if (wanted) {
      types += (types.empty() ? "" : ",") + std::string(type);
    }
  };
  add(match.unicast, "UNICAST");
  add(match.broadcast, "BROADCAST");
  add(match.multicast, "MULTICAST");
  return " -m addrtype" + Not(match.negated) + " --dst-type " + types;
}

std::string FormatSet(const SetMatch& match) {
  std::string s = " -m set" + Not(match.negated) + " --match-set " +
                  QuoteIfNeeded(match.set->name);
  char separator = ' ';
  for (const SetMatch::Direction direction : match.directions) {
    s += separator;
    s += direction == SetMatch::Direction::kSource ? "src" : "dst";
    separator = ',';
  }
  return s;
}

// Whether something that FormatMatches() writes anyway says the family.
bool ImpliesFamily(const Matches& m) {
  return m.source || m.destination || m.source_range || m.destination_range ||
         m.icmp || m.fragment ||
         (m.destination_type && m.destination_type->broadcast &&
          !m.destination_type->unicast && !m.destination_type->multicast) ||
         std::any_of(m.sets.begin(), m.sets.end(), [](const SetMatch& match) {
           return match.set->type != IpSet::Type::kMac;
         });
}

}  // namespace

std::string FormatMatches(const Matches& m) {
  std::string s;
  if (m.ipv4 != m.ipv6 && !ImpliesFamily(m)) {
    s += m.ipv4 ? " -4" : " -6";
  }
  if (m.source) {
    s += FormatAddresses(*m.source, " -s");
  }
  if (m.destination) {
    s += FormatAddresses(*m.destination, " -d");
  }
  s += FormatInterface(m.in_interface, " -i ");
  s += FormatInterface(m.out_interface, " -o ");
  if (m.protocol) {
    const std::string name = ProtocolName(m.protocol->protocol);
    s += Not(m.protocol->negated) + " -p " + name;
    if (m.source_port || m.destination_port || m.tcp_flags) {
      s += " -m " + name;
    } else if (m.icmp) {
      s += m.icmp->family == Family::kIpv4 ? " -m icmp" : " -m icmp6";
    }
  }
  if (m.source_port) {
    s += FormatPorts(*m.source_port, " --sport");
  }
  if (m.destination_port) {
    s += FormatPorts(*m.destination_port, " --dport");
  }
  if (m.tcp_flags) {
    s += Not(m.tcp_flags->negated) + " --tcp-flags " +
         TcpFlagNames(m.tcp_flags->mask) + " " + TcpFlagNames(m.tcp_flags->set);
  }
  if (m.icmp) {
    s += FormatIcmp(*m.icmp);
  }
  if (m.fragment) {
    s += Not(m.fragment->negated) + " -f";
  }
  for (const MultiportMatch& match : m.multiports) {
    s += FormatMultiport(match);
  }
  if (m.source_range || m.destination_range) {
    s += " -m iprange";
  }
  if (m.source_range) {
    s += FormatRange(*m.source_range, " --src-range");
  }
  if (m.destination_range) {
    s += FormatRange(*m.destination_range, " --dst-range");
  }
  if (m.destination_type) {
    s += FormatDestinationType(*m.destination_type);
  }
  if (m.mac_source) {
    s += " -m mac" + Not(m.mac_source->negated) + " --mac-source " +
         FormatMac(m.mac_source->mac);
  }
  if (m.vlan) {
    s += " -m vlan" + Not(m.vlan->negated) + " --vlan-id " +
         std::to_string(m.vlan->id);
  }
  if (m.dscp) {
    s += " -m dscp" + Not(m.dscp->negated) + " --dscp " + Hex(m.dscp->dscp);
  }
  if (m.mark) {
    s += " -m mark" + Not(m.mark->negated) + " --mark " +
         Hex(m.mark->mark.value);
    if (m.mark->mark.mask != UINT32_MAX) {
      s += "/" + Hex(m.mark->mark.mask);
    }
  }
  for (const SetMatch& match : m.sets) {
    s += FormatSet(match);
  }
  if (m.limit) {
    s += " -m limit --limit " + std::to_string(m.limit->rate) + "/sec";
    if (m.limit->burst != LimitMatch::kDefaultBurst) {
      s += " --limit-burst " + std::to_string(m.limit->burst);
    }
  }
  if (m.statistic) {
    s += " -m statistic --mode random --probability " +
         FormatProbability(m.statistic->probability);
  }
  return s;
}

std::string FormatSessionOptions(const Session& session) {
  std::string s;
  if (session.key) {
    s += " --key " + std::to_string(*session.key);
  }
  if (session.ttl != RMIRROR_TTL_DEFAULT) {
    s += " --ttl " + std::to_string(session.ttl);
  }
  if (!session.tos) {
    s += " --tos inherit";
  } else if (*session.tos != RMIRROR_TOS_DEFAULT) {
    char text[16];
    std::snprintf(text, sizeof text, " --tos 0x%02x",
                  static_cast<unsigned>(*session.tos));
    s += text;
  }
  if (session.df) {
    s += " --df";
  }
  return s;
}

std::string FormatRule(const Rule& rule, RuleText text) {
  std::string s = "-A " + rule.chain + FormatMatches(rule.matches);
  if (!rule.comment.empty() && text == RuleText::kWhole) {
    s += " -m comment --comment " + Quote(rule.comment);
  }
  if (const Mirror* mirror = rule.mirror()) {
    s += " -j RMIRROR --target " + FormatAddress(mirror->session.target);
    if (mirror->len.mtu) {
      s += " --len mtu";
    } else if (mirror->len.bytes != RMIRROR_LEN_ALL) {
      s += " --len " + std::to_string(mirror->len.bytes);
    }
    s += FormatSessionOptions(mirror->session);
    if (mirror->budget && text == RuleText::kWhole) {
      s += " " + FormatBudget(*mirror->budget);
    }
  } else if (const Jump* jump = rule.jump()) {
    s += (jump->is_goto ? " -g " : " -j ") + jump->chain;
  } else {
    s += " -j " + std::string(VerdictName(*rule.verdict()));
  }
  return s;
}

std::string FormatChains(const Policy& policy) {
  std::string s;
  for (const Chain chain : kChains) {
    s += ":" + std::string(ChainName(chain)) + " " +
         std::string(VerdictName(policy.PolicyOf(chain))) + " [0:0]\n";
  }
  for (const std::string& chain : policy.user_chains) {
    s += ":" + chain + " - [0:0]\n";
  }
  return s;
}

std::string FormatPolicy(const Policy& policy) {
  std::string s = "*rmirror\n" + FormatChains(policy);
  for (const Rule& rule : policy.rules) {
    s += FormatRule(rule) + "\n";
  }
  return s + "COMMIT\n";
}

}  // namespace ovs_rmirror
