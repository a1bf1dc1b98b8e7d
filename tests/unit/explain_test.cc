// SPDX-License-Identifier: Apache-2.0

#include "controller/explain.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "controller/packet_path.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

Policy Read(const std::string& rules) {
  const SourceText source("policy", "*rmirror\n" + rules + "COMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, GeneratedSets(), &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  return policy;
}

std::string ExplainText(const std::string& rules, const std::string& packet,
                        const std::vector<std::string>& outputs = {}) {
  const Policy policy = Read(rules);
  PortNumbers ports;
  PacketPath path;
  const std::string error = ReadPacketText(packet, &ports, &path);
  if (!error.empty()) {
    return error;
  }
  for (const std::string& output : outputs) {
    path.outputs.push_back(PortOf(output, &ports));
  }
  return FormatExplanation(policy, ports, path, Explain(policy, ports, path));
}

TEST(Explain, SaysWhichRulesMatchAndWhatTheyDo) {
  EXPECT_EQ(
      ExplainText(":WEB - [0:0]\n"
                  "-A PREROUTING -s 10.66.0.0/16 -j RETURN\n"
                  "-A PREROUTING -i vnet+ -p tcp --dport 443 -j WEB\n"
                  "-A PREROUTING -j RMIRROR --target 192.0.2.9 --len 14\n"
                  "-A PREROUTING -p tcp -j DROP\n"
                  "-A PREROUTING -j RMIRROR --target 192.0.2.11\n"
                  "-A WEB -j RMIRROR --target 192.0.2.9 --len 128\n"
                  "-A WEB -j RETURN\n",
                  "in_port=vnet0,tcp,ip_src=10.0.0.1,tp_dst=443,len=1500"),
      "in_port=vnet0,tcp,ip_src=10.0.0.1,tp_dst=443,len=1500\n"
      "  PREROUTING\n"
      "    2. -A PREROUTING -i vnet+ -p tcp -m tcp --dport 443 -j WEB\n"
      "       goes on in WEB\n"
      "    1. -A WEB -j RMIRROR --target 192.0.2.9 --len 128\n"
      "       copies 128 of 1500 bytes: rmirror(target=192.0.2.9,len=128)\n"
      "    2. -A WEB -j RETURN\n"
      "       ends WEB only\n"
      "    3. -A PREROUTING -j RMIRROR --target 192.0.2.9 --len 14\n"
      "       does nothing: the session has its copy from a rule before\n"
      "    4. -A PREROUTING -p tcp -j DROP\n"
      "       ends PREROUTING\n"
      "  1 copy\n");
}

TEST(Explain, FollowsThePacketToThePortsByWhichItLeaves) {
  EXPECT_EQ(
      ExplainText("-A PREROUTING -j RMIRROR --target 192.0.2.9\n"
                  "-A INPUT -j RMIRROR --target 192.0.2.10 --len mtu\n"
                  "-A FORWARD -o two -j DROP\n"
                  "-A POSTROUTING -o three -j RMIRROR --target 192.0.2.9\n",
                  "in_port=one,arp,len=60", {"LOCAL", "two", "three"}),
      "in_port=one,arp,len=60\n"
      "  PREROUTING\n"
      "    1. -A PREROUTING -j RMIRROR --target 192.0.2.9\n"
      "       copies all 60 bytes: rmirror(target=192.0.2.9)\n"
      "    policy ACCEPT\n"
      "  INPUT, leaving by LOCAL\n"
      "    1. -A INPUT -j RMIRROR --target 192.0.2.10 --len mtu\n"
      "       copies what fits the MTU of the way, at most 60 bytes: "
      "rmirror(target=192.0.2.10,len=mtu)\n"
      "    policy ACCEPT\n"
      "  FORWARD, leaving by two\n"
      "    1. -A FORWARD -o two -j DROP\n"
      "       ends FORWARD\n"
      "  FORWARD, leaving by three\n"
      "    policy ACCEPT\n"
      "  POSTROUTING, leaving by three\n"
      "    1. -A POSTROUTING -o three -j RMIRROR --target 192.0.2.9\n"
      "       counts the packet; the session has its copy from another chain\n"
      "    policy ACCEPT\n"
      "  2 copies\n");
}

TEST(Explain, LeavesOpenWhatALimitOrChanceDecides) {
  EXPECT_EQ(ExplainText("-A OUTPUT -m limit --limit 10/sec -j RMIRROR --target "
                        "192.0.2.9 --len 96\n",
                        "in_port=LOCAL,ip"),
            "in_port=LOCAL,ip\n"
            "  OUTPUT\n"
            "    1. -A OUTPUT -m limit --limit 10/sec -j RMIRROR --target "
            "192.0.2.9 --len 96\n"
            "       may copy the first 96 bytes: "
            "rmirror(target=192.0.2.9,len=96)\n"
            "    policy ACCEPT\n"
            "  at most 1 copy\n");
}

TEST(Explain, SaysThatCopiesAreNotCopied) {
  EXPECT_EQ(ExplainText("-A OUTPUT -j RMIRROR --target 192.0.2.9\n",
                        "in_port=LOCAL,ip,nw_proto=47,ip_dst=192.0.2.9"),
            "in_port=LOCAL,ip,nw_proto=47,ip_dst=192.0.2.9\n"
            "  OUTPUT\n"
            "    1. -A OUTPUT -j RMIRROR --target 192.0.2.9\n"
            "       makes no copy: GRE to or from a collector may be one "
            "itself\n"
            "    policy ACCEPT\n"
            "  0 copies\n");
}

TEST(Explain, GivesProgramsTheSame) {
  const Policy policy = Read(
      "-A PREROUTING -j RMIRROR --target 192.0.2.9 --len 96\n"
      "-A PREROUTING -j ACCEPT\n");
  PortNumbers ports;
  PacketPath path;
  EXPECT_EQ(ReadPacketText("in_port=1,udp", &ports, &path), "");
  EXPECT_EQ(
      ExplanationAsJson(policy, ports, path, Explain(policy, ports, path)),
      nlohmann::json::parse(R"json({
    "packet": "in_port=1,udp", "length": null,
    "chains": [{
      "chain": "PREROUTING", "output": null, "policy": false,
      "rules": [
        {"chain": "PREROUTING", "number": 1, "line": 2, "effect": "copy",
         "rule": "-A PREROUTING -j RMIRROR --target 192.0.2.9 --len 96",
         "copy": {"target": "192.0.2.9", "bytes": null, "up_to_mtu": false,
                  "action": "rmirror(target=192.0.2.9,len=96)",
                  "loop": false
}
},
        {"chain": "PREROUTING", "number": 2, "line": 3, "effect": "verdict",
         "rule": "-A PREROUTING -j ACCEPT"}]
}]
})json"));
}

TEST(PacketPath, ReadsWhatRulesLookAt) {
  PortNumbers ports = {{"eth0", 7}};
  PacketPath path;
  ASSERT_EQ(
      ReadPacketText(
          "in_port=eth0,pkt_mark=0x11,dl_src=02:00:00:00:00:05,dl_vlan=7,"
          "tcp6,ipv6_src=2001:db8::1,ipv6_dst=2001:db8::2,nw_tos=184,tp_src=1,"
          "tp_dst=80,tcp_flags=syn|ack, len=1514",
          &ports, &path),
      "");
  const Packet& p = path.packet;
  EXPECT_EQ(FormatPacket(p),
            "in_port=7,mark=17,dl_src=02:00:00:00:00:05,vlan=7,proto=6,dscp=46,"
            "src=2001:db8::1,dst=2001:db8::2,tp_src=1,tp_dst=80,flags=18");
  EXPECT_EQ(path.length, 1514u);

  ASSERT_EQ(ReadPacketText("in_port=eth1,icmp,icmp_type=8,icmp_code=1,"
                           "nw_src=10.0.0.1",
                           &ports, &path),
            "");
  EXPECT_EQ(p.tp_src, 8);
  EXPECT_EQ(p.tp_dst, 1);
  EXPECT_EQ(ports.at("eth1"), p.in_port);
  ASSERT_EQ(ReadPacketText("in_port=1,udp,tp_src=5,tp_dst=53", &ports, &path),
            "");
  EXPECT_EQ(p.tp_src, 5);
  EXPECT_EQ(p.tp_dst, 53);
  ASSERT_EQ(ReadPacketText("in_port=LOCAL,udp,nw_frag=later", &ports, &path),
            "");
  EXPECT_EQ(p.in_port, kPortLocal);
  EXPECT_TRUE(p.later_fragment);
}

TEST(PacketPath, SaysWhatIsWrongWithAPacket) {
  PortNumbers ports;
  PacketPath path;
  EXPECT_EQ(ReadPacketText("tcp", &ports, &path),
            "'tcp' says not by which port the packet enters: write "
            "in_port=NAME, or in_port=LOCAL\n");
  EXPECT_EQ(ReadPacketText("in_port=1,len=x", &ports, &path),
            "len: 'x' is no length: write a number of bytes\n");
  EXPECT_EQ(ReadPacketText("in_port=1,frog=2", &ports, &path),
            "frog=2: unknown field frog\n");
  EXPECT_NE(ReadPacketText("in_port=1,tp_src=2", &ports, &path), "");
}

// A file that the test may write.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    char name[] = "/tmp/rmirror-unit-XXXXXX";
    close(mkstemp(name));
    name_ = name;
    std::ofstream(name_, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::remove(name_.c_str()); }

  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

// A file of one UDP packet to port 53, as tcpdump would write it.
std::string CapturedPacket() {
  const auto le32 = [](uint32_t n) {
    std::string s;
    for (int i = 0; i < 4; i++) {
      s += static_cast<char>(n >> (8 * i));
    }
    return s;
  };
  std::string frame;
  for (const int byte :
       {2,  0, 0,  0,  0, 2, 2, 0, 0,  0,  0, 1, 8,  0,  // Ethernet.
        69, 0, 0,  28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0,
        0,  1, 10, 0,  0, 2, 4, 0, 0,  53, 0, 8, 0,  0}) {
    frame += static_cast<char>(byte);
  }
  const uint32_t size = static_cast<uint32_t>(frame.size());
  return le32(0xa1b2c3d4) + le32(0x00040002) + le32(0) + le32(0) + le32(65535) +
         le32(1) + le32(1) + le32(0) + le32(size) + le32(size) + frame;
}

TEST(PacketPath, ReadsFilesOfPackets) {
  const TemporaryFile file(CapturedPacket());
  PortNumbers ports;
  std::vector<PacketPath> paths;
  ASSERT_EQ(ReadPacketFile(file.name(), "vnet0", &ports, &paths), "");
  ASSERT_EQ(paths.size(), 1u);
  EXPECT_EQ(paths[0].length, 42u);
  EXPECT_EQ(paths[0].packet.in_port, ports.at("vnet0"));
  EXPECT_EQ(paths[0].text,
            file.name() +
                ": packet 1: in_port=vnet0,mark=0,dl_src=02:00:00:00:00:01,"
                "proto=17,dscp=0,src=10.0.0.1,dst=10.0.0.2,tp_src=1024,"
                "tp_dst=53,flags=0");
}

TEST(PacketPath, SaysWhichFilesHoldNoPackets) {
  PortNumbers ports;
  std::vector<PacketPath> paths;
  EXPECT_EQ(ReadPacketFile("/nonexistent", "1", &ports, &paths),
            "/nonexistent: No such file or directory\n");
  const TemporaryFile text("*rmirror\nCOMMIT\n, and more to fill a header");
  EXPECT_EQ(ReadPacketFile(text.name(), "1", &ports, &paths),
            text.name() +
                ": no file of captured Ethernet frames, as tcpdump -w writes "
                "it\n");
}

RC_GTEST_PROP(PacketPath, SurvivesAnyText, ()) {
  std::string text =
      "in_port=eth0,len=60,dl_vlan=7,tcp,nw_src=10.0.0.1,tp_dst=80,"
      "tcp_flags=syn,nw_frag=later";
  const int changes = *rc::gen::inRange(0, 6);
  for (int i = 0; i < changes; i++) {
    const size_t at = *rc::gen::inRange<size_t>(0, text.size());
    if (OneIn(2)) {
      text[at] = *rc::gen::arbitrary<char>();
    } else {
      text.insert(at, OneOf<std::string>({",", "=", "(", ")", ",ip6", "/ff",
                                          "in_port=", "len=", ":"}));
    }
  }
  const Policy policy = GeneratePolicy();
  for (const std::string& input : {text, *rc::gen::arbitrary<std::string>()}) {
    PortNumbers ports;
    PacketPath path;
    if (ReadPacketText(input, &ports, &path).empty()) {
      FormatExplanation(policy, ports, path, Explain(policy, ports, path));
    }
  }
}

}  // namespace
}  // namespace ovs_rmirror
