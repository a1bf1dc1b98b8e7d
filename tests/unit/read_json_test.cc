// SPDX-License-Identifier: Apache-2.0

#include "controller/read_json.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace ovs_rmirror {

namespace {

TEST(ReadJson, ReadsWholeNumbersOf64Bits) {
  const nlohmann::json value = ReadJson(
      R"({"a": [18446744073709551615, -9223372036854775808], "b": "1.5"})");
  EXPECT_EQ(value.at("a").at(0), UINT64_MAX);
  EXPECT_EQ(value.at("a").at(1), INT64_MIN);
  EXPECT_EQ(value.at("b"), "1.5");
}

TEST(ReadJson, RefusesOtherNumbers) {
  for (const char* number :
       {"18446744073709551616", "-9223372036854775809", "1.5", "2e3", "1e300",
        R"({"a": [1, {"b": 0.0}]})"}) {
    EXPECT_THROW(ReadJson(number), std::out_of_range) << number;
  }
}

TEST(ReadJson, RefusesWhatIsNone) {
  for (const char* text : {"", "{", "1e999", "[1,]", "{} {}"}) {
    EXPECT_THROW(ReadJson(text), std::exception) << text;
  }
}

}  // namespace

}  // namespace ovs_rmirror
