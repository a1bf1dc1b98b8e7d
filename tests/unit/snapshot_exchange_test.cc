// SPDX-License-Identifier: Apache-2.0

#include "controller/snapshot_exchange.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ovs_rmirror {
namespace {

using Exchange = SnapshotExchange<int>;
using std::chrono::hours;
using std::chrono::milliseconds;

// Waits until somebody asks, and takes the request.
void AwaitRequest(Exchange* exchange) {
  pollfd fd = {exchange->fd(), POLLIN, 0};
  ASSERT_EQ(poll(&fd, 1, 60000), 1);
  EXPECT_TRUE(exchange->TakeRequest());
}

TEST(SnapshotExchange, GivesAllWhoAskTheSameSnapshot) {
  Exchange exchange;
  EXPECT_FALSE(exchange.TakeRequest());
  std::atomic<int> sum = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] { sum += *exchange.Get(hours(1), hours(1)); });
  }
  AwaitRequest(&exchange);
  exchange.Publish(std::make_shared<const int>(7));
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, 28);
  // Who came late has asked for nothing.
  EXPECT_FALSE(exchange.TakeRequest());
}

TEST(SnapshotExchange, KeepsASnapshotForAWhile) {
  Exchange exchange;
  exchange.Publish(std::make_shared<const int>(7));
  EXPECT_EQ(*exchange.Get(hours(1), hours(1)), 7);
  EXPECT_FALSE(exchange.TakeRequest());
  // One from now on is another one.
  EXPECT_EQ(exchange.Get(-milliseconds(1), milliseconds(1)), nullptr);
  EXPECT_TRUE(exchange.TakeRequest());
}

TEST(SnapshotExchange, DoesNotWaitForEver) {
  Exchange exchange;
  EXPECT_EQ(exchange.Get(hours(1), milliseconds(1)), nullptr);
  // There is still one request only.
  EXPECT_EQ(exchange.Get(hours(1), milliseconds(1)), nullptr);
  EXPECT_TRUE(exchange.TakeRequest());
  EXPECT_EQ(exchange.Get(hours(1), milliseconds(1)), nullptr);
  EXPECT_FALSE(exchange.TakeRequest());
}

TEST(SnapshotExchange, LetsNobodyWaitWhenItIsClosed) {
  Exchange exchange;
  std::thread thread(
      [&] { EXPECT_EQ(exchange.Get(hours(1), hours(1)), nullptr); });
  AwaitRequest(&exchange);
  exchange.Close();
  thread.join();
  EXPECT_EQ(exchange.Get(hours(1), hours(1)), nullptr);
}

}  // namespace
}  // namespace ovs_rmirror
