// SPDX-License-Identifier: Apache-2.0

#include "controller/probability.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace ovs_rmirror {
namespace {

TEST(Probability, IsAFractionOfAllThatFits32Bits) {
  EXPECT_EQ(ParseProbability("0"), 0u);
  EXPECT_EQ(ParseProbability("1"), 0xffffffffu);
  EXPECT_EQ(ParseProbability("0.25"), 0x40000000u);
  EXPECT_EQ(ParseProbability(".5"), 0x80000000u);
  EXPECT_EQ(ParseProbability("1e-3"), ParseProbability("0.001"));
  // As iptables-save writes what was 0.1.
  EXPECT_EQ(FormatProbability(*ParseProbability("0.10000000009")), "0.1");
}

TEST(Probability, IsNothingElse) {
  for (const char* text :
       {"", "1.1", "-0.1", "50%", "x", "0.5x", "nan", "inf", " 1", "+1"}) {
    EXPECT_FALSE(ParseProbability(text)) << text;
  }
}

TEST(Probability, IsWrittenAsShortAsItCan) {
  EXPECT_EQ(FormatProbability(0xffffffff), "1.0");
  EXPECT_EQ(FormatProbability(0x80000000), "0.5");
  EXPECT_EQ(FormatProbability(1), "0.0000000002");
}

RC_GTEST_PROP(Probability, ReadsBackAsTheSame, (uint32_t probability)) {
  RC_ASSERT(ParseProbability(FormatProbability(probability)) == probability);
}

}  // namespace
}  // namespace ovs_rmirror
