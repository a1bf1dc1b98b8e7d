// SPDX-License-Identifier: Apache-2.0

#include "controller/names.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace ovs_rmirror {
namespace {

TEST(Names, OfProtocolsAreThoseOfIptables) {
  const std::map<std::string, uint8_t> protocols = {{"icmp", 1},
                                                    {"tcp", 6},
                                                    {"udp", 17},
                                                    {"gre", 47},
                                                    {"esp", 50},
                                                    {"ipv6-icmp", 58},
                                                    {"icmpv6", 58},
                                                    {"sctp", 132},
                                                    {"ah", 51},
                                                    {"ip", 0},
                                                    {"mh", 135},
                                                    {"ipv6-mh", 135},
                                                    {"mobility-header", 135},
                                                    {"udplite", 136}};
  for (const auto& [name, number] : protocols) {
    EXPECT_EQ(ProtocolByName(name), number) << name;
  }
  EXPECT_EQ(ProtocolByName("nosuchprotocol"), std::nullopt);
  EXPECT_EQ(ProtocolByName(""), std::nullopt);
}

TEST(Names, OfProtocolsAreShownAsIptablesSaveDoes) {
  EXPECT_EQ(ProtocolName(6), "tcp");
  EXPECT_EQ(ProtocolName(58), "ipv6-icmp");
  EXPECT_EQ(ProtocolName(253), "253");
}

TEST(Names, OfServicesDependOnTheProtocol) {
  EXPECT_EQ(ServiceByName("domain", 17), 53);
  EXPECT_EQ(ServiceByName("ssh", 6), 22);
  EXPECT_EQ(ServiceByName("tftp", 17), 69);
  EXPECT_EQ(ServiceByName("tftp", 6), std::nullopt);
  EXPECT_EQ(ServiceByName("nosuchservice", 6), std::nullopt);
  EXPECT_EQ(ServiceName(22, 6), "ssh");
  EXPECT_EQ(ServiceName(65535, 6), "65535");
}

TEST(Names, OfPortsAreNumbersOrServices) {
  EXPECT_EQ(PortByName("0", 6), 0);
  EXPECT_EQ(PortByName("65535", 6), 65535);
  EXPECT_EQ(PortByName("http", 6), 80);
  for (const char* text : {"65536", "-1", "", "80x", " 80"}) {
    EXPECT_EQ(PortByName(text, 6), std::nullopt) << text;
  }
}

TEST(Names, OfProtocolsWithPortsAreThoseThatASwitchMatches) {
  for (int protocol = 0; protocol < 256; protocol++) {
    EXPECT_EQ(ProtocolHasPorts(static_cast<uint8_t>(protocol)),
              protocol == 6 || protocol == 17 || protocol == 132)
        << protocol;
  }
}

// RFC 2474, RFC 2597, RFC 3246.
TEST(Names, OfDscpClassesAreTheirCodePoints) {
  const std::map<std::string, uint8_t> classes = {
      {"BE", 0},    {"EF", 46},   {"CS0", 0},   {"CS1", 8},
      {"CS7", 56},  {"AF11", 10}, {"AF12", 12}, {"AF13", 14},
      {"AF23", 22}, {"AF43", 38}, {"ef", 46},   {"af31", 26}};
  for (const auto& [name, dscp] : classes) {
    EXPECT_EQ(DscpByClass(name), dscp) << name;
  }
  for (const char* name : {"", "AF", "AF14", "AF51", "AF10", "CS8", "EF1"}) {
    EXPECT_EQ(DscpByClass(name), std::nullopt) << name;
  }
}

TEST(Names, OfIcmpTypesHaveTheirCodes) {
  const auto check = [](const char* name, bool v6, int type, int code) {
    const auto icmp = IcmpTypeByName(name, v6);
    ASSERT_TRUE(icmp) << name;
    EXPECT_EQ(icmp->type ? *icmp->type : -1, type) << name;
    EXPECT_EQ(icmp->code ? *icmp->code : -1, code) << name;
  };
  check("any", false, -1, -1);
  check("echo-request", false, 8, -1);
  check("ping", false, 8, -1);
  check("destination-unreachable", false, 3, -1);
  check("port-unreachable", false, 3, 3);
  check("fragmentation-needed", false, 3, 4);
  check("ttl-zero-during-transit", false, 11, 0);
  check("echo-request", true, 128, -1);
  check("packet-too-big", true, 2, -1);
  check("neighbour-solicitation", true, 135, -1);
  check("no-route", true, 1, 0);
  EXPECT_FALSE(IcmpTypeByName("packet-too-big", false));
  EXPECT_FALSE(IcmpTypeByName("fragmentation-needed", true));
}

TEST(Names, OfIcmpTypesAreAllKnown) {
  for (const bool v6 : {false, true}) {
    EXPECT_GT(IcmpTypeNames(v6).size(), 20u);
    for (const std::string_view name : IcmpTypeNames(v6)) {
      EXPECT_TRUE(IcmpTypeByName(name, v6)) << name;
    }
  }
}

TEST(Names, OfTcpFlagsAreTheirBits) {
  EXPECT_EQ(TcpFlagByName("FIN"), 0x01);
  EXPECT_EQ(TcpFlagByName("SYN"), 0x02);
  EXPECT_EQ(TcpFlagByName("URG"), 0x20);
  EXPECT_EQ(TcpFlagByName("ECE"), std::nullopt);
  EXPECT_EQ(TcpFlagNames(0x12), "SYN,ACK");
  EXPECT_EQ(TcpFlagNames(0), "NONE");
}

RC_GTEST_PROP(Names, OfServicesReadBack, (uint16_t port)) {
  for (const uint8_t protocol : {uint8_t{6}, uint8_t{17}}) {
    RC_ASSERT(PortByName(ServiceName(port, protocol), protocol) == port);
  }
}

RC_GTEST_PROP(Names, OfProtocolsReadBack, (uint8_t protocol)) {
  const std::string name = ProtocolName(protocol);
  RC_ASSERT(name == std::to_string(protocol) ||
            ProtocolByName(name) == protocol);
}

}  // namespace
}  // namespace ovs_rmirror
