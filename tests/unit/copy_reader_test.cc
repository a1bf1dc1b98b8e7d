// SPDX-License-Identifier: Apache-2.0

#include "controller/copy_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace ovs_rmirror {
namespace {

using namespace std::string_literals;

std::string Big(uint64_t number, size_t size) {
  std::string bytes;
  while (size-- > 0) {
    bytes += static_cast<char>(number >> 8 * size);
  }
  return bytes;
}

std::string Ethernet(uint16_t type, const std::string& payload,
                     const std::string& tags = "") {
  return std::string(12, '\2') + tags + Big(type, 2) + payload;
}

// From 10.0.0.1 to 192.0.2.9.
std::string Ipv4(const std::string& payload, uint16_t fragment = 0,
                 uint16_t id = 1, uint8_t protocol = 47) {
  return "\x45\x28"s + Big(20 + payload.size(), 2) + Big(id, 2) +
         Big(fragment, 2) + "\x40"s + static_cast<char>(protocol) + "\0\0"s +
         "\x0a\0\0\x01\xc0\0\x02\x09"s + payload;
}

// From 2001:db8::1 to 2001:db8::9.
std::string Ipv6(const std::string& payload, uint8_t protocol = 47) {
  const std::string prefix = "\x20\x01\x0d\xb8"s + std::string(11, '\0');
  return "\x62\x80\0\0"s + Big(payload.size(), 2) +
         static_cast<char>(protocol) + "\x40"s + prefix + "\x01" + prefix +
         "\x09" + payload;
}

std::string Fragment6(const std::string& payload, size_t offset, bool more) {
  return Ipv6("\x2f\0"s + Big(offset | more, 2) + Big(77, 4) + payload, 44);
}

std::string Gre(const std::string& frame) { return "\0\0\x65\x58"s + frame; }

const char kFrame[] = "a frame that is somewhat longer than that";

TEST(CopyReader, TakesTheOuterHeadersOff) {
  CopyReader reader;
  auto copy = reader.Read(Ethernet(0x0800, Ipv4(Gre(kFrame))), true);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame, kFrame);
  EXPECT_EQ(copy->source, *ParseAddress("10.0.0.1"));
  Session session;
  session.target = *ParseAddress("192.0.2.9");
  session.ttl = 64;
  session.tos = 0x28;
  EXPECT_EQ(copy->session, session);

  session.key = 7;
  session.df = true;
  copy = reader.Read(Ipv4("\x20\0\x65\x58\0\0\0\x07"s + kFrame, 0x4000), false);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame, kFrame);
  EXPECT_EQ(copy->session, session);

  copy = reader.Read(Ethernet(0x86dd, Ipv6(Gre(kFrame))), true);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame, kFrame);
  EXPECT_EQ(copy->source, *ParseAddress("2001:db8::1"));
  session = Session();
  session.target = *ParseAddress("2001:db8::9");
  session.ttl = 64;
  session.tos = 0x28;
  EXPECT_EQ(copy->session, session);
}

TEST(CopyReader, SkipsVlanTagsAndPadding) {
  CopyReader reader;
  const std::string tags = "\x88\xa8\0\x05\x81\0\0\x06"s;
  const auto copy =
      reader.Read(Ethernet(0x0800, Ipv4(Gre(kFrame)) + "padding", tags), true);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame, kFrame);
}

TEST(CopyReader, PutsFragmentsTogether) {
  CopyReader reader;
  const std::string whole = Gre(kFrame);
  const std::string first = whole.substr(0, 16);
  const std::string second = whole.substr(16, 16);
  const std::string third = whole.substr(32);
  EXPECT_FALSE(reader.Read(Ipv4(third, 4), false));
  EXPECT_FALSE(reader.Read(Ipv4(first, 0x2000), false));
  EXPECT_FALSE(reader.Read(Ipv4(first, 0x2000, 2), false)) << "of another one";
  EXPECT_FALSE(reader.Read(Ipv4(first, 0x2000), false)) << "once more";
  auto copy = reader.Read(Ipv4(second, 0x2002), false);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame, kFrame);

  EXPECT_FALSE(reader.Read(Fragment6(second, 16, true), false));
  EXPECT_FALSE(reader.Read(Fragment6(first, 0, true), false));
  copy = reader.Read(Fragment6(third, 32, false), false);
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->frame, kFrame);
  EXPECT_EQ(reader.incomplete(), 0u);
}

