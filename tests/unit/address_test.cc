// SPDX-License-Identifier: Apache-2.0

#include "controller/address.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

TEST(Address, IsReadInHostByteOrder) {
  const auto v4 = ParseAddress("10.1.2.3");
  ASSERT_TRUE(v4);
  EXPECT_EQ(v4->family, Family::kIpv4);
  EXPECT_TRUE(v4->bits == 0x0a010203);
  const auto v6 = ParseAddress("2001:db8::1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->family, Family::kIpv6);
  EXPECT_TRUE(v6->bits == (Uint128{0x20010db8} << 96) + 1);
}

TEST(Address, IsNoHostNameAndNoShortenedForm) {
  for (const char* text : {"", "example", "10.1", "10.0.0.256", "1.2.3.4 ",
                           "2001:db8", "::1%eth0"}) {
    EXPECT_FALSE(ParseAddress(text)) << text;
  }
}

TEST(Address, IsWrittenAsItIsRead) {
  for (const char* text : {"0.0.0.0", "255.255.255.255", "192.0.2.9",
                           "::", "2001:db8::9", "fe80::1:2"}) {
    EXPECT_EQ(FormatAddress(*ParseAddress(text)), text);
  }
}

TEST(PrefixMask, HasAsManyOnesAsItsLength) {
  EXPECT_TRUE(PrefixMask(Family::kIpv4, 0) == 0);
  EXPECT_TRUE(PrefixMask(Family::kIpv4, 8) == 0xff000000);
  EXPECT_TRUE(PrefixMask(Family::kIpv4, 32) == 0xffffffff);
  EXPECT_TRUE(PrefixMask(Family::kIpv6, 1) == Uint128{1} << 127);
  EXPECT_TRUE(PrefixMask(Family::kIpv6, 128) == ~Uint128{0});
}

TEST(Network, IsWrittenWithALengthIfItsMaskIsAPrefix) {
  const Network net{Family::kIpv4, {0x0a000000, 0xff000000}};
  EXPECT_EQ(FormatNetwork(net), "10.0.0.0/8");
  const Network scattered{Family::kIpv4, {0x0a000001, 0xff0000ff}};
  EXPECT_EQ(FormatNetwork(scattered), "10.0.0.1/255.0.0.255");
  const Network scattered6{Family::kIpv6, {1, 1}};
  EXPECT_EQ(FormatNetwork(scattered6), "::1/::1");
}

TEST(Network, OfOneAddressIsBrieflyTheAddress) {
  const Network one{Family::kIpv4, {0x0a000001, 0xffffffff}};
  EXPECT_EQ(FormatNetwork(one), "10.0.0.1/32");
  EXPECT_EQ(FormatNetworkBriefly(one), "10.0.0.1");
  const Network net{Family::kIpv4, {0x0a000000, 0xff000000}};
  EXPECT_EQ(FormatNetworkBriefly(net), "10.0.0.0/8");
}

TEST(Network, ContainsOnlyAddressesOfItsFamily) {
  const Network all4{Family::kIpv4, {0, 0}};
  EXPECT_TRUE(all4.Contains(*ParseAddress("10.0.0.1")));
  EXPECT_FALSE(all4.Contains(*ParseAddress("::1")));
}

TEST(Mac, IsReadAndWrittenInBothCases) {
  EXPECT_EQ(ParseMac("02:00:00:00:00:05"), 0x020000000005u);
  EXPECT_EQ(ParseMac("AA:bb:CC:dd:EE:ff"), 0xaabbccddeeffu);
  EXPECT_EQ(ParseMac("2:0:c:0a:0:5"), 0x02000c0a0005u);
  EXPECT_EQ(FormatMac(0xaabbccddee01u), "aa:bb:cc:dd:ee:01");
}

TEST(Mac, HasSixBytesOfOneOrTwoDigits) {
  for (const char* text :
       {"", "02:00:00:00:00", "02-00-00-00-00-05", "02:00:00:00:00:0g",
        "02:00:00:00:00:05:06", "002:00:00:00:00:05", "020000000005",
        "02:00:00:00:00:", "02:00:00:00::05", "02:00:00:00:00:-5",
        "02:00:00:00:00:05 "}) {
    EXPECT_FALSE(ParseMac(text)) << text;
  }
}

}  // namespace
}  // namespace ovs_rmirror
