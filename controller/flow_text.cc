// SPDX-License-Identifier: Apache-2.0

#include "controller/flow_text.h"

#include <netinet/in.h>

#include <cstdio>

#include "controller/probability.h"

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

// A field of 16 bits.
std::string FormatField(const char* field, const Masked<uint16_t>& bits) {
  if (bits.mask == 0) {
    return "";
  }
  return "," + std::string(field) + "=" +
         (bits.mask == 0xffff ? std::to_string(bits.value)
                              : (bits.value ? "" : "0x") + Hex(bits.value) +
                                    "/" + Hex(bits.mask));
}

std::string FormatVlan(const Masked<uint16_t>& tci) {
  if (tci.mask == 0) {
    return "";
  } else if (tci.mask == 0x1fff && tci.value & 0x1000) {
    return ",dl_vlan=" + std::to_string(tci.value & 0xfff);
  }
  char text[40];
  std::snprintf(text, sizeof text, ",vlan_tci=0x%04x/0x%04x",
                static_cast<unsigned>(tci.value),
                static_cast<unsigned>(tci.mask));
  return text;
}

// "+syn-ack": those that are set and those that are not.
std::string FormatTcpFlags(const Masked<uint16_t>& flags) {
  static constexpr const char* kNames[] = {"fin", "syn", "rst",
                                           "psh", "ack", "urg"};
  if (flags.mask == 0) {
    return "";
  }
  std::string s = ",tcp_flags=";
  for (int i = 0; i < 6; i++) {
    if (flags.mask >> i & 1) {
      s += (flags.value >> i & 1 ? "+" : "-") + std::string(kNames[i]);
    }
  }
  return s;
}

std::string FormatPort(uint32_t port) {
  return port == kPortLocal ? "LOCAL" : std::to_string(port);
}

std::string FormatProgress(Progress progress) {
  switch (progress) {
    case Progress::kStart:
      return "load:0->NXM_NX_REG1[]";
    case Progress::kFinish:
      return "load:0x1->NXM_NX_REG1[0]";
    case Progress::kLeave:
      return "load:0x1->NXM_NX_REG1[1]";
    case Progress::kDrop:
      return "load:0x1->NXM_NX_REG1[2]";
    case Progress::kContinue:
      return "load:0->NXM_NX_REG1[0..1]";
    case Progress::kReturn:
      return "load:0->NXM_NX_REG1[1]";
  }
  return "";
}

std::string FormatFields(const Mirror& mirror) {
  const Session& session = mirror.session;
  std::string s = "target=" + FormatAddress(session.target);
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
  return s;
}

std::string FormatCopy(const Copy& copy, const MeterNumbers& meters) {
  std::string s = "rmirror(" + FormatFields(copy.mirror);
  if (copy.meter) {
    s += ",meter=" + std::to_string(meters.at(*copy.meter));
  }
  if (copy.probability != RMIRROR_PROBABILITY_ALL) {
    s += ",probability=" + FormatProbability(copy.probability);
  }
  return s + ")";
}

}  // namespace

std::string FormatMatch(const FlowMatch& match) {
  std::string s;
  if (match.pkt_mark.mask != 0) {
    s += "pkt_mark=" + Hex(match.pkt_mark.value);
    if (match.pkt_mark.mask != UINT32_MAX) {
      s += "/" + Hex(match.pkt_mark.mask);
    }
    s += ",";
  }
  if (match.conj_id) {
    s += "conj_id=" + std::to_string(*match.conj_id) + ",";
  }
  if (match.actset_output) {
    s += "actset_output=" + FormatPort(*match.actset_output) + ",";
  }
  if (match.family) {
    s += PacketType(*match.family, match.nw_proto) + ",";
  }
  s += "reg0=" + Hex(match.stage);
  if (match.running) {
    s += ",reg1=0";
  }
  if (match.zero != 0) {
    s += ",reg2=0/" + Hex(match.zero);
  }
  if (match.in_port) {
    s += ",in_port=" + FormatPort(*match.in_port);
  }
  s += FormatVlan(match.vlan_tci);
  if (match.dl_src.mask != 0) {
    s += ",dl_src=" + FormatMac(match.dl_src.value);
    if (match.dl_src.mask != (uint64_t{1} << 48) - 1) {
      s += "/" + FormatMac(match.dl_src.mask);
    }
  }
  bool is_icmp = false;
  if (match.family) {
    const bool v6 = *match.family == Family::kIpv6;
    s += FormatIp(v6 ? "ipv6_src" : "nw_src", *match.family, match.nw_src);
    s += FormatIp(v6 ? "ipv6_dst" : "nw_dst", *match.family, match.nw_dst);
    if (match.nw_proto &&
        PacketType(*match.family, match.nw_proto) == (v6 ? "ipv6" : "ip")) {
      s += ",nw_proto=" + std::to_string(*match.nw_proto);
    }
    if (match.dscp) {
      s += ",nw_tos=" + std::to_string(*match.dscp << 2);
    }
    is_icmp = match.nw_proto ==
              (v6 ? uint8_t{IPPROTO_ICMPV6} : uint8_t{IPPROTO_ICMP});
  }
  if (match.fragment == Fragment::kNotLater) {
    s += ",nw_frag=not_later";
  } else if (match.fragment == Fragment::kLater) {
    s += ",nw_frag=later";
  }
  s += FormatField(is_icmp ? "icmp_type" : "tp_src", match.tp_src);
  s += FormatField(is_icmp ? "icmp_code" : "tp_dst", match.tp_dst);
  s += FormatTcpFlags(match.tcp_flags);
  return s;
}

std::string FormatMirror(const Mirror& mirror) {
  return "rmirror(" + FormatFields(mirror) + ")";
}

MeterNumbers NumberMeters(const std::vector<Meter>& meters) {
  MeterNumbers numbers;
  for (const Meter& meter : meters) {
    numbers[meter.id] = static_cast<uint32_t>(numbers.size()) + 1;
  }
  return numbers;
}

std::string FormatActions(const FlowActions& actions, uint8_t table,
                          const MeterNumbers& meters) {
  std::string s;
  for (const FlowAction& action : actions) {
    s += s.empty() ? "" : ",";
    if (const Copy* copy = std::get_if<Copy>(&action)) {
      s += FormatCopy(*copy, meters);
    } else if (const EnterStage* enter = std::get_if<EnterStage>(&action)) {
      s += "load:" + Hex(enter->number) + "->NXM_NX_REG0[],resubmit(," +
           std::to_string(table) + ")";
    } else if (const Conjunction* c = std::get_if<Conjunction>(&action)) {
      s += "conjunction(" + std::to_string(c->id) + "," +
           std::to_string(c->clause) + "/" + std::to_string(c->clauses) + ")";
    } else {
      s += FormatProgress(std::get<Progress>(action));
    }
  }
  return s.empty() ? "drop" : s;
}

std::string FormatFlow(const Flow& flow, const TapTables& tables,
                       const MeterNumbers& meters) {
  const uint8_t table = tables.of(flow.tap);
  return "cookie=" + Hex(EncodeCookie(flow.cookie)) +
         ",table=" + std::to_string(table) +
         ",priority=" + std::to_string(flow.priority) + "," +
         FormatMatch(flow.match) +
         ",actions=" + FormatActions(flow.actions, table, meters);
}

std::string FormatMeter(const Meter& meter, uint32_t number) {
  return "meter=" + std::to_string(number) +
         (meter.kilobits ? " kbps" : " pktps") +
         " burst bands=type=drop rate=" + std::to_string(meter.rate) +
         " burst_size=" + std::to_string(meter.burst);
}

}  // namespace ovs_rmirror
