// SPDX-License-Identifier: Apache-2.0

#include "controller/capture_choice.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <string>
#include <vector>

namespace ovs_rmirror {
namespace {

Sample PolicyOf(const std::vector<std::string>& rules,
                const std::string& bridge = "br0") {
  std::string text = "*rmirror\n";
  for (const std::string& rule : rules) {
    text += "-A PREROUTING " + rule + "\n";
  }
  const SourceText source("p", text + "COMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  ListedChain chain;
  for (const Rule& rule : policy.rules) {
    chain.rules.push_back({rule, {}, false});
  }
  Sample sample;
  sample.Add(bridge, {chain});
  return sample;
}

const std::vector<std::string> kRules = {
    "-s 10.0.0.1/32 -j RMIRROR --target 192.0.2.9 --key 7",
    "-s 10.0.0.2/32 -j RMIRROR --target 192.0.2.9 --len 60",
    "-s 10.0.0.3/32 -j DROP",
    "-s 10.0.0.4/32 -j RMIRROR --target 192.0.2.9 --len 96 --key 7",
    "-j RMIRROR --target 2001:db8::9",
};

std::vector<std::string> NamesOf(const CaptureChoice& choice) {
  std::vector<std::string> names;
  for (const CapturedSession& session : choice.sessions) {
    names.push_back(session.name);
  }
  return names;
}

using Texts = std::vector<std::string>;

TEST(ChooseSessions, TakesAllOfATarget) {
  const CaptureChoice choice = ChooseSessions(PolicyOf(kRules), "192.0.2.9");
  EXPECT_EQ(choice.error, "");
  ASSERT_EQ(NamesOf(choice), (Texts{"192.0.2.9 --key 7", "192.0.2.9"}));
  EXPECT_EQ(choice.sessions[0].rules,
            (Texts{"br0: PREROUTING:1: -A PREROUTING " + kRules[0],
                   "br0: PREROUTING:4: -A PREROUTING " + kRules[3]}));
  EXPECT_EQ(choice.sessions[1].rules.size(), 1u);
  EXPECT_EQ(NamesOf(ChooseSessions(PolicyOf(kRules), "2001:DB8:0::9")),
            Texts{"2001:db8::9"});
}

TEST(ChooseSessions, TakesThatOfARule) {
  const CaptureChoice choice = ChooseSessions(PolicyOf(kRules), "PREROUTING:4");
  ASSERT_EQ(NamesOf(choice), Texts{"192.0.2.9 --key 7"});
  EXPECT_EQ(choice.sessions[0].rules.size(), 2u);
}

TEST(ChooseSessions, SaysWhatThereIs) {
  const auto error = [](const std::string& what) {
    const CaptureChoice choice = ChooseSessions(PolicyOf(kRules), what);
    EXPECT_TRUE(choice.sessions.empty());
    return choice.error;
  };
  EXPECT_EQ(error("192.0.2.10"),
            "no rule mirrors to 192.0.2.10; targets: 192.0.2.9, 2001:db8::9\n");
  EXPECT_EQ(error("PREROUTING:3"),
            "rule PREROUTING:3 does not mirror: -A PREROUTING -s 10.0.0.3/32 "
            "-j DROP\n");
  EXPECT_EQ(error("collector"),
            "'collector' is neither the address of a target nor a rule, "
            "CHAIN:NUMBER, in force; rules that mirror: PREROUTING:1, "
            "PREROUTING:2, PREROUTING:4, PREROUTING:5\n");
  EXPECT_EQ(ChooseSessions(Sample(), "192.0.2.9").error,
            "no rule mirrors to 192.0.2.9; targets: none\n");
}

TEST(ChooseSessions, WantsOneBridgeForARule) {
  Sample two = PolicyOf(kRules);
  const Sample other = PolicyOf(kRules, "br1");
  two.rules.insert(two.rules.end(), other.rules.begin(), other.rules.end());
  EXPECT_EQ(ChooseSessions(two, "PREROUTING:1").error,
            "more than one bridge has a rule PREROUTING:1: name the bridge, -b "
            "BRIDGE\n");
  EXPECT_EQ(ChooseSessions(two, "192.0.2.9").sessions.at(1).rules.size(), 2u);
}

TEST(IsOfSession, LooksAtWhatTheOuterHeaderSays) {
  Session session;
  session.target = *ParseAddress("192.0.2.9");
  session.key = 7;
  session.tos = 0x28;
  EXPECT_TRUE(IsOfSession(session, session));
  Session carried = session;
  carried.tos = 0x2b;
  EXPECT_TRUE(IsOfSession(carried, session)) << "but for the ECN";
  carried.tos = 0x2c;
  EXPECT_FALSE(IsOfSession(carried, session));
  Session inherits = session;
  inherits.tos.reset();
  EXPECT_TRUE(IsOfSession(carried, inherits));
  carried = session;
  carried.key.reset();
  EXPECT_FALSE(IsOfSession(carried, session));
  carried = session;
  carried.ttl--;
  EXPECT_FALSE(IsOfSession(carried, session));
  carried = session;
  carried.target.bits++;
  EXPECT_FALSE(IsOfSession(carried, session));
  carried = session;
  carried.df = true;
  EXPECT_FALSE(IsOfSession(carried, session));
  carried.target = session.target = *ParseAddress("2001:db8::9");
  EXPECT_TRUE(IsOfSession(carried, session)) << "there is no DF in IPv6";
}

// Whether libpcap takes the filter, and lets `packet` through.
bool Passes(const std::string& filter, int link, const std::string& packet) {
  pcap_t* pcap = pcap_open_dead(link, 65535);
  bpf_program program;
  const int failed =
      pcap_compile(pcap, &program, filter.c_str(), 1, PCAP_NETMASK_UNKNOWN);
  EXPECT_FALSE(failed) << pcap_geterr(pcap);
  bool passes = false;
  if (!failed) {
    pcap_pkthdr header = {};
    header.caplen = header.len = static_cast<bpf_u_int32>(packet.size());
    passes = pcap_offline_filter(
                 &program, &header,
                 reinterpret_cast<const u_char*>(packet.data())) != 0;
    pcap_freecode(&program);
  }
  pcap_close(pcap);
  return passes;
}

TEST(CaptureFilter, LetsPassWhatMayBeACopy) {
  using namespace std::string_literals;
  const std::string v4 =
      "\x45\0\0\x3c\0\x01\x20\x05\x40\x2f\0\0"s
      "\x0a\0\0\x01\xc0\0\x02\x09"s +
      std::string(40, 'x');
  const std::string prefix = "\x20\x01\x0d\xb8"s + std::string(11, '\0');
  const std::string v6 = "\x60\0\0\0\0\x28\x2c\x40"s + prefix + "\x01" +
                         prefix + "\x09" + std::string(40, 'x');
  const std::string macs(12, '\2');
  const std::string tag = "\x81\0\0\x05"s;
  const std::string type4 = "\x08\0"s;
  const std::string type6 = "\x86\xdd"s;
  const Address target4 = *ParseAddress("192.0.2.9");
  const Address target6 = *ParseAddress("2001:db8::9");
  const std::string filter4 = CaptureFilter(target4, true);
  const std::string filter6 = CaptureFilter(target6, true);
  EXPECT_TRUE(Passes(filter4, DLT_EN10MB, macs + type4 + v4));
  EXPECT_TRUE(Passes(filter4, DLT_EN10MB, macs + tag + type4 + v4));
  EXPECT_TRUE(Passes(filter6, DLT_EN10MB, macs + type6 + v6));
  EXPECT_TRUE(Passes(filter6, DLT_EN10MB, macs + tag + type6 + v6));
  EXPECT_TRUE(Passes(CaptureFilter(target4, false), DLT_RAW, v4));
  EXPECT_TRUE(Passes(CaptureFilter(target6, false), DLT_RAW, v6));

  for (const std::string& other : {"192.0.2.10"s, "2001:db8::a"s}) {
    const std::string filter = CaptureFilter(*ParseAddress(other), true);
    for (const std::string& frame :
         {macs + type4 + v4, macs + tag + type4 + v4, macs + type6 + v6,
          macs + tag + type6 + v6}) {
      EXPECT_FALSE(Passes(filter, DLT_EN10MB, frame)) << other;
    }
  }
  std::string udp = v4;
  udp[9] = 17;
  EXPECT_FALSE(Passes(filter4, DLT_EN10MB, macs + type4 + udp));
  EXPECT_FALSE(Passes(filter4, DLT_EN10MB, macs + tag + type4 + udp));
}

const char kPorts[] =
    "netdev@ovs-netdev: hit:98 missed:33\n"
    "  br-dpdk:\n"
    "    br-dpdk 65534/7: (tap)\n"
    "    dpdk0 1/8: (dpdk: n_rxq=1)\n"
    "  br-mix:\n"
    "    br-mix 65534/9: (tap)\n"
    "    eth7 1/10: (system)\n"
    "    patch-a 2/none: (patch: peer=patch-b)\n"
    "  br-phy:\n"
    "    br-phy 65534/2: (tap)\n"
    "    tap3 2/5: (tap)\n"
    "    uplink 1/3: (system)\n"
    "  br-tun:\n"
    "    br-phy-not 1/4: (system)\n"
    "    br-tun 65534/6: (tap)\n"
    "system@ovs-system: hit:5 missed:6\n"
    "  br-kernel:\n"
    "    br-kernel 65534/1: (internal)\n"
    "    eth9 1/2: (system)\n";

TEST(FindCaptureDevices, TakesThePortsOfABridgeInUserspace) {
  const CaptureDevices found = FindCaptureDevices("br-phy", kPorts);
  EXPECT_EQ(found.names, (Texts{"tap3", "uplink"}));
  EXPECT_EQ(found.error, "");
}

TEST(FindCaptureDevices, TakesTheDeviceItselfWhereTheKernelSendsTheCopies) {
  EXPECT_EQ(FindCaptureDevices("br-kernel", kPorts).names, Texts{"br-kernel"});
  EXPECT_EQ(FindCaptureDevices("eth0", kPorts).names, Texts{"eth0"});
  EXPECT_EQ(FindCaptureDevices("eth0", "").names, Texts{"eth0"});
}

TEST(FindCaptureDevices, SaysWhatTheKernelDoesNotSee) {
  EXPECT_EQ(FindCaptureDevices("br-dpdk", kPorts).error,
            "copies leave bridge br-dpdk by ports that the kernel does not "
            "see: dpdk0 (dpdk): capture at the collector\n");
  EXPECT_EQ(FindCaptureDevices("br-mix", kPorts).error,
            "copies leave bridge br-mix by ports that the kernel does not "
            "see: patch-a (patch): capture at the collector, or name the "
            "devices to look at: -i DEVICE\n");
}

}  // namespace
}  // namespace ovs_rmirror
