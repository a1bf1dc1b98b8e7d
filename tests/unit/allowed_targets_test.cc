// SPDX-License-Identifier: Apache-2.0

#include "controller/allowed_targets.h"

#include <gtest/gtest.h>

#include <string>

namespace ovs_rmirror {
namespace {

// What `text` allows, or the error.
std::string Parse(const std::string& text) {
  std::vector<Network> networks;
  const std::string error = ParseAllowedTargets(text, &networks);
  std::string s = error;
  for (const Network& network : networks) {
    s += "[" + FormatNetwork(network) + "]";
  }
  return s;
}

// How many rules that mirror to `target` are refused where `allowed` is.
size_t Refused(const std::string& target, const std::string& allowed) {
  const SourceText source("p", "*rmirror\n-A OUTPUT -j RMIRROR --target " +
                                   target + "\n-A OUTPUT -j ACCEPT\nCOMMIT\n");
  std::vector<Network> networks;
  if (!allowed.empty()) {
    EXPECT_EQ(ParseAllowedTargets(allowed, &networks), "");
  }
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_EQ(Format(source, diagnostics), "");
  RefuseOtherTargets(policy, networks, &diagnostics);
  return diagnostics.Sorted().size();
}

TEST(AllowedTargets, AreNetworksOfBothFamilies) {
  EXPECT_EQ(Parse("192.0.2.0/24"), "[192.0.2.0/24]");
  EXPECT_EQ(Parse("192.0.2.9,2001:db8::/32,0.0.0.0/0"),
            "[192.0.2.9/32][2001:db8::/32][0.0.0.0/0]");
}

TEST(AllowedTargets, AreNothingElse) {
  for (const std::string word :
       {"", "sensor", "10.1", "192.0.2.0/33", "192.0.2.0/", "2001:db8::/129",
        "192.0.2.0/255.255.255.0", "!192.0.2.9", "192.0.2.0/-1",
        " 192.0.2.9"}) {
    EXPECT_EQ(Parse(word), "'" + word +
                               "' is no network, like 192.0.2.0/24 or "
                               "2001:db8::/32");
  }
  EXPECT_EQ(Parse("192.0.2.9,").substr(0, 2), "''");
  EXPECT_EQ(Parse("192.0.2.9/24"),
            "'192.0.2.9/24' has bits behind its prefix: write 192.0.2.0/24, or "
            "the address alone");
}

TEST(AllowedTargets, HoldForTheirOwnFamilyAlone) {
  EXPECT_EQ(Refused("192.0.2.255", "192.0.2.0/24"), 0u);
  EXPECT_EQ(Refused("192.0.3.0", "192.0.2.0/24"), 1u);
  EXPECT_EQ(Refused("192.0.2.9", "::/0"), 1u);
  EXPECT_EQ(Refused("2001:db8::9", "0.0.0.0/0"), 1u);
  EXPECT_EQ(Refused("2001:db8::9", "0.0.0.0/0,2001:db8::/64"), 0u);
  EXPECT_EQ(Refused("2001:db8:1::9", "2001:db8::/64"), 1u);
}

TEST(AllowedTargets, AreAllIfNoneAreNamed) {
  EXPECT_EQ(Refused("203.0.113.5", ""), 0u);
}

}  // namespace
}  // namespace ovs_rmirror
