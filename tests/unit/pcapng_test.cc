// SPDX-License-Identifier: Apache-2.0

#include "controller/pcapng.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace ovs_rmirror {
namespace {

uint32_t Word(const std::string& bytes, size_t offset) {
  uint32_t word;
  std::memcpy(&word, bytes.substr(offset, sizeof word).data(), sizeof word);
  return word;
}

void ExpectBlock(const std::string& block, uint32_t type) {
  ASSERT_GE(block.size(), 12u);
  EXPECT_EQ(block.size() % 4, 0u);
  EXPECT_EQ(Word(block, 0), type);
  EXPECT_EQ(Word(block, 4), block.size());
  EXPECT_EQ(Word(block, block.size() - 4), block.size());
}

TEST(Pcapng, BlocksHaveTheirTypeAndLengthAtBothEnds) {
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) {
    ExpectBlock(PcapngSection(text, text), 0x0a0d0d0a);
    ExpectBlock(PcapngInterface(text, text), 1);
    ExpectBlock(PcapngPacket(0, 0, text, 9, text), 6);
  }
}

TEST(Pcapng, PacketsHaveBothLengthsAndAComment) {
  const std::string block =
      PcapngPacket(3, 0x123456789abcdef0, "frame", 1500, "why");
  EXPECT_EQ(Word(block, 8), 3u);
  EXPECT_EQ(Word(block, 12), 0x12345678u);
  EXPECT_EQ(Word(block, 16), 0x9abcdef0u);
  EXPECT_EQ(Word(block, 20), 5u);
  EXPECT_EQ(Word(block, 24), 1500u);
  EXPECT_EQ(block.substr(28, 8), std::string("frame\0\0\0", 8));
  uint16_t option[2];
  std::memcpy(option, block.data() + 36, sizeof option);
  EXPECT_EQ(option[0], 1);
  EXPECT_EQ(option[1], 3);
  EXPECT_EQ(block.substr(40, 4), std::string("why\0", 4));
  EXPECT_EQ(Word(block, 44), 0u);
  EXPECT_EQ(block.size(), 52u);
}

TEST(Pcapng, OptionsEndWhereTheirLengthDoes) {
  const std::string block = PcapngInterface("x", std::string(70000, 'c'));
  ExpectBlock(block, 1);
  uint16_t option[2];
  std::memcpy(option, block.data() + 16, sizeof option);
  EXPECT_EQ(option[1], 65535);
  EXPECT_LT(block.size(), 65535u + 100);
}

}  // namespace
}  // namespace ovs_rmirror
