// SPDX-License-Identifier: Apache-2.0

#include "controller/match_reader.h"

#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <vector>

#include "controller/names.h"

namespace ovs_rmirror {

namespace {

// OpenFlow has 16 bytes for the name of a port, the last of them a NUL.
constexpr size_t kMaxPortName = 15;

// What -m takes.
const std::vector<std::string_view>& Modules() {
  static const std::vector<std::string_view> modules = {
      "tcp",  "udp",     "sctp",  "icmp",     "icmp6", "multiport",
      "mac",  "iprange", "set",   "dscp",     "mark",  "addrtype",
      "vlan", "comment", "limit", "statistic"};
  return modules;
}

// The protocol that `module` is a match of.
std::optional<uint8_t> ProtocolOfModule(const std::string& module) {
  if (module == "icmp6") {
    return IPPROTO_ICMPV6;
  } else if (module == "tcp" || module == "udp" || module == "sctp" ||
             module == "icmp") {
    return ProtocolByName(module);
  }
  return std::nullopt;
}

}  // namespace

// Reads a decimal number, or a hexadecimal one that starts with 0x.
std::optional<uint64_t> ParseNumber(std::string_view text, uint64_t max) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  } else if (text.size() > 1 && text.starts_with('0')) {
    return std::nullopt;
  }
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size() ||
      number > max) {
    return std::nullopt;
  }
  return number;
}

bool MatchReader::Take(const ParsedOption& option) {
  Matches& m = *matches_;
  switch (option.id) {
    case OptionId::kSource:
      TakeAddresses(option, &m.source);
      return true;
    case OptionId::kDestination:
      TakeAddresses(option, &m.destination);
      return true;
    case OptionId::kProtocol:
      return true;  // TakeProtocol() has it.
    case OptionId::kInInterface:
      TakeInterface(option, &m.in_interface);
      return true;
    case OptionId::kOutInterface:
      TakeInterface(option, &m.out_interface);
      return true;
    case OptionId::kMatch:
      TakeModule(option);
      return true;
    case OptionId::kIpv4:
      RefuseNegation(option);
      m.ipv6 = false;
      return true;
    case OptionId::kIpv6:
      RefuseNegation(option);
      m.ipv4 = false;
      return true;
    case OptionId::kFragment:
      m.fragment = {option.negation.has_value()};
      return true;
    case OptionId::kSourcePort:
      TakePorts(option, &m.source_port);
      return true;
    case OptionId::kDestinationPort:
      TakePorts(option, &m.destination_port);
      return true;
    case OptionId::kTcpFlags:
    case OptionId::kSyn:
      TakeTcpFlags(option);
      return true;
    case OptionId::kIcmpType:
      TakeIcmpType(option, false);
      return true;
    case OptionId::kIcmpv6Type:
      TakeIcmpType(option, true);
      return true;
    case OptionId::kSourcePorts:
      TakeMultiport(option, MultiportMatch::Side::kSource);
      return true;
    case OptionId::kDestinationPorts:
      TakeMultiport(option, MultiportMatch::Side::kDestination);
      return true;
    case OptionId::kPorts:
      TakeMultiport(option, MultiportMatch::Side::kEither);
      return true;
    case OptionId::kMacSource:
      TakeMacSource(option);
      return true;
    case OptionId::kSourceRange:
      TakeRange(option, &m.source_range);
      return true;
    case OptionId::kDestinationRange:
      TakeRange(option, &m.destination_range);
      return true;
    case OptionId::kMatchSet:
      TakeSet(option);
      return true;
    case OptionId::kDscp:
    case OptionId::kDscpClass:
      TakeDscp(option);
      return true;
    case OptionId::kMark:
      TakeMark(option);
      return true;
    case OptionId::kSourceType:
      Error(option.name.where, "--src-type is not supported",
            "a switch knows the kind of a destination only: use --dst-type, or "
            "-s with the addresses");
      return true;
    case OptionId::kDestinationType:
      TakeDestinationType(option);
      return true;
    case OptionId::kVlanId:
      TakeVlan(option);
      return true;
    case OptionId::kLimit:
      TakeLimit(option);
      return true;
    case OptionId::kLimitBurst:
      TakeLimitBurst(option);
      return true;
    case OptionId::kMode:
    case OptionId::kEvery:
    case OptionId::kPacket:
      TakeMode(option);
      return true;
    case OptionId::kProbability:
      TakeProbability(option);
      return true;
    default:
      return false;
  }
}

