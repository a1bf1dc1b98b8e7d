// SPDX-License-Identifier: Apache-2.0

#include "controller/names.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace ovs_rmirror {

namespace {

struct KnownProtocol {
  const char* name;
  uint8_t number;
};

// For each number, the name to show comes first.
constexpr KnownProtocol kKnownProtocols[] = {
    {"tcp", IPPROTO_TCP},
    {"udp", IPPROTO_UDP},
    {"udplite", IPPROTO_UDPLITE},
    {"icmp", IPPROTO_ICMP},
    {"ipv6-icmp", IPPROTO_ICMPV6},
    {"icmpv6", IPPROTO_ICMPV6},
    {"sctp", IPPROTO_SCTP},
    {"esp", IPPROTO_ESP},
    {"ah", IPPROTO_AH},
    {"gre", IPPROTO_GRE},
    {"mobility-header", IPPROTO_MH},
    {"ipv6-mh", IPPROTO_MH},
    {"mh", IPPROTO_MH},
};

struct KnownIcmpType {
  std::string_view name;
  int type;  // -1: any.
  int code;  // -1: any.
};

constexpr KnownIcmpType kIcmpTypes[] = {
    {"any", -1, -1},
    {"echo-reply", 0, -1},
    {"pong", 0, -1},
    {"destination-unreachable", 3, -1},
    {"network-unreachable", 3, 0},
    {"host-unreachable", 3, 1},
    {"protocol-unreachable", 3, 2},
    {"port-unreachable", 3, 3},
    {"fragmentation-needed", 3, 4},
    {"source-route-failed", 3, 5},
    {"network-unknown", 3, 6},
    {"host-unknown", 3, 7},
    {"network-prohibited", 3, 9},
    {"host-prohibited", 3, 10},
    {"TOS-network-unreachable", 3, 11},
    {"TOS-host-unreachable", 3, 12},
    {"communication-prohibited", 3, 13},
    {"host-precedence-violation", 3, 14},
    {"precedence-cutoff", 3, 15},
    {"source-quench", 4, -1},
    {"redirect", 5, -1},
    {"network-redirect", 5, 0},
    {"host-redirect", 5, 1},
    {"TOS-network-redirect", 5, 2},
    {"TOS-host-redirect", 5, 3},
    {"echo-request", 8, -1},
    {"ping", 8, -1},
    {"router-advertisement", 9, -1},
    {"router-solicitation", 10, -1},
    {"time-exceeded", 11, -1},
    {"ttl-exceeded", 11, -1},
    {"ttl-zero-during-transit", 11, 0},
    {"ttl-zero-during-reassembly", 11, 1},
    {"parameter-problem", 12, -1},
    {"ip-header-bad", 12, 0},
    {"required-option-missing", 12, 1},
    {"timestamp-request", 13, -1},
    {"timestamp-reply", 14, -1},
    {"address-mask-request", 17, -1},
    {"address-mask-reply", 18, -1},
};

constexpr KnownIcmpType kIcmpv6Types[] = {
    {"destination-unreachable", 1, -1},
    {"no-route", 1, 0},
    {"communication-prohibited", 1, 1},
    {"beyond-scope", 1, 2},
    {"address-unreachable", 1, 3},
    {"port-unreachable", 1, 4},
    {"failed-policy", 1, 5},
    {"reject-route", 1, 6},
    {"packet-too-big", 2, -1},
    {"time-exceeded", 3, -1},
    {"ttl-exceeded", 3, -1},
    {"ttl-zero-during-transit", 3, 0},
    {"ttl-zero-during-reassembly", 3, 1},
    {"parameter-problem", 4, -1},
    {"bad-header", 4, 0},
    {"unknown-header-type", 4, 1},
    {"unknown-option", 4, 2},
    {"echo-request", 128, -1},
    {"ping", 128, -1},
    {"echo-reply", 129, -1},
    {"pong", 129, -1},
    {"mld-listener-query", 130, -1},
    {"mld-listener-report", 131, -1},
    {"mld-listener-done", 132, -1},
    {"mld-listener-reduction", 132, -1},
    {"router-solicitation", 133, -1},
    {"router-advertisement", 134, -1},
    {"neighbour-solicitation", 135, -1},
    {"neighbor-solicitation", 135, -1},
    {"neighbour-advertisement", 136, -1},
    {"neighbor-advertisement", 136, -1},
    {"redirect", 137, -1},
};

// By bit, from the lowest.
constexpr std::string_view kTcpFlags[] = {"FIN", "SYN", "RST",
                                          "PSH", "ACK", "URG"};

bool SameLetters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) {
                      return std::tolower(x) == std::tolower(y);
                    });
}

