// SPDX-License-Identifier: Apache-2.0

#include "controller/flow_text.h"

#include <netinet/in.h>

#include <cstdio>

namespace ovs_rmirror {

namespace {

// "0x1f", but "0".
std::string Hex(uint64_t number) {
  char text[24];
  std::snprintf(text, sizeof text, "%#llx",
                static_cast<unsigned long long>(number));
  return text;
}

// The word for a packet of `family` and `protocol`, or of `family` alone if the
// protocol has no word.
std::string PacketType(Family family, std::optional<uint8_t> protocol) {
  const bool v6 = family == Family::kIpv6;
  if (protocol == IPPROTO_TCP) {
    return v6 ? "tcp6" : "tcp";
  } else if (protocol == IPPROTO_UDP) {
    return v6 ? "udp6" : "udp";
  } else if (protocol == IPPROTO_SCTP) {
    return v6 ? "sctp6" : "sctp";
  } else if (!v6 && protocol == IPPROTO_ICMP) {
    return "icmp";
  } else if (v6 && protocol == IPPROTO_ICMPV6) {
    return "icmp6";
  }
  return v6 ? "ipv6" : "ip";
}

std::string FormatIp(const char* field, Family family,
                     const Masked<Uint128>& bits) {
  if (bits.mask == 0) {
    return "";
  }
  return "," + std::string(field) + "=" + FormatNetworkBriefly({family, bits});
}

std::string FormatPort(const char* field, const Masked<uint16_t>& port) {
  if (port.mask == 0) {
    return "";
  }
  return "," + std::string(field) + "=" +
         (port.mask == 0xffff ? std::to_string(port.value)
                              : (port.value ? "" : "0x") + Hex(port.value) +
                                    "/" + Hex(port.mask));
}

std::string FormatInPort(uint32_t port) {
  return port == kPortLocal ? "LOCAL" : std::to_string(port);
}

}  // namespace

std::string FormatMatch(const FlowMatch& match) {
  std::string s;
  if (match.family) {
    s += PacketType(*match.family, match.nw_proto) + ",";
  }
  s += "reg0=" + Hex(match.stage);
  if (match.in_port) {
    s += ",in_port=" + FormatInPort(*match.in_port);
  }
  if (match.dl_src.mask != 0) {
    s += ",dl_src=" + FormatMac(match.dl_src.value);
    if (match.dl_src.mask != (uint64_t{1} << 48) - 1) {
      s += "/" + FormatMac(match.dl_src.mask);
    }
  }
  if (match.family) {
    const bool v6 = *match.family == Family::kIpv6;
    s += FormatIp(v6 ? "ipv6_src" : "nw_src", *match.family, match.nw_src);
    s += FormatIp(v6 ? "ipv6_dst" : "nw_dst", *match.family, match.nw_dst);
    if (match.nw_proto &&
        PacketType(*match.family, match.nw_proto) == (v6 ? "ipv6" : "ip")) {
      s += ",nw_proto=" + std::to_string(*match.nw_proto);
    }
  }
  if (match.not_later) {
    s += ",nw_frag=not_later";
  }
  s += FormatPort("tp_src", match.tp_src);
  s += FormatPort("tp_dst", match.tp_dst);
  return s;
}

std::string FormatMirror(const Mirror& mirror) {
  const Session& session = mirror.session;
  std::string s = "rmirror(target=" + FormatAddress(session.target);
  if (mirror.len.mtu) {
    s += ",len=mtu";
  } else if (mirror.len.bytes != RMIRROR_LEN_ALL) {
    s += ",len=" + std::to_string(mirror.len.bytes);
  }
  if (session.key) {
    s += ",key=" + Hex(*session.key);
  }
  if (session.ttl != RMIRROR_TTL_DEFAULT) {
    s += ",ttl=" + std::to_string(session.ttl);
  }
  if (!session.tos) {
    s += ",tos=inherit";
  } else if (*session.tos != RMIRROR_TOS_DEFAULT) {
    s += ",tos=" + Hex(*session.tos);
  }
  if (session.df) {
    s += ",df=true";
  }
  return s + ")";
}

std::string FormatActions(const FlowActions& actions, uint8_t table) {
  if (const Mirror* mirror = std::get_if<Mirror>(&actions)) {
    return FormatMirror(*mirror);
  }
  const EnterStages* enter = std::get_if<EnterStages>(&actions);
  if (!enter) {
    return "drop";
  }
  std::string s;
  for (const uint32_t number : enter->numbers) {
    s += (s.empty() ? "" : ",") + ("load:" + Hex(number)) +
         "->NXM_NX_REG0[],resubmit(," + std::to_string(table) + ")";
  }
  return s;
}

std::string FormatFlow(const Flow& flow, uint8_t table) {
  return "cookie=" + Hex(EncodeCookie(flow.cookie)) +
         ",table=" + std::to_string(table) +
         ",priority=" + std::to_string(flow.priority) + "," +
         FormatMatch(flow.match) +
         ",actions=" + FormatActions(flow.actions, table);
}

}  // namespace ovs_rmirror