void MatchReader::RefuseNegation(const ParsedOption& option) {
  if (option.negation) {
    Error(
        option.negation->where,
        "'!' before " + option.name.text + " is not supported",
        "possible before: -s -d -p -i -o -f --sport --dport --tcp-flags --syn "
        "and the options of -m multiport, icmp, icmp6, mac, iprange, set, "
        "dscp, mark, addrtype, vlan; --probability");
  }
}

void MatchReader::NeedModule(const ParsedOption& option, const char* module) {
  if (!modules_.contains(module)) {
    const std::string& name = option.name.text;
    const bool takes_set = option.id == OptionId::kMatchSet;
    Error(option.name.where, name + " needs -m " + module + " before it",
          "write -m " + std::string(module) + " " + name +
              (option.id == OptionId::kMacSource ? " ADDRESS"
               : takes_set                       ? " NAME src"
                                                 : " VALUE"));
  }
}

void MatchReader::TakeProtocol(const ParsedOption& option) {
  const Token& value = *option.value;
  std::string name = value.text;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  std::optional<uint64_t> number = ParseNumber(name, 255);
  if (name == "all") {
    number = 0;
  } else if (!number) {
    number = ProtocolByName(name);
  }
  if (!number) {
    const std::string_view nearest =
        Nearest(name, {"tcp", "udp", "sctp", "icmp", "ipv6-icmp", "icmpv6",
                       "esp", "ah", "gre", "all"});
    Error(value.where, "protocol " + Quoted(value) + " is unknown",
          nearest.empty()
              ? "write a name like tcp, a number from 0 to 255, or all"
              : "did you mean " + std::string(nearest) + "?");
  } else if (*number == 0 && option.negation) {
    Error(option.negation->where,
          "a rule that excludes every protocol can "
          "never match",
          "leave -p out to match every protocol");
  } else if (*number != 0) {
    matches_->protocol = {option.negation.has_value(),
                          static_cast<uint8_t>(*number)};
  }
}

void MatchReader::TakeInterface(const ParsedOption& option,
                                std::optional<InterfaceMatch>* result) {
  const Token& value = *option.value;
  const bool in = option.id == OptionId::kInInterface;
  InterfaceMatch match;
  match.negated = option.negation.has_value();
  match.name = value.text;
  if (match.name.ends_with('+')) {
    match.prefix = true;
    match.name.pop_back();
  }
  if (match.name.empty() && !match.prefix) {
    Error(value.where, "a port of the bridge has a name",
          "write the name that ovs-vsctl list-ports shows");
  } else if (match.name.size() > kMaxPortName) {
    Error(value.where,
          "OpenFlow cuts names of ports to " + std::to_string(kMaxPortName) +
              " characters",
          "give the port a shorter name");
  } else if (value.text == "LOCAL") {
    Error(value.where, "LOCAL is not a port for " + option.name.text,
          in ? "write the rule for chain OUTPUT, without -i"
             : "write the rule for chain INPUT, without -o");
  } else if (!match.name.empty() || match.negated) {
    if (match.name.empty()) {
      diagnostics_->Warning(
          value.where,
          "this rule can never match: it excludes every "
          "port",
          "leave " + option.name.text + " out to match every port");
    }
    *result = match;
  }
}

void MatchReader::TakeModule(const ParsedOption& option) {
  const Token& value = *option.value;
  RefuseNegation(option);
  if (std::find(Modules().begin(), Modules().end(), value.text) ==
      Modules().end()) {
    const std::string_view nearest = Nearest(value.text, Modules());
    std::string possible = "possible:";
    for (const std::string_view module : Modules()) {
      possible += (possible.ends_with(':') ? " " : ", ") + std::string(module);
    }
    Error(value.where, "match " + Quoted(value) + " is not supported",
          nearest.empty() ? possible
                          : "did you mean " + std::string(nearest) + "?");
    // Its own options were reported, too, if it has any.
    return;
  }
  modules_.insert({value.text, value.where});
  const std::optional<uint8_t> protocol = ProtocolOfModule(value.text);
  if (protocol && (!matches_->protocol || matches_->protocol->negated ||
                   matches_->protocol->protocol != *protocol)) {
    const std::string name = ProtocolName(*protocol);
    Error(value.where, "-m " + value.text + " needs -p " + name,
          "write -p " + name + " -m " + value.text);
  }
}

void MatchReader::TakeMacSource(const ParsedOption& option) {
  const Token& value = *option.value;
  NeedModule(option, "mac");
  const std::optional<uint64_t> mac = ParseMac(value.text);
  if (!mac) {
    Error(value.where, Quoted(value) + " is no Ethernet address",
          "write it like 02:00:00:00:00:05");
    return;
  }
  matches_->mac_source = {option.negation.has_value(), *mac};
}

