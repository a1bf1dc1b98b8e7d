// SPDX-License-Identifier: Apache-2.0

#include "controller/loss_log.h"

#include <gtest/gtest.h>

#include "controller/sessions.h"

namespace ovs_rmirror {
namespace {

using nlohmann::json;

class LossLogTest : public testing::Test {
 protected:
  // What is said when so much is counted, `seconds` later.
  std::vector<std::string> Look(int64_t seconds, uint64_t no_route,
                                uint64_t no_neigh = 0, uint64_t loop = 0,
                                uint64_t no_session = 0) {
    now_ += seconds * 1000;
    const json shown = {{{"datapath", "netdev@ovs-netdev"},
                         {"no_session", no_session},
                         {"sessions",
                          {{{"target", "192.0.2.9"},
                            {"key", 7},
                            {"ttl", 255},
                            {"tos", 0},
                            {"df", false},
                            {"copies", 1},
                            {"drops",
                             {{"no_route", no_route},
                              {"no_neigh", no_neigh},
                              {"loop", loop}}}}}}}};
    history_.Add(now_, ReadSessionCounters(shown));
    Session session;
    session.target = *ParseAddress("192.0.2.9");
    session.key = 7;
    std::vector<std::string> lines;
    for (const LossEvent& event :
         log_.Look(history_.Report("userspace", "", {session}), now_)) {
      lines.push_back((event.losing ? "lost: " : "good: ") + event.text);
    }
    return lines;
  }

  using Lines = std::vector<std::string>;
  static inline const Lines kNone = {};
  int64_t now_ = 1000;
  SessionHistory history_{60000};
  LossLog log_;
};

TEST_F(LossLogTest, SaysOnceThatATargetLosesCopiesAndOnceThatItNoLongerDoes) {
  EXPECT_EQ(Look(0, 100), kNone);  // Before we came.
  EXPECT_EQ(Look(5, 101), kNone);
  EXPECT_EQ(Look(5, 103), Lines{"lost: copies to 192.0.2.9 --key 7 are lost: "
                                "no_route 3"});
  EXPECT_EQ(Look(5, 110, 2), kNone);
  for (int i = 0; i < 11; i++) {
    EXPECT_EQ(Look(5, 110, 2), kNone);
  }
  EXPECT_EQ(Look(5, 110, 2),
            Lines{"good: copies to 192.0.2.9 --key 7 are no longer lost: none "
                  "in 60 s; before, no_neigh 2, no_route 10"});
  EXPECT_EQ(Look(5, 110, 2), kNone);
  Look(5, 111, 2);
  EXPECT_EQ(Look(5, 112, 2), Lines{"lost: copies to 192.0.2.9 --key 7 are "
                                   "lost: no_route 2"});
}

TEST_F(LossLogTest, SaysNothingOfAFewCopiesUntilANextHopAnswers) {
  EXPECT_EQ(Look(0, 0), kNone);
  EXPECT_EQ(Look(1, 0, 4), kNone);
  EXPECT_EQ(Look(1, 0, 6), kNone);
  for (int i = 0; i < 20; i++) {
    EXPECT_EQ(Look(5, 0, 6), kNone);
  }
}

TEST_F(LossLogTest, SaysOnceOfATargetThatLosesCopiesNowAndThen) {
  size_t lines = 0;
  Look(0, 0);
  for (uint64_t i = 0; i < 100; i++) {
    lines += Look(5, i / 5).size();
  }
  EXPECT_EQ(lines, 1u);
}

TEST_F(LossLogTest, MissesNoCopiesOfCopies) {
  Look(0, 0);
  for (uint64_t i = 0; i < 20; i++) {
    EXPECT_EQ(Look(5, 0, 0, i), kNone);
  }
}

TEST_F(LossLogTest, MissesPacketsWithoutASession) {
  Look(0, 0);
  Look(5, 0, 0, 0, 1);
  EXPECT_EQ(Look(5, 0, 0, 0, 2),
            Lines{"lost: copies for want of a session are lost: no_session 2"});
}

TEST_F(LossLogTest, TakesLessThanBeforeForAReset) {
  Look(0, 1000);
  EXPECT_EQ(Look(5, 0), kNone);
  EXPECT_EQ(Look(5, 0), kNone);
  Look(5, 1);
  EXPECT_EQ(Look(5, 2), Lines{"lost: copies to 192.0.2.9 --key 7 are lost: "
                              "no_route 2"});
}

TEST_F(LossLogTest, SaysNothingIfNothingIsKnown) {
  const json report = SessionHistory(60000).Report("", "no ovs-vswitchd", {});
  EXPECT_TRUE(log_.Look(report, 0).empty());
}

}  // namespace
}  // namespace ovs_rmirror
