// SPDX-License-Identifier: Apache-2.0

#include "controller/sessions.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace ovs_rmirror {
namespace {

using nlohmann::json;

Session MakeSession(const char* target, std::optional<uint32_t> key = {}) {
  Session session;
  session.target = *ParseAddress(target);
  session.key = key;
  return session;
}

json ShowSession(const char* target, json key, uint64_t copies,
                 uint64_t no_route, uint64_t loop = 0) {
  return {{"target", target},
          {"key", key},
          {"ttl", 255},
          {"tos", 0},
          {"df", false},
          {"copies", copies},
          {"bytes", 60 * copies},
          {"original_bytes", 100 * copies},
          {"drops", {{"no_route", no_route}, {"loop", loop}}}};
}

CountersByDatapath Show(const std::vector<json>& sessions,
                        uint64_t no_session = 0) {
  return ReadSessionCounters(json::array({{{"datapath", "netdev@ovs-netdev"},
                                           {"max_sessions", 4096},
                                           {"no_session", no_session},
                                           {"sessions", sessions}}}));
}

TEST(SessionsTest, NamesSessionsAsPoliciesDo) {
  Session session = MakeSession("2001:db8::9", 7);
  EXPECT_EQ(NameSession(session), "2001:db8::9 --key 7");
  session.tos.reset();
  session.df = true;
  session.ttl = 9;
  EXPECT_EQ(NameSession(session),
            "2001:db8::9 --key 7 --ttl 9 --tos inherit --df");
}

TEST(SessionsTest, ReadsEachFieldOfASession) {
  json shown = ShowSession("2001:db8::9", 4294967295, 3, 2);
  shown["ttl"] = 9;
  shown["tos"] = "inherit";
  shown["df"] = true;
  const CountersByDatapath counters = Show({shown}, 5);
  const DatapathCounters& datapath = counters.at("netdev@ovs-netdev");
  EXPECT_EQ(datapath.no_session, 5);
  ASSERT_EQ(datapath.sessions.size(), 1);
  const SessionCounters& session = datapath.sessions.at(
      "2001:db8::9 --key 4294967295 --ttl 9 --tos inherit --df");
  EXPECT_EQ(session.counts,
            (std::map<std::string, uint64_t>{
                {"copies", 3}, {"bytes", 180}, {"original_bytes", 300}}));
  EXPECT_EQ(session.drops,
            (std::map<std::string, uint64_t>{{"no_route", 2}, {"loop", 0}}));
}

TEST(SessionsTest, ReadsADatapathForWhichNothingCounts) {
  EXPECT_TRUE(
      ReadSessionCounters(json::array({{{"datapath", "system@ovs-system"}}}))
          .empty());
}

TEST(SessionsTest, RefusesWhatIsNoAnswer) {
  EXPECT_THROW(Show({json{{"target", "192.0.2.9"}}}), std::exception);
  EXPECT_THROW(Show({ShowSession("collector", nullptr, 0, 0)}), std::exception);
}

TEST(SessionHistoryTest, ReportsTheSessionsOfAPolicyAlone) {
  SessionHistory history(60000);
  history.Add(0, Show({ShowSession("192.0.2.9", 7, 3, 0),
                       ShowSession("192.0.2.9", 8, 4, 0)}));
  const json report =
      history.Report("userspace", "",
                     {MakeSession("192.0.2.9", 8), MakeSession("192.0.2.10")});
  EXPECT_EQ(report["tier"], "userspace");
  EXPECT_EQ(report["window"], 60);
  EXPECT_EQ(report["sessions_error"], "");
  ASSERT_EQ(report["sessions"].size(), 2);
  EXPECT_EQ(report["sessions"][0]["session"], "192.0.2.9 --key 8");
  EXPECT_EQ(report["sessions"][0]["key"], 8);
  EXPECT_EQ(report["sessions"][0]["copies"], 4);
  EXPECT_EQ(report["sessions"][0]["drops"]["no_route"], 0);
  // A session that never was used is none of the datapath yet.
  EXPECT_EQ(report["sessions"][1]["copies"], 0);
  EXPECT_EQ(report["sessions"][1]["health"], "idle");
}

TEST(SessionHistoryTest, ForgetsDropsThatAreLongAgo) {
  SessionHistory history(60000);
  const std::vector<Session> sessions = {MakeSession("192.0.2.9")};
  const auto add = [&](int64_t when, uint64_t copies, uint64_t no_route) {
    history.Add(when,
                Show({ShowSession("192.0.2.9", nullptr, copies, no_route)}));
    return history.Report("userspace", "", sessions);
  };
  // What was before the first look is nobody's drop of the last minute.
  json report = add(0, 10, 5);
  EXPECT_EQ(report["sessions"][0]["health"], "idle");
  EXPECT_EQ(report["losing"], false);
  report = add(5000, 12, 5);
  EXPECT_EQ(report["sessions"][0]["health"], "sending");
  report = add(10000, 12, 8);
  EXPECT_EQ(report["sessions"][0]["health"], "no_route");
  EXPECT_EQ(report["sessions"][0]["recent_drops"]["no_route"], 3);
  EXPECT_EQ(report["sessions"][0]["recent_copies"], 2);
  EXPECT_EQ(report["sessions"][0]["drops"]["no_route"], 8);
  EXPECT_EQ(report["losing"], true);
  // They may have been right behind the look at 5 s.
  report = add(64999, 13, 8);
  EXPECT_EQ(report["losing"], true);
  report = add(70000, 14, 8);
  EXPECT_EQ(report["sessions"][0]["health"], "sending");
  EXPECT_EQ(report["sessions"][0]["recent_drops"]["no_route"], 0);
  EXPECT_EQ(report["sessions"][0]["drops"]["no_route"], 8);
  EXPECT_EQ(report["losing"], false);
}

TEST(SessionHistoryTest, SeesDropsOnBothSidesOfAReset) {
  SessionHistory history(60000);
  for (const uint64_t drops : {5u, 8u, 2u}) {
    history.Add(0, Show({ShowSession("192.0.2.9", nullptr, 0, drops)}));
  }
  const json report =
      history.Report("userspace", "", {MakeSession("192.0.2.9")});
  EXPECT_EQ(report["sessions"][0]["recent_drops"]["no_route"], 5);
}

TEST(SessionHistoryTest, DoesNotMissCopiesOfCopies) {
  SessionHistory history(60000);
  history.Add(0, Show({ShowSession("192.0.2.9", nullptr, 0, 0, 1)}));
  history.Add(1, Show({ShowSession("192.0.2.9", nullptr, 0, 0, 9)}));
  const json report =
      history.Report("userspace", "", {MakeSession("192.0.2.9")});
  EXPECT_EQ(report["sessions"][0]["recent_drops"]["loop"], 8);
  EXPECT_EQ(report["sessions"][0]["health"], "idle");
  EXPECT_EQ(report["losing"], false);
}

TEST(SessionHistoryTest, MissesPacketsWithoutASession) {
  SessionHistory history(60000);
  history.Add(0, Show({}, 3));
  EXPECT_EQ(history.Report("userspace", "", {})["losing"], false);
  history.Add(1, Show({}, 4));
  const json report = history.Report("userspace", "", {});
  EXPECT_EQ(report["no_session"], 4);
  EXPECT_EQ(report["recent_no_session"], 1);
  EXPECT_EQ(report["losing"], true);
}

TEST(SessionHistoryTest, SaysWhyNothingIsKnown) {
  SessionHistory history(60000);
  history.Add(0, Show({ShowSession("192.0.2.9", nullptr, 1, 1)}));
  const std::vector<Session> sessions = {MakeSession("192.0.2.9")};
  json report = history.Report("", "no ovs-vswitchd", sessions);
  EXPECT_EQ(report["sessions_error"], "no ovs-vswitchd");
  EXPECT_EQ(report["sessions"][0]["health"], "unknown");
  EXPECT_FALSE(report["sessions"][0].contains("copies"));
  // The userspace datapath's counters are not those of the kernel.
  report = history.Report("composed", "", sessions);
  EXPECT_NE(report["sessions_error"].get<std::string>().find("ovs-dpctl"),
            std::string::npos);
}

TEST(SessionHistoryTest, KnowsWhenACopyWasLastSent) {
  SessionHistory history(60000);
  const std::vector<Session> sessions = {MakeSession("192.0.2.9")};
  const auto last_copy = [&](int64_t when, uint64_t copies) {
    history.Add(when, Show({ShowSession("192.0.2.9", nullptr, copies, 0)}));
    return history.Report("userspace", "",
                          sessions)["sessions"][0]["last_copy"];
  };
  // What was before the first look may be long ago.
  EXPECT_EQ(last_copy(1000, 10), nullptr);
  EXPECT_EQ(last_copy(6000, 11), 0);
  EXPECT_EQ(last_copy(80500, 11), 74);
  EXPECT_NE(FormatSessions(history.Report("userspace", "", sessions), {})
                .find("192.0.2.9 (last copy 74 s ago)\n"),
            std::string::npos);
  EXPECT_EQ(last_copy(90000, 0), 84) << "reset";
  EXPECT_EQ(last_copy(95000, 1), 0);
}

TEST(FormatSessionsTest, HasALineForEachSession) {
  SessionHistory history(60000);
  history.Add(0, Show({ShowSession("192.0.2.9", 7, 100000, 0)}));
  history.Add(1, Show({ShowSession("192.0.2.9", 7, 100000, 12, 3)}, 2));
  const json report =
      history.Report("userspace", "",
                     {MakeSession("192.0.2.9", 7), MakeSession("192.0.2.10")});
  EXPECT_EQ(FormatSessions(report, {}),
            "Targets (tier userspace, lately: in the last 60 s)\n"
            "copies bytes drops health    target\n"
            "  100K 6000K    15 no_route  192.0.2.9 --key 7: dropped: loop 3 "
            "(3 lately), no_route 12 (12 lately)\n"
            "     0     0     0 idle      192.0.2.10\n"
            "no_session: 2 packets (2 lately) not copied: the datapath has no "
            "room for another session\n");
  ListingOptions exact;
  exact.exact = true;
  EXPECT_NE(FormatSessions(report, exact)
                .find("      100000    6000000         15 no_route "),
            std::string::npos);
}

TEST(FormatSessionsTest, SaysWhatABudgetHoldsBack) {
  SessionHistory history(60000);
  history.Add(0, Show({ShowSession("192.0.2.9", 7, 5, 0)}));
  json report = history.Report("userspace", "", {MakeSession("192.0.2.9", 7)});
  report["sessions"][0].update(
      {{"limit", "100mbit"}, {"over_limit", 12}, {"over_limit_bytes", 1200}});
  EXPECT_NE(
      FormatSessions(report, {})
          .find(" 192.0.2.9 --key 7: limit 100mbit, 12 packets over it\n"),
      std::string::npos);
}

TEST(FormatSessionsTest, SaysWhyNothingIsKnown) {
  const SessionHistory history(60000);
  EXPECT_EQ(FormatSessions(history.Report("", "no ovs-vswitchd",
                                          {MakeSession("192.0.2.9")}),
                           {}),
            "Targets (lately: in the last 60 s)\n"
            "copies bytes drops health    target\n"
            "     -     -     - unknown   192.0.2.9\n"
            "The counters are not known: no ovs-vswitchd\n");
}

}  // namespace
}  // namespace ovs_rmirror