TEST(CopyReader, GivesUpTheOldestFragments) {
  CopyReader reader;
  const std::string whole = Gre(kFrame);
  for (uint16_t id = 0; id < 300; id++) {
    EXPECT_FALSE(reader.Read(Ipv4(whole.substr(0, 16), 0x2000, id), false));
  }
  EXPECT_EQ(reader.incomplete(), 44u);
  EXPECT_TRUE(reader.Read(Ipv4(whole.substr(16), 2, 44), false));
  EXPECT_FALSE(reader.Read(Ipv4(whole.substr(16), 2, 43), false));
}

TEST(CopyReader, GivesUpFragmentsOfMoreThanAPacketCanHave) {
  CopyReader reader;
  const std::string half(32768, 'x');
  for (uint64_t overlapping = 1; overlapping <= 3; overlapping++) {
    EXPECT_FALSE(reader.Read(Ipv4(half, 0x2000), false));
    EXPECT_FALSE(reader.Read(Ipv4(half, 0x2001), false));
    EXPECT_EQ(reader.incomplete(), overlapping);
  }
  EXPECT_FALSE(reader.Read(Ipv4(half, 0x3fff), false)) << "beyond the end";
  EXPECT_EQ(reader.incomplete(), 4u);
}

TEST(CopyReader, PassesOverWhatIsNoCopy) {
  CopyReader reader;
  const std::string good = Ethernet(0x0800, Ipv4(Gre(kFrame)));
  for (size_t size = 0; size < good.size(); size++) {
    EXPECT_FALSE(reader.Read(good.substr(0, size), true)) << size;
  }
  const std::string good6 = Fragment6(Gre(kFrame), 0, false);
  for (size_t size = 0; size < good6.size(); size++) {
    EXPECT_FALSE(reader.Read(good6.substr(0, size), false)) << size;
  }
  for (size_t size = 0; size < 4; size++) {
    EXPECT_FALSE(reader.Read(Ipv4(Gre("").substr(0, size)), false)) << size;
    EXPECT_FALSE(reader.Read(Ipv6("\x2f\0\0"s.substr(0, size), 44), false));
  }
  EXPECT_FALSE(reader.Read(Ipv4(Gre(kFrame), 0, 1, 17), false));
  EXPECT_FALSE(reader.Read(Ipv4("\0\0\x08\0"s + kFrame), false));
  EXPECT_FALSE(reader.Read(Ipv4("\x10\0\x65\x58"s + kFrame), false));
  EXPECT_FALSE(reader.Read(Ipv4("\x20\0\x65\x58\0\0\0"s), false));
  EXPECT_FALSE(reader.Read(Ethernet(0x0806, Ipv4(Gre(kFrame))), true));
}

TEST(OriginalLength, IsThatOfTheIpPacketAndWhatIsBeforeIt) {
  const std::string v4 = Ethernet(0x0800, Ipv4(std::string(1000, 'x')));
  EXPECT_EQ(OriginalLength(v4), 1034u);
  EXPECT_EQ(OriginalLength(v4.substr(0, 60)), 1034u);
  EXPECT_EQ(OriginalLength(v4.substr(0, 18)), 1034u);
  EXPECT_EQ(OriginalLength(v4.substr(0, 17)), 17u) << "that is before its end";
  const std::string tagged =
      Ethernet(0x86dd, Ipv6(std::string(1000, 'x')), "\x81\0\0\x05"s);
  EXPECT_EQ(OriginalLength(tagged.substr(0, 60)), 1058u);
  EXPECT_EQ(OriginalLength(Ethernet(0x0800, Ipv4("x") + "some padding")),
            14u + 21 + 12);
  EXPECT_EQ(OriginalLength(Ethernet(0x0806, "who has")), 21u);
  EXPECT_EQ(OriginalLength(std::string(14, '\x81')), 14u);
  EXPECT_EQ(OriginalLength(""), 0u);
}

}  // namespace
}  // namespace ovs_rmirror
