// SPDX-License-Identifier: Apache-2.0

#include "controller/traffic_history.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

using nlohmann::json;

const TrafficHistory::Key kKey = {"br0", "192.0.2.9"};
constexpr int64_t kUnixTime = 1700000000000;

json Count(uint64_t copies, uint64_t no_route = 0) {
  return {{"session", "192.0.2.9"},
          {"copies", copies},
          {"bytes", 60 * copies},
          {"original_bytes", 100 * copies},
          {"drops", {{"no_route", no_route}, {"loop", 0}}}};
}

// Adds what is counted of `session` at `now`.
void Add(TrafficHistory* history, int64_t now, const json& session,
         int64_t unix_time = 0) {
  history->Add(now, unix_time ? unix_time : kUnixTime + now,
               {{"br0", {{"sessions", json::array({session})}}}});
}

TEST(TrafficHistory, SaysByHowMuchCountersHaveGrown) {
  TrafficHistory history;
  Add(&history, 1000, Count(7));
  EXPECT_EQ(history.Find(kKey), nullptr);
  Add(&history, 6000, Count(10, 2));
  Add(&history, 11000, Count(10, 2));
  const std::deque<TrafficPoint>* points = history.Find(kKey);
  ASSERT_NE(points, nullptr);
  EXPECT_EQ(*points,
            (std::deque<TrafficPoint>{
                {kUnixTime + 6000, 5000, 3, 180, 300, {{"no_route", 2}}},
                {kUnixTime + 11000, 5000, 0, 0, 0, {}}}));
}

TEST(TrafficHistory, SeesThatCountersWereReset) {
  TrafficHistory history;
  Add(&history, 0, Count(100, 5));
  Add(&history, 5000, Count(2, 1));
  const TrafficPoint& point = history.Find(kKey)->front();
  EXPECT_EQ(point.copies, 2u);
  EXPECT_EQ(point.drops.at("no_route"), 1u);
}

TEST(TrafficHistory, IsDueAboutEachInterval) {
  TrafficHistory history;
  EXPECT_TRUE(history.IsDue(0));
  Add(&history, 0, Count(0));
  EXPECT_FALSE(history.IsDue(4000));
  EXPECT_TRUE(history.IsDue(4900));
}

TEST(TrafficHistory, ForgetsWhatIsOld) {
  TrafficHistory history;
  for (int64_t now = 0; now <= 2 * TrafficHistory::kWindow; now += 5000) {
    Add(&history, now, Count(static_cast<uint64_t>(now)));
  }
  const std::deque<TrafficPoint>* points = history.Find(kKey);
  EXPECT_EQ(points->size(), 180u);
  EXPECT_EQ(points->front().when, kUnixTime + TrafficHistory::kWindow + 5000);
}

// The time of day may be set back.
TEST(TrafficHistory, IsBoundedWhateverTheTimeIs) {
  TrafficHistory history;
  for (int64_t i = 0; i < 1000; i++) {
    Add(&history, 4500 * i, Count(0), kUnixTime - i);
  }
  EXPECT_LE(history.Find(kKey)->size(), TrafficHistory::kMaxPoints);
}

TEST(TrafficHistory, HasAGapWhereNothingIsKnown) {
  TrafficHistory history;
  Add(&history, 0, Count(1));
  Add(&history, 5000, {{"session", "192.0.2.9"}, {"health", "unknown"}});
  Add(&history, 10000, Count(9));
  EXPECT_EQ(history.Find(kKey), nullptr);
  Add(&history, 15000, Count(10));
  Add(&history, 15000 + TrafficHistory::kMaxDuration + 1, Count(11));
  ASSERT_NE(history.Find(kKey), nullptr);
  EXPECT_EQ(history.Find(kKey)->size(), 1u);
}

TEST(TrafficHistory, ForgetsSessionsThatAreGone) {
  TrafficHistory history;
  Add(&history, 0, Count(1));
  Add(&history, 5000, Count(2));
  json other = Count(1);
  other["session"] = "192.0.2.10";
  Add(&history, 10000, other);
  EXPECT_NE(history.Find(kKey), nullptr);
  Add(&history, 10000 + TrafficHistory::kWindow, other);
  EXPECT_EQ(history.Find(kKey), nullptr);
}

TEST(TrafficHistory, TakesOnlySoManySessions) {
  TrafficHistory history;
  for (int64_t now : {0, 5000}) {
    json sessions = json::array();
    for (size_t i = 0; i < TrafficHistory::kMaxSessions + 1; i++) {
      sessions.push_back(Count(i));
      sessions.back()["session"] = std::to_string(1000 + i);
    }
    history.Add(now, kUnixTime + now, {{"br0", {{"sessions", sessions}}}});
  }
  const auto find = [&](size_t i) {
    return history.Find({"br0", std::to_string(1000 + i)});
  };
  EXPECT_NE(find(TrafficHistory::kMaxSessions - 1), nullptr);
  EXPECT_EQ(find(TrafficHistory::kMaxSessions), nullptr);
}

}  // namespace
}  // namespace ovs_rmirror
