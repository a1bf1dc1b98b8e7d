// SPDX-License-Identifier: Apache-2.0

#include "controller/masked.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace ovs_rmirror {
namespace {

// How many of `set` hold `value`.
template <typename T>
long CountMatching(const std::vector<Masked<T>>& set, T value) {
  return std::count_if(set.begin(), set.end(),
                       [&](const Masked<T>& m) { return m.Matches(value); });
}

TEST(Complement, OfEverythingIsNothing) {
  EXPECT_TRUE(Complement(Masked<uint32_t>{0, 0}, 32).empty());
}

TEST(Complement, OfOneAddressHasAsManyPrefixesAsTheAddressHasBits) {
  const auto complement =
      Complement(Masked<uint32_t>{0x0a000001, 0xffffffff}, 32);
  ASSERT_EQ(complement.size(), 32u);
  EXPECT_EQ(complement.front(), (Masked<uint32_t>{0x80000000, 0x80000000}));
  EXPECT_EQ(complement.back(), (Masked<uint32_t>{0x0a000000, 0xffffffff}));
}

TEST(Complement, OfAnIpv6AddressUsesAllOfItsBits) {
  const Uint128 all = ~Uint128{0};
  const auto complement = Complement(Masked<Uint128>{1, all}, 128);
  ASSERT_EQ(complement.size(), 128u);
  EXPECT_TRUE(complement.front() ==
              (Masked<Uint128>{Uint128{1} << 127, Uint128{1} << 127}));
  EXPECT_TRUE(complement.back() == (Masked<Uint128>{0, all}));
}

RC_GTEST_PROP(Complement, HoldsExactlyOnceWhatIsNotInTheOriginal, ()) {
  const auto mask = *rc::gen::arbitrary<uint8_t>();
  const auto value =
      static_cast<uint8_t>(*rc::gen::arbitrary<uint8_t>() & mask);
  const Masked<uint8_t> original{value, mask};
  const auto complement = Complement(original, 8);
  for (int v = 0; v <= 255; v++) {
    const auto byte = static_cast<uint8_t>(v);
    RC_ASSERT(CountMatching(complement, byte) ==
              (original.Matches(byte) ? 0 : 1));
  }
}

TEST(CoverRange, OfAllPortsIsOneWildcard) {
  EXPECT_EQ(CoverRange(0, 65535), (std::vector<Masked<uint16_t>>{{0, 0}}));
}

TEST(CoverRange, OfOnePortIsThatPort) {
  EXPECT_EQ(CoverRange(80, 80), (std::vector<Masked<uint16_t>>{{80, 0xffff}}));
}

TEST(CoverRange, TakesAtMostThirtyMasks) {
  EXPECT_EQ(CoverRange(1, 65534).size(), 30u);
}

RC_GTEST_PROP(CoverRange, HoldsExactlyOnceWhatIsInTheRange, ()) {
  const auto a = *rc::gen::arbitrary<uint16_t>();
  const auto b = *rc::gen::arbitrary<uint16_t>();
  const auto cover = CoverRange(std::min(a, b), std::max(a, b));
  RC_ASSERT(cover.size() <= 30u);
  for (int v = 0; v <= 65535; v++) {
    const auto port = static_cast<uint16_t>(v);
    const bool in = std::min(a, b) <= port && port <= std::max(a, b);
    RC_ASSERT(CountMatching(cover, port) == (in ? 1 : 0));
  }
}

TEST(Ranges, MergeWhatOverlapsOrTouches) {
  EXPECT_EQ(Merge(std::vector<Range<uint16_t>>{
                {5, 7}, {65535, 65535}, {1, 2}, {3, 3}, {6, 9}}),
            (std::vector<Range<uint16_t>>{{1, 3}, {5, 9}, {65535, 65535}}));
}

TEST(Ranges, HaveAComplement) {
  using Ranges = std::vector<Range<uint16_t>>;
  EXPECT_EQ(Complement(Ranges{}), (Ranges{{0, 65535}}));
  EXPECT_EQ(Complement(Ranges{{0, 65535}}), Ranges{});
  EXPECT_EQ(Complement(Ranges{{7, 7}, {0, 3}}), (Ranges{{4, 6}, {8, 65535}}));
}

TEST(Cover, OfTheLargestRangesIsExactAndShort) {
  const Uint128 all = ~Uint128{0};
  EXPECT_EQ(Cover({0, all}, 128), (std::vector<Masked<Uint128>>{{0, 0}}));
  EXPECT_EQ(Cover({1, all - 1}, 128).size(), 254u);
  EXPECT_EQ(Cover({all, all}, 128), (std::vector<Masked<Uint128>>{{all, all}}));
}

}  // namespace
}  // namespace ovs_rmirror
