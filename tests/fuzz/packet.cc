// SPDX-License-Identifier: Apache-2.0
//
// A packet for explain, in words.
//
//   - What is wrong with it is one line.
//   - What is read reads back from the fields that rules look at.
//   - Any policy can be explained for it.

#include "controller/explain.h"
#include "controller/packet_path.h"
#include "controller/status.h"
#include "tests/fuzz/text.h"

namespace ovs_rmirror {

namespace {

const PortNumbers& Ports() {
  static const PortNumbers ports = {
      {"br0", kPortLocal}, {"eth0", 1}, {"eth1", 2}};
  return ports;
}

const Policy& SomePolicy() {
  static const Policy* const policy = [] {
    const SourceText source(
        "policy",
        "*rmirror\n"
        ":FORWARD DROP\n"
        ":OWN - [0:0]\n"
        "-A PREROUTING -s 10.0.0.0/8 -j RETURN\n"
        "-A PREROUTING -i eth+ -p tcp --dport 80 -j RMIRROR --target "
        "192.0.2.9 --len 96\n"
        "-A PREROUTING -m set --match-set web src,dst -j OWN\n"
        "-A PREROUTING -m mark --mark 0x1/0x3 -g OWN\n"
        "-A OUTPUT -p icmp --icmp-type 8 -j RMIRROR --target 2001:db8::9\n"
        "-A INPUT -m mac --mac-source 02:00:00:00:00:05 -j RMIRROR --target "
        "192.0.2.9 --len mtu\n"
        "-A FORWARD -m vlan ! --vlan-id 7 -j ACCEPT\n"
        "-A FORWARD -p tcp --tcp-flags SYN,ACK SYN -j DROP\n"
        "-A POSTROUTING -m dscp --dscp 0x2e -j RMIRROR --target 192.0.2.9 "
        "--key 7\n"
        "-A POSTROUTING -f -j RMIRROR --target 192.0.2.10\n"
        "-A OWN -m limit --limit 5/sec -j RMIRROR --target 192.0.2.9\n"
        "-A OWN -m multiport --ports 53,1000:2000 -p udp -j RETURN\n"
        "COMMIT\n");
    Diagnostics diagnostics;
    Policy* const result =
        new Policy(ReadPolicy(source, SomeSets(), &diagnostics));
    REQUIRE_SAME(Format(source, diagnostics).c_str(), "");
    return result;
  }();
  return *policy;
}

// `packet` in the syntax in which it is read.
std::string Write(const Packet& packet) {
  const auto number = [](const char* field, unsigned long long n) {
    return std::string(",") + field + "=" + std::to_string(n);
  };
  std::string s =
      "in_port=" + (packet.in_port == kPortLocal
                        ? "LOCAL"
                        : std::to_string(packet.in_port)) +
      number("pkt_mark", packet.mark) + ",dl_src=" + FormatMac(packet.dl_src);
  if (packet.vlan) {
    s += number("dl_vlan", *packet.vlan);
  }
  if (!packet.family) {
    return s;
  }
  const bool v4 = *packet.family == Family::kIpv4;
  const std::string src = FormatAddress({*packet.family, packet.nw_src});
  const std::string dst = FormatAddress({*packet.family, packet.nw_dst});
  s += v4 ? ",ip,nw_src=" + src + ",nw_dst=" + dst
          : ",ipv6,ipv6_src=" + src + ",ipv6_dst=" + dst;
  s += number("nw_proto", packet.nw_proto) + number("ip_dscp", packet.dscp);
  if (packet.later_fragment) {
    return s + ",nw_frag=later";  // Without the header that has ports.
  }
  const auto fields = [&](const char* source, const char* destination) {
    s += number(source, packet.tp_src) + number(destination, packet.tp_dst);
  };
  if (packet.nw_proto == 6) {
    fields("tcp_src", "tcp_dst");
    s += number("tcp_flags", packet.tcp_flags);
  } else if (packet.nw_proto == 17) {
    fields("udp_src", "udp_dst");
  } else if (packet.nw_proto == 132) {
    fields("sctp_src", "sctp_dst");
  } else if (v4 ? packet.nw_proto == 1 : packet.nw_proto == 58) {
    fields(v4 ? "icmp_type" : "icmpv6_type", v4 ? "icmp_code" : "icmpv6_code");
  }
  return s;
}

void Test(const std::string& text) {
  PortNumbers ports = Ports();
  PacketPath path;
  const std::string error = ReadPacketText(text, &ports, &path);
  if (!error.empty()) {
    REQUIRE(error.size() > 1 && error.back() == '\n');
    return;
  }

  if (path.packet.later_fragment) {
    path.packet.tp_src = path.packet.tp_dst = path.packet.tcp_flags = 0;
  }
  PacketPath again;
  const std::string written = Write(path.packet);
  REQUIRE_SAME(ReadPacketText(written, &ports, &again).c_str(), "");
  REQUIRE_SAME(FormatPacket(again.packet).c_str(),
               FormatPacket(path.packet).c_str());

  const Policy& policy = SomePolicy();
  path.outputs = {1, kPortLocal, 2};
  const Explanation explanation = Explain(policy, ports, path);
  for (const ExplainedChain& chain : explanation) {
    for (const ExplainedStep& step : chain.steps) {
      REQUIRE(step.rule < policy.rules.size());
      const bool copies =
          step.effect == Effect::kCopy || step.effect == Effect::kMayCopy;
      REQUIRE(step.copy.has_value() == copies);
      REQUIRE(!copies || !path.length || !step.copy->bytes ||
              *step.copy->bytes <= *path.length);
    }
  }
  REQUIRE(!FormatExplanation(policy, ports, path, explanation).empty());
  REQUIRE(!FormatJson(ExplanationAsJson(policy, ports, path, explanation))
               .empty());
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
