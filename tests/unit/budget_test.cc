// SPDX-License-Identifier: Apache-2.0

#include "controller/budget.h"

#include <gtest/gtest.h>

#include <string>

namespace ovs_rmirror {
namespace {

// The canonical text of a budget, or what is wrong.
std::string Read(const std::string& rate, const std::string& burst = "") {
  Budget budget;
  RateError error = ParseBudget(rate, &budget);
  if (error.what.empty() && !burst.empty()) {
    error = ParseBudgetBurst(burst, &budget);
  }
  EXPECT_EQ(error.what.empty(), error.instead.empty());
  return error.what.empty() ? FormatBudget(budget) : error.what;
}

TEST(Budget, IsInPacketsAsALimitOfIptables) {
  for (const char* rate : {"1000", "1000/s", "1000/sec", "60000/minute"}) {
    EXPECT_EQ(Read(rate), "--limit 1000/sec");
  }
  EXPECT_EQ(Read("1000/sec", "1000"), "--limit 1000/sec");
  EXPECT_EQ(Read("1000/sec", "5"), "--limit 1000/sec --limit-burst 5");
}

TEST(Budget, IsInBytesAsAHashlimitOrInBitsAsOfTc) {
  // 10 * 1024 * 1024 * 8 bits are 83886.08 kbit.
  for (const char* rate : {"10mb/s", "10MB/second", "10mb", "10240kb/s",
                           "10485760b/s", "83886kbit"}) {
    EXPECT_EQ(Read(rate), "--limit 83886kbit") << rate;
  }
  EXPECT_EQ(Read("100mbit"), "--limit 100mbit");
  EXPECT_EQ(Read("1gbit/s"), "--limit 1gbit");
  EXPECT_EQ(Read("1500kbit"), "--limit 1500kbit");
  EXPECT_EQ(Read("100mbit", "1mb"), "--limit 100mbit --limit-burst 8388kbit");
}

TEST(Budget, LetsTheLongestFramePassUnlessItSaysOtherwise) {
  Budget budget;
  EXPECT_EQ(ParseBudget("10kbit", &budget).what, "");
  EXPECT_EQ(budget.rate, 10u);
  EXPECT_GE(uint64_t{budget.burst} * 1000, uint64_t{65536} * 8);
  EXPECT_EQ(Read("10kbit", "12kbit"), "--limit 10kbit --limit-burst 12kbit");
}

TEST(Budget, IsNothingElse) {
  for (const std::string rate :
       {"", "0", "0/s", "-1", "1.5/s", "x", "10/x", "/s", "10mb/minute",
        "10mb/", "10tbit", "10 mb/s", "mb/s", "4294967296/s"}) {
    EXPECT_EQ(Read(rate), "'" + rate + "' is no rate");
  }
  EXPECT_EQ(Read("90/minute"),
            "'90/minute' is no whole number of packets per second, which is "
            "how a switch limits");
  EXPECT_EQ(Read("100b/s"), "'100b/s' is not from 1 to 4294967295 kbit");
  EXPECT_EQ(Read("4294967295gb/s"),
            "'4294967295gb/s' is not from 1 to 4294967295 kbit");
  for (const std::string burst : {"0", "x", "5/s", "1mb"}) {
    EXPECT_EQ(Read("10/s", burst), "'" + burst + "' is no burst");
  }
  for (const std::string burst : {"5", "1mb/s", "mb"}) {
    EXPECT_EQ(Read("10mbit", burst),
              "'" + burst + "' is no burst of a limit in bytes or bits");
  }
  EXPECT_EQ(Read("10mbit", "1b"), "'1b' is not from 1 to 4294967295 kbit");
}

}  // namespace
}  // namespace ovs_rmirror