void MatchReader::TakeDscp(const ParsedOption& option) {
  NeedModule(option, "dscp");
  const Token& value = *option.value;
  if (matches_->dscp) {
    Error(option.name.where, "a DSCP appears twice in this rule",
          "write one of --dscp and --dscp-class");
    return;
  }
  std::optional<uint8_t> dscp;
  if (option.id == OptionId::kDscpClass) {
    dscp = DscpByClass(value.text);
  } else if (const auto number = ParseNumber(value.text, 63)) {
    dscp = static_cast<uint8_t>(*number);
  }
  if (!dscp) {
    Error(value.where, Quoted(value) + " is no DSCP",
          option.id == OptionId::kDscp
              ? "write a number from 0 to 63"
              : "possible: BE, EF, CS0 to CS7, AF11 to AF43");
    return;
  }
  matches_->dscp = {option.negation.has_value(), *dscp};
}

// Reads VALUE or VALUE/MASK.
void MatchReader::TakeMark(const ParsedOption& option) {
  NeedModule(option, "mark");
  const Token& value = *option.value;
  const size_t slash = value.text.find('/');
  const auto mark = ParseNumber(value.text.substr(0, slash), UINT32_MAX);
  const auto mask = slash == std::string::npos
                        ? std::optional<uint64_t>(UINT32_MAX)
                        : ParseNumber(value.text.substr(slash + 1), UINT32_MAX);
  if (!mark || !mask) {
    Error(value.where, Quoted(value) + " is no mark",
          "write a number from 0 to 0xffffffff, or VALUE/MASK");
  } else if (*mark & ~*mask) {
    Error(value.where, "this can never be: the mark has bits outside its mask",
          "write a mask that holds all bits of the mark");
  } else {
    matches_->mark = {
        option.negation.has_value(),
        {static_cast<uint32_t>(*mark), static_cast<uint32_t>(*mask)}};
  }
}

void MatchReader::TakeDestinationType(const ParsedOption& option) {
  static const std::vector<std::string_view> kTypes = {"UNICAST", "BROADCAST",
                                                       "MULTICAST"};
  static const std::vector<std::string_view> kHostsTypes = {
      "LOCAL",  "ANYCAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT",
      "UNSPEC", "THROW",   "NAT",       "XRESOLVE"};
  NeedModule(option, "addrtype");
  const Token& value = *option.value;
  AddressTypeMatch match;
  match.negated = option.negation.has_value();
  for (const auto& [begin, size] : SplitList(value.text)) {
    const std::string name = value.text.substr(begin, size);
    if (name == "UNICAST") {
      match.unicast = true;
    } else if (name == "BROADCAST") {
      match.broadcast = true;
    } else if (name == "MULTICAST") {
      match.multicast = true;
    } else if (std::find(kHostsTypes.begin(), kHostsTypes.end(), name) !=
               kHostsTypes.end()) {
      Error(PartOf(value, begin, size),
            "a switch cannot tell whether an address is " + name +
                ": that is in a host's routes",
            "possible: UNICAST, BROADCAST, MULTICAST; or -d with the "
            "addresses");
      return;
    } else {
      const std::string_view nearest = Nearest(name, kTypes);
      Error(PartOf(value, begin, size), "'" + name + "' is no type of address",
            nearest.empty() ? "possible: UNICAST, BROADCAST, MULTICAST"
                            : "did you mean " + std::string(nearest) + "?");
      return;
    }
  }
  matches_->destination_type = match;
}

void MatchReader::TakeVlan(const ParsedOption& option) {
  NeedModule(option, "vlan");
  const auto id = ParseNumber(option.value->text, 4095);
  if (!id) {
    Error(option.value->where, Quoted(*option.value) + " is no VLAN",
          "write a number from 0 to 4095");
    return;
  }
  matches_->vlan = {option.negation.has_value(), static_cast<uint16_t>(*id)};
}

