// SPDX-License-Identifier: Apache-2.0

#include "controller/way.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

// As ovs-appctl prints it.
const char* const kNeighbours =
    "IP                                            MAC                 Bridge\n"
    "======================================================================\n"
    "192.0.2.9                                     02:00:00:00:00:09   br-phy\n"
    "2001:db8:2::9                                 02:00:00:00:00:09   br-phy "
    "STALE\n";

Way Read(const std::string& target, const std::string& route) {
  return ReadWay(*ParseAddress(target), route, ReadNeighbours(kNeighbours));
}

std::string Text(const std::string& target, const std::string& route) {
  return FormatWay(WayAsJson(Read(target, route)), target);
}

TEST(Way, ToTargetsOnTheLinkHasThemAsNextHop) {
  EXPECT_EQ(Text("192.0.2.9", "src 192.0.2.1\ngateway ::\ndev br-phy\n"),
            "by br-phy");
  EXPECT_EQ(
      Text("2001:db8:2::9", "src 2001:db8:2::1\ngateway ::\ndev br-phy\n"),
      "by br-phy");
}

TEST(Way, ByARouterHasItAsNextHop) {
  const Way way =
      Read("203.0.113.9", "src 192.0.2.1\ngateway 192.0.2.9\ndev br-phy\n");
  EXPECT_EQ(FormatAddress(way.next_hop), "192.0.2.9");
  EXPECT_TRUE(way.resolved);
  EXPECT_EQ(FormatWay(WayAsJson(way), "203.0.113.9"), "by br-phy via 192.0.2.9");
}

TEST(Way, SaysThatTheNextHopIsNotKnown) {
  EXPECT_EQ(Text("192.0.2.10", "src 192.0.2.1\ngateway ::\ndev br-phy\n"),
            "by br-phy, next hop 192.0.2.10 not resolved");
  // That of another device does not count.
  EXPECT_EQ(Text("192.0.2.9", "src 192.0.2.1\ngateway ::\ndev br-phy2\n"),
            "by br-phy2, next hop 192.0.2.9 not resolved");
}

TEST(Way, SaysThatThereIsNoRoute) {
  EXPECT_TRUE(WayAsJson(Read("192.0.2.9", "")).is_null());
  EXPECT_EQ(Text("192.0.2.9", ""), "no route");
}

TEST(Way, OfTheKernelIsThatOfItsRoutes) {
  Way way;
  ASSERT_TRUE(FindKernelWay(*ParseAddress("127.0.0.1"), &way));
  // Loopback is local: nothing leaves.
  EXPECT_EQ(way.device, "");
}

}  // namespace
}  // namespace ovs_rmirror
