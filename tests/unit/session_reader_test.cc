// SPDX-License-Identifier: Apache-2.0

#include "controller/session_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "controller/metrics_collector.h"
#include "controller/mirrored_bridges.h"
#include "controller/ovs.h"

namespace ovs_rmirror {
namespace {

// A control socket as ovs-vswitchd has one, made by the same code.
class SessionReaderTest : public testing::Test {
 protected:
  SessionReaderTest() {
    char name[] = "/tmp/rmirror-unit-XXXXXX";
    directory_ = mkdtemp(name);
    socket_ = directory_ + "/ovs-vswitchd." + std::to_string(getpid()) + ".ctl";
  }
  ~SessionReaderTest() override {
    unixctl_server_destroy(server_);
    std::filesystem::remove_all(directory_);
  }

  void Serve() {
    std::ofstream(directory_ + "/ovs-vswitchd.pid") << getpid() << "\n";
    ASSERT_EQ(unixctl_server_create(socket_.c_str(), &server_), 0);
    static bool registered = false;
    if (!registered) {
      registered = true;
      unixctl_command_register(
          "dpif/show-dp-features", "", 1, 1,
          [](struct unixctl_conn* conn, int, const char** argv, void*) {
            if (argv[1] == std::string("br0")) {
              unixctl_command_reply(
                  conn, "Some: Yes\nRemote mirror tier: userspace\n");
            } else {
              unixctl_command_reply_error(conn, "no such bridge");
            }
          },
          nullptr);
      unixctl_command_register(
          "tnl/neigh/show", "", 0, 0,
          [](struct unixctl_conn* conn, int, const char**, void*) {
            unixctl_command_reply(conn,
                                  "192.0.2.9 02:00:00:00:00:09 br-phy\n");
          },
          nullptr);
      unixctl_command_register(
          "ovs/route/lookup", "", 1, 1,
          [](struct unixctl_conn* conn, int, const char** argv, void*) {
            if (routed_ && argv[1] == std::string("192.0.2.9")) {
              unixctl_command_reply(
                  conn, "src 192.0.2.1\ngateway ::\ndev br-phy\n");
            } else {
              unixctl_command_reply_error(conn, "Not found");
            }
          },
          nullptr);
      unixctl_command_register(
          "dpctl/rmirror-show", "", 1, 1,
          [](struct unixctl_conn* conn, int, const char**, void*) {
            if (silent_) {
              return;  // The connection waits for an answer.
            }
            unixctl_command_reply(conn, answer_.c_str());
          },
          nullptr);
    }
  }

  // Refreshes, and lets both sides run until that is done.
  nlohmann::json Refresh(SessionReader* reader,
                         const std::string& bridge = "br0") {
    bool done = false;
    reader->Refresh([&] { done = true; });
    while (!done) {
      reader->Run();
      if (server_) {
        unixctl_server_run(server_);
        unixctl_server_wait(server_);
      }
      reader->Wait();
      // Time passes by itself only for who waits for an answer.
      poll_timer_wait(10);
      now_ += silent_ ? 100 : 0;
      poll_block();
    }
    Session session;
    session.target = *ParseAddress("192.0.2.9");
    return reader->Report(bridge, {session});
  }

  SessionReader MakeReader() {
    return SessionReader(directory_, 60000, [this] { return now_; });
  }

  static inline std::string answer_;
  static inline bool silent_;
  static inline bool routed_;
  std::string directory_;
  std::string socket_;
  struct unixctl_server* server_ = nullptr;
  int64_t now_ = 1000;

  void SetUp() override {
    silent_ = false;
    routed_ = true;
    answer_ =
        R"([{"datapath":"netdev@ovs-netdev","no_session":0,"sessions":[
            {"target":"192.0.2.9","key":null,"ttl":255,"tos":0,"df":false,
             "copies":3,"bytes":9,"drops":{"no_route":1}}]}])";
  }
};

TEST_F(SessionReaderTest, AsksForTheWaysToTargetsThatItHasReported) {
  Serve();
  SessionReader reader = MakeReader();
  reader.Add("br0");
  EXPECT_FALSE(Refresh(&reader)["sessions"][0].contains("way"));
  now_ += 2000;
  EXPECT_EQ(Refresh(&reader)["sessions"][0]["way"],
            nlohmann::json({{"device", "br-phy"},
                            {"next_hop", "192.0.2.9"},
                            {"resolved", true}}));
  routed_ = false;
  now_ += 2000;
  nlohmann::json report = Refresh(&reader);
  EXPECT_TRUE(report["sessions"][0].at("way").is_null());
  EXPECT_NE(FormatSessions(report, {}).find("192.0.2.9 (no route)"),
            std::string::npos);
}

