// SPDX-License-Identifier: Apache-2.0

#include "controller/names.h"

#include <netdb.h>
#include <netinet/in.h>

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
};

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
  if (entry && entry->p_proto > 0 && entry->p_proto <= 255) {
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

std::string ServiceName(uint16_t port, uint8_t protocol) {
  const char* service_protocol = ServiceProtocol(protocol);
  const servent* entry =
      service_protocol ? getservbyport(htons(port), service_protocol) : nullptr;
  return entry ? entry->s_name : std::to_string(port);
}

}  // namespace ovs_rmirror