// The protocol by which /etc/services calls `protocol`.
const char* ServiceProtocol(uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_SCTP:
      return "sctp";
    default:
      return nullptr;
  }
}

}  // namespace

std::optional<uint8_t> ProtocolByName(const std::string& name) {
  for (const KnownProtocol& known : kKnownProtocols) {
    if (name == known.name) {
      return known.number;
    }
  }
  const protoent* entry = getprotobyname(name.c_str());
  if (entry && entry->p_proto >= 0 && entry->p_proto <= 255) {
    return static_cast<uint8_t>(entry->p_proto);
  }
  return std::nullopt;
}

std::string ProtocolName(uint8_t protocol) {
  for (const KnownProtocol& known : kKnownProtocols) {
    if (protocol == known.number) {
      return known.name;
    }
  }
  const protoent* entry = getprotobynumber(protocol);
  return entry ? entry->p_name : std::to_string(protocol);
}

std::optional<uint16_t> ServiceByName(const std::string& name,
                                      uint8_t protocol) {
  const char* service_protocol = ServiceProtocol(protocol);
  const servent* entry = service_protocol
                             ? getservbyname(name.c_str(), service_protocol)
                             : nullptr;
  return entry ? std::optional(ntohs(static_cast<uint16_t>(entry->s_port)))
               : std::nullopt;
}

std::optional<uint16_t> PortByName(const std::string& text, uint8_t protocol) {
  uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && rest == end) {
    return number;
  }
  return ServiceByName(text, protocol);
}

bool ProtocolHasPorts(uint8_t protocol) {
  return ServiceProtocol(protocol) != nullptr;
}

std::string ServiceName(uint16_t port, uint8_t protocol) {
  const char* service_protocol = ServiceProtocol(protocol);
  const servent* entry =
      service_protocol ? getservbyport(htons(port), service_protocol) : nullptr;
  return entry ? entry->s_name : std::to_string(port);
}

std::optional<uint8_t> DscpByClass(const std::string& name) {
  const auto digit = [&](size_t i, char lowest, char highest) {
    return name[i] >= lowest && name[i] <= highest;
  };
  if (SameLetters(name, "BE")) {
    return 0;
  } else if (SameLetters(name, "EF")) {
    return 46;
  } else if (name.size() == 3 && SameLetters(name.substr(0, 2), "CS") &&
             digit(2, '0', '7')) {
    return static_cast<uint8_t>((name[2] - '0') * 8);
  } else if (name.size() == 4 && SameLetters(name.substr(0, 2), "AF") &&
             digit(2, '1', '4') && digit(3, '1', '3')) {
    // RFC 2597: the class, and twice the drop precedence.
    return static_cast<uint8_t>((name[2] - '0') * 8 + (name[3] - '0') * 2);
  }
  return std::nullopt;
}

std::optional<IcmpType> IcmpTypeByName(std::string_view name, bool v6) {
  const auto find = [&](const auto& types) -> std::optional<IcmpType> {
    for (const KnownIcmpType& known : types) {
      if (SameLetters(name, known.name)) {
        IcmpType type;
        if (known.type >= 0) {
          type.type = static_cast<uint8_t>(known.type);
        }
        if (known.code >= 0) {
          type.code = static_cast<uint8_t>(known.code);
        }
        return type;
      }
    }
    return std::nullopt;
  };
  return v6 ? find(kIcmpv6Types) : find(kIcmpTypes);
}

std::vector<std::string_view> IcmpTypeNames(bool v6) {
  std::vector<std::string_view> names;
  const auto add = [&](const auto& types) {
    for (const KnownIcmpType& known : types) {
      names.push_back(known.name);
    }
  };
  v6 ? add(kIcmpv6Types) : add(kIcmpTypes);
  return names;
}

std::optional<uint8_t> TcpFlagByName(std::string_view name) {
  for (size_t i = 0; i < std::size(kTcpFlags); i++) {
    if (SameLetters(name, kTcpFlags[i])) {
      return static_cast<uint8_t>(1 << i);
    }
  }
  return std::nullopt;
}

std::string TcpFlagNames(uint8_t flags) {
  std::string s;
  for (size_t i = 0; i < std::size(kTcpFlags); i++) {
    if (flags >> i & 1) {
      s += (s.empty() ? "" : ",") + std::string(kTcpFlags[i]);
    }
  }
  return s.empty() ? "NONE" : s;
}

}  // namespace ovs_rmirror