TEST_F(SessionReaderTest, AsksForTheCountersAndTheTier) {
  Serve();
  SessionReader reader = MakeReader();
  reader.Add("br0");
  reader.Add("br1");
  nlohmann::json report = Refresh(&reader);
  EXPECT_EQ(report["sessions_error"], "");
  EXPECT_EQ(report["tier"], "userspace");
  EXPECT_EQ(report["sessions"][0]["copies"], 3);
  ASSERT_TRUE(reader.Shown());
  EXPECT_EQ(reader.Shown()->datapaths, nlohmann::json::parse(answer_));
  EXPECT_EQ(reader.Shown()->when, now_);
  report = reader.Report("br1", {});
  EXPECT_EQ(report["sessions_error"], "ovs-vswitchd has no bridge br1");
  report = reader.Report("tcp:127.0.0.1:6653", {});
  EXPECT_NE(report["sessions_error"].get<std::string>().find("this host"),
            std::string::npos);
}

TEST_F(SessionReaderTest, AsksAgainNotBeforeASecondHasPassed) {
  Serve();
  SessionReader reader = MakeReader();
  reader.Add("br0");
  Refresh(&reader);
  answer_.replace(answer_.find("\"copies\":3"), 10, "\"copies\":4");
  now_ += 999;
  EXPECT_EQ(Refresh(&reader)["sessions"][0]["copies"], 3);
  now_ += 1;
  const nlohmann::json report = Refresh(&reader);
  EXPECT_EQ(report["sessions"][0]["copies"], 4);
  EXPECT_EQ(report["sessions"][0]["recent_copies"], 1);
}

TEST_F(SessionReaderTest, SaysThatThereIsNoSwitch) {
  SessionReader reader = MakeReader();
  reader.Add("br0");
  nlohmann::json report = Refresh(&reader);
  EXPECT_NE(report["sessions_error"].get<std::string>().find(
                "there is no ovs-vswitchd here"),
            std::string::npos);
  // A pidfile that was left behind is none, either; then it comes back.
  std::ofstream(directory_ + "/ovs-vswitchd.pid") << getpid() << "\n";
  now_ += 1000;
  report = Refresh(&reader);
  EXPECT_NE(report["sessions_error"].get<std::string>().find(socket_),
            std::string::npos);
  EXPECT_FALSE(reader.Shown());
  Serve();
  now_ += 1000;
  EXPECT_EQ(Refresh(&reader)["sessions_error"], "");
  EXPECT_TRUE(reader.Shown());
  answer_ = "[{";
  now_ += 1000;
  Refresh(&reader);
  EXPECT_FALSE(reader.Shown());
}

TEST_F(SessionReaderTest, DoesNotWaitForASwitchThatHangs) {
  Serve();
  silent_ = true;
  SessionReader reader = MakeReader();
  reader.Add("br0");
  EXPECT_EQ(Refresh(&reader)["sessions_error"], "ovs-vswitchd does not answer");
  EXPECT_LE(now_, 1000 + SessionReader::kPatience + 100);
}

TEST_F(SessionReaderTest, SaysThatAnAnswerMakesNoSense) {
  Serve();
  answer_ = "[{";
  SessionReader reader = MakeReader();
  reader.Add("br0");
  EXPECT_EQ(Refresh(&reader)["sessions_error"].get<std::string>().rfind(
                "dpctl/rmirror-show: ", 0),
            0);
}

TEST_F(SessionReaderTest, GivesMetricsWhatMakesSenseToThem) {
  Serve();
  SessionReader reader = MakeReader();
  reader.Add("br0");
  MirroredBridges bridges(&reader);
  MetricsExchange exchange;
  MetricsCollector collector(&exchange, &bridges, &reader,
                             [this] { return now_; });
  const auto collect = [&] {
    using std::chrono::milliseconds;
    exchange.Get(milliseconds(-1), milliseconds(0));
    collector.Run();
    Refresh(&reader);
    collector.Run();
    return exchange.Get(std::chrono::hours(1), milliseconds(0));
  };
  std::shared_ptr<const MetricsSnapshot> snapshot = collect();
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->datapaths.size(), 1u);
  ASSERT_EQ(snapshot->datapaths[0].sessions.size(), 1u);
  EXPECT_EQ(snapshot->datapaths[0].sessions[0].copies, 3u);

  now_ += 1000;
  answer_.insert(answer_.find("\"copies\""), "\"expanded\":\"many\",");
  snapshot = collect();
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(snapshot->datapaths.size(), 0u);
}

TEST_F(SessionReaderTest, AsksNobodyForNoBridge) {
  SessionReader reader = MakeReader();
  EXPECT_EQ(Refresh(&reader)["sessions"][0]["health"], "unknown");
}

}  // namespace
}  // namespace ovs_rmirror