void MatchReader::TakeSet(const ParsedOption& option) {
  NeedModule(option, "set");
  const Token& name = *option.value;
  const Token& directions = *option.second;
  const auto set = sets_.find(name.text);
  if (set == sets_.end()) {
    std::vector<std::string_view> names;
    for (const auto& entry : sets_) {
      names.push_back(entry.first);
    }
    const std::string_view nearest = Nearest(name.text, names);
    Error(name.where, "there is no set " + name.text,
          nearest.empty() ? "give a file with its create and add lines: --sets "
                            "FILE"
                          : "did you mean " + std::string(nearest) + "?");
    return;
  }
  SetMatch match;
  match.negated = option.negation.has_value();
  match.set = set->second;
  for (const auto& [begin, size] : SplitList(directions.text)) {
    const std::string direction = directions.text.substr(begin, size);
    if (direction == "src") {
      match.directions.push_back(SetMatch::Direction::kSource);
    } else if (direction == "dst") {
      match.directions.push_back(SetMatch::Direction::kDestination);
    } else {
      Error(PartOf(directions, begin, size),
            "'" + direction + "' is no direction", "possible: src, dst");
      return;
    }
  }
  const std::string type(IpSetTypeName(match.set->type));
  if (match.directions.size() != match.set->Dimensions()) {
    Error(directions.where,
          "a set of type " + type + " takes " +
              (match.set->HasPorts() ? "two directions" : "one direction"),
          match.set->HasPorts() ? "write src,src or dst,dst"
                                : "write src or "
                                  "dst");
  } else if (match.set->type == IpSet::Type::kMac &&
             match.directions[0] == SetMatch::Direction::kDestination) {
    Error(directions.where, "Ethernet destinations are not supported",
          "write src");
  } else {
    matches_->sets.push_back(std::move(match));
  }
}

void MatchReader::RestrictFamilies(const Location& rule, bool v4, bool v6,
                                   const char* what) {
  Matches& m = *matches_;
  if ((!m.ipv4 && !m.ipv6) || ((m.ipv4 && v4) || (m.ipv6 && v6))) {
    m.ipv4 &= v4;
    m.ipv6 &= v6;
    return;
  }
  Error(rule,
        std::string(what) + " is for IPv" + (v4 ? "4" : "6") +
            ", but the rest of the rule is for IPv" + (v4 ? "6" : "4"),
        "write one rule for each family");
  m.ipv4 = m.ipv6 = false;
}

// Addresses imply a family; all that a rule says of families must agree.
void MatchReader::FindFamilies(const Location& rule) {
  const bool v4 = matches_->ipv4, v6 = matches_->ipv6;
  if (!v4 && !v6) {
    Error(rule, "-4 and -6 exclude each other",
          "leave both out to match both families");
    return;
  }
  for (const auto* match : {&matches_->source, &matches_->destination}) {
    if (!*match || (*match)->networks.empty()) {
      continue;
    }
    const auto has = [&](Family family) {
      return std::any_of((*match)->networks.begin(), (*match)->networks.end(),
                         [&](const Network& n) { return n.family == family; });
    };
    matches_->ipv4 &= has(Family::kIpv4);
    matches_->ipv6 &= has(Family::kIpv6);
  }
  if (!matches_->ipv4 && !matches_->ipv6) {
    Error(rule,
          v4 && v6 ? "one address is IPv4 and the other IPv6: the rule can "
                     "never match"
                   : "the addresses are not of the family that the rule is "
                     "restricted to",
          "write one rule for each family");
    return;
  }
  for (const auto* range :
       {&matches_->source_range, &matches_->destination_range}) {
    if (*range) {
      const bool is_v4 = (*range)->family == Family::kIpv4;
      RestrictFamilies(rule, is_v4, !is_v4, "a range of addresses");
    }
  }
  if (matches_->icmp) {
    const bool is_v4 = matches_->icmp->family == Family::kIpv4;
    RestrictFamilies(rule, is_v4, !is_v4, "the type of ICMP messages");
  }
  if (matches_->fragment) {
    RestrictFamilies(rule, true, false, "-f");
  }
  if (const auto& type = matches_->destination_type;
      type && type->broadcast && !type->unicast && !type->multicast) {
    RestrictFamilies(rule, true, false, "--dst-type BROADCAST");
  }
  for (const SetMatch& match : matches_->sets) {
    if (match.set->type != IpSet::Type::kMac) {
      const bool is_v4 = match.set->family == Family::kIpv4;
      RestrictFamilies(rule, is_v4, !is_v4, "a set of addresses");
    }
  }
  // A list of both families keeps what the rest of the rule leaves possible.
  for (auto* match : {&matches_->source, &matches_->destination}) {
    if (*match && std::erase_if((*match)->networks, [&](const Network& n) {
          return n.family == Family::kIpv4 ? !matches_->ipv4 : !matches_->ipv6;
        })) {
      diagnostics_->Warning(rule,
                            std::string("this rule can match ") +
                                (matches_->ipv4 ? "IPv4" : "IPv6") +
                                " only: the other addresses have no effect");
    }
  }
}

}  // namespace ovs_rmirror
