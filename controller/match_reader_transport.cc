// SPDX-License-Identifier: Apache-2.0
//
// The matches of transport headers.

#include <netinet/in.h>

#include "controller/match_reader.h"
#include "controller/names.h"

namespace ovs_rmirror {

namespace {

// Reads TYPE, TYPE/CODE or a name.
std::optional<IcmpType> ReadIcmpType(const std::string& text, bool v6) {
  if (const std::optional<IcmpType> named = IcmpTypeByName(text, v6)) {
    return named;
  }
  const size_t slash = text.find('/');
  const bool has_code = slash != std::string::npos;
  const auto number = ParseNumber(text.substr(0, slash), 255);
  const auto code =
      has_code ? ParseNumber(text.substr(slash + 1), 255) : std::nullopt;
  if (!number || (has_code && !code)) {
    return std::nullopt;
  }
  IcmpType type;
  // As iptables has it: 255 is any type.
  if (v6 || *number != 255) {
    type.type = static_cast<uint8_t>(*number);
    if (code) {
      type.code = static_cast<uint8_t>(*code);
    }
  }
  return type;
}

}  // namespace

// Reports a match of ports without a protocol that has them.
bool MatchReader::NeedPorts(const ParsedOption& option) {
  if (matches_->protocol && !matches_->protocol->negated &&
      ProtocolHasPorts(matches_->protocol->protocol)) {
    return true;
  }
  if (matches_->protocol && !matches_->protocol->negated &&
      (matches_->protocol->protocol == IPPROTO_UDPLITE ||
       matches_->protocol->protocol == IPPROTO_DCCP)) {
    const std::string name = ProtocolName(matches_->protocol->protocol);
    Error(option.name.where, "Open vSwitch cannot match the ports of " + name,
          "leave " + option.name.text + " out to match all packets of " + name);
    return false;
  }
  Error(option.name.where, option.name.text + " needs a protocol with ports",
        "write -p tcp, -p udp or -p sctp");
  return false;
}

bool MatchReader::NeedProtocol(const ParsedOption& option, uint8_t protocol) {
  if (matches_->protocol && !matches_->protocol->negated &&
      matches_->protocol->protocol == protocol) {
    return true;
  }
  const std::string name = ProtocolName(protocol);
  Error(option.name.where, option.name.text + " needs -p " + name,
        "write -p " + name + " " + option.name.text);
  return false;
}

void MatchReader::TakePorts(const ParsedOption& option,
                            std::optional<PortMatch>* match) {
  const Token& value = *option.value;
  if (!NeedPorts(option)) {
    return;
  }
  PortMatch ports;
  ports.negated = option.negation.has_value();
  const size_t colon = value.text.find(':');
  std::optional<uint16_t> first, last;
  if (colon == std::string::npos) {
    first = last = ReadPort(value, 0, value.text.size());
  } else {
    first = colon == 0 ? 0 : ReadPort(value, 0, colon);
    last = colon + 1 == value.text.size()
               ? 65535
               : ReadPort(value, colon + 1, value.text.size() - colon - 1);
  }
  if (!first || !last) {
    return;
  }
  if (*first > *last) {
    Error(value.where, "this range of ports is empty",
          "write the lower port first: " + std::to_string(*last) + ":" +
              std::to_string(*first));
    return;
  }
  ports.first = *first;
  ports.last = *last;
  if (ports.negated && ports.first == 0 && ports.last == 65535) {
    diagnostics_->Warning(value.where,
                          "this rule can never match: no port is "
                          "outside 0:65535");
  }
  *match = ports;
}

std::optional<uint16_t> MatchReader::ReadPort(const Token& token, size_t begin,
                                              size_t size) {
  const std::string text = token.text.substr(begin, size);
  const uint8_t protocol = matches_->protocol->protocol;
  if (const std::optional<uint64_t> number = ParseNumber(text, 65535)) {
    return static_cast<uint16_t>(*number);
  }
  if (const std::optional<uint16_t> port = ServiceByName(text, protocol)) {
    return port;
  }
  Error(PartOf(token, begin, size),
        "'" + text + "' is no port of " + ProtocolName(protocol),
        "write a number from 0 to 65535, a range like 1024:2047, or a service "
        "of /etc/services");
  return std::nullopt;
}

void MatchReader::TakeMultiport(const ParsedOption& option,
                                MultiportMatch::Side side) {
  NeedModule(option, "multiport");
  if (!NeedPorts(option)) {
    return;
  }
  const Token& value = *option.value;
  MultiportMatch match;
  match.negated = option.negation.has_value();
  match.side = side;
  for (const auto& [begin, size] : SplitList(value.text)) {
    const size_t colon = value.text.substr(begin, size).find(':');
    std::optional<uint16_t> first, last;
    if (colon == std::string::npos) {
      first = last = ReadPort(value, begin, size);
    } else {
      first = ReadPort(value, begin, colon);
      last = ReadPort(value, begin + colon + 1, size - colon - 1);
    }
    if (!first || !last) {
      continue;
    }
    if (*first > *last) {
      Error(PartOf(value, begin, size), "this range of ports is empty",
            "write the lower port first: " + std::to_string(*last) + ":" +
                std::to_string(*first));
      continue;
    }
    match.ports.push_back({*first, *last});
  }
  matches_->multiports.push_back(std::move(match));
}

// Reads a list of names, ALL or NONE.
std::optional<uint8_t> MatchReader::ReadTcpFlags(const Token& token) {
  if (token.text == "ALL") {
    return uint8_t{0x3f};
  } else if (token.text == "NONE") {
    return uint8_t{0};
  }
  uint8_t flags = 0;
  for (const auto& [begin, size] : SplitList(token.text)) {
    const std::string name = token.text.substr(begin, size);
    const std::optional<uint8_t> flag = TcpFlagByName(name);
    if (!flag) {
      Error(PartOf(token, begin, size), "'" + name + "' is no TCP flag",
            "possible: FIN, SYN, RST, PSH, ACK, URG, or ALL or NONE alone");
      return std::nullopt;
    }
    flags = static_cast<uint8_t>(flags | *flag);
  }
  return flags;
}

void MatchReader::TakeTcpFlags(const ParsedOption& option) {
  if (!NeedProtocol(option, IPPROTO_TCP)) {
    return;
  }
  if (matches_->tcp_flags) {
    Error(option.name.where, "TCP flags appear twice in this rule",
          "write one --tcp-flags that says it all");
    return;
  }
  TcpFlagsMatch match;
  match.negated = option.negation.has_value();
  if (option.id == OptionId::kSyn) {
    match.mask = 0x17;  // FIN, SYN, RST, ACK.
    match.set = 0x02;
  } else {
    const std::optional<uint8_t> mask = ReadTcpFlags(*option.value);
    const std::optional<uint8_t> set = ReadTcpFlags(*option.second);
    if (!mask || !set) {
      return;
    }
    if (*set & ~*mask) {
      Error(option.second->where,
            "this can never be: a flag shall be set that is not looked at",
            "name in the first list all flags of the second one");
      return;
    }
    match.mask = *mask;
    match.set = *set;
  }
  if (match.negated && match.mask == 0) {
    diagnostics_->Warning(option.name.where,
                          "this rule can never match: no flag is looked at");
  }
  matches_->tcp_flags = match;
}

void MatchReader::TakeIcmpType(const ParsedOption& option, bool v6) {
  const uint8_t protocol = v6 ? uint8_t{IPPROTO_ICMPV6} : uint8_t{IPPROTO_ICMP};
  if (!NeedProtocol(option, protocol)) {
    return;
  }
  const Token& value = *option.value;
  const std::optional<IcmpType> type = ReadIcmpType(value.text, v6);
  if (!type) {
    const std::string_view nearest = Nearest(value.text, IcmpTypeNames(v6));
    Error(
        value.where,
        Quoted(value) + " is no type of ICMP" + (v6 ? "v6" : "") + " messages",
        nearest.empty() ? "write a name like echo-request, a number, or "
                          "TYPE/CODE"
                        : "did you mean " + std::string(nearest) + "?");
    return;
  }
  if (option.negation && !type->type) {
    diagnostics_->Warning(value.where,
                          "this rule can never match: it excludes every type");
  }
  matches_->icmp = {option.negation.has_value(),
                    v6 ? Family::kIpv6 : Family::kIpv4, type->type, type->code};
}

}  // namespace ovs_rmirror
