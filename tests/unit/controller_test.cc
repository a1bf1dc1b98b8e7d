// SPDX-License-Identifier: Apache-2.0
//
// The controller against a switch in memory.

#include "controller/controller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "controller/policy_file.h"

namespace ovs_rmirror {
namespace {

constexpr const char* kLost = "the connection broke";

// Tap tables.
class MemorySwitch final : public SwitchConnection {
 public:
  using Key = std::tuple<uint8_t, uint16_t, std::string>;

  bool connected = true;
  uint64_t generation = 1;
  uint64_t interference = 0;
  std::map<Key, SwitchFlow> table;
  PortNumbers ports = {{"br0", kPortLocal}, {"eth0", 1}};
  std::map<uint32_t, SwitchMeter> meters;
  const int64_t* now = nullptr;  // If there is a clock,
  int64_t born = 0;              // the bridge was made at that time.
  std::string spelling;          // Ends each match as this switch prints it.
  std::string refusal;           // Of the next changes.
  std::vector<FlowChange> last_changes;  // Of the last successful Apply().
  int applied = 0;
  int counters_read = 0;

  // What a restart of ovs-vswitchd does; `restored` are flows that come back.
  void Restart(std::map<Key, SwitchFlow> restored = {}) {
    Disconnect();
    table = std::move(restored);
    meters.clear();
    born = now ? *now : 0;
    Connect();
  }

  void Connect() {
    connected = true;
    generation++;
  }
  void Disconnect() {
    connected = false;
    for (const auto& [work, cancel] : std::exchange(queue_, {})) {
      cancel();
    }
  }

  void Run() override {
    for (const auto& [work, cancel] : std::exchange(queue_, {})) {
      work();
    }
  }
  void Wait() override {}
  bool IsConnected() const override { return connected; }
  uint64_t Generation() const override { return generation; }
  uint64_t Interference() const override { return interference; }
  std::string Describe() const override {
    return connected ? "connected" : "not connected";
  }

  void ReadState(StateDone done) override {
    queue_.push_back(
        {[this, done] { done("", State()); }, [done] { done(kLost, {}); }});
  }

  void ReadCounters(StateDone done) override {
    queue_.push_back({[this, done] {
                        SwitchState state = State();
                        state.ports.clear();
                        for (SwitchFlow& flow : state.flows) {
                          flow.match.clear();
                          flow.actions.clear();
                        }
                        counters_read++;
                        done("", state);
                      },
                      [done] { done(kLost, {}); }});
  }

  void Apply(const SwitchChanges& changes, ApplyDone done) override {
    queue_.push_back({[this, changes, done] { done(Change(changes)); },
                      [done] { done(kLost); }});
  }

  std::string Canonicalize(const SwitchFlow& flow,
                           SwitchFlow* result) override {
    *result = flow;
    result->match = Spell(flow.match);
    return "";
  }

 private:
  using Work = std::function<void()>;

  SwitchState State() const {
    SwitchState state;
    state.ports = ports;
    state.max_meters = 100;
    for (const auto& [number, meter] : meters) {
      state.meters.push_back(meter);
    }
    for (const auto& [key, flow] : table) {
      state.flows.push_back(flow);
    }
    if (now) {
      state.age = *now - born;
    }
    return state;
  }

  std::string Spell(const std::string& match) const {
    return match.ends_with(spelling) ? match : match + spelling;
  }

  void Change(const std::vector<MeterChange>& changes, bool behind) {
    for (const auto& [kind, meter] : changes) {
      if ((kind == MeterChange::Kind::kDelete) != behind) {
        continue;
      }
      EXPECT_EQ(meters.contains(meter.number), kind != MeterChange::Kind::kAdd);
      if (behind) {
        meters.erase(meter.number);
      } else {
        meters[meter.number] = meter;
      }
    }
  }

  std::string Change(const SwitchChanges& changes) {
    if (!refusal.empty()) {
      return refusal;
    }
    Change(changes.meters, false);
    Change(changes.flows);
    Change(changes.meters, true);
    for (const auto& [key, flow] : table) {
      const size_t meter = flow.actions.find(",meter=");
      EXPECT_TRUE(meter == std::string::npos ||
                  meters.contains(static_cast<uint32_t>(
                      std::stoul(flow.actions.substr(meter + 7)))));
    }
    last_changes = changes.flows;
    applied++;
    return "";
  }

  void Change(const std::vector<FlowChange>& changes) {
    for (const FlowChange& change : changes) {
      const Key key = {change.flow.table, change.flow.priority,
                       Spell(change.flow.match)};
      if (change.kind == FlowChange::Kind::kDelete) {
        EXPECT_EQ(table.erase(key), 1u);
      } else if (change.kind == FlowChange::Kind::kReset) {
        EXPECT_TRUE(table.contains(key));
        table[key].packets = table[key].bytes = 0;
      } else if (change.kind == FlowChange::Kind::kModify) {
        EXPECT_TRUE(table.contains(key));
        table[key].actions = change.flow.actions;
      } else {
        EXPECT_FALSE(table.contains(key));
        table[key] = change.flow;
        table[key].match = Spell(change.flow.match);
      }
    }
  }

  std::vector<std::pair<Work, Work>> queue_;  // To do, and to give up.
};

// Remembers what it was told.
class MemoryTapConfig final : public TapConfig {
 public:
  std::string log;
  bool in_force = true;

  void Run() override {}
  void Wait() override {}
  void Use(const Taps& taps, bool only) override {
    log += only ? "only" : "also";
    for (const Tap tap : taps) {
      log += tap == Tap::kIngress ? " ingress" : " egress";
    }
    log += "; ";
  }
  bool InForce() const override { return in_force; }
  std::string Describe() const override { return "set"; }
};

class ControllerTest : public testing::Test {
 protected:
  ControllerTest() {
    auto connection = std::make_unique<MemorySwitch>();
    switch_ = connection.get();
    switch_->now = &now_;
    auto tap_config = std::make_unique<MemoryTapConfig>();
    tap_config_ = tap_config.get();
    controller_ = std::make_unique<Controller>(Options(), std::move(connection),
                                               std::move(tap_config),
                                               [this] { return now_; });
  }

  static Controller::Options Options() {
    Controller::Options options;
    options.bridge = "br0";
    options.policy_file = kFile;
    return options;
  }

  static Policy Read(const std::string& rules) {
    const CheckedPolicy checked =
        CheckPolicy({{kFile, "*rmirror\n" + rules + "COMMIT\n"}, {}}, {});
    EXPECT_TRUE(checked.policy) << checked.messages;
    return checked.policy.value_or(Policy());
  }

  void Run() {
    for (int i = 0; i < 10; i++) {
      controller_->Run();
    }
  }

  // Gives a command and waits until it is done.
  std::pair<bool, std::string> Finish(
      const std::function<void(Controller::Done)>& command) {
    // A command that is not done yet may be later.
    const auto result =
        std::make_shared<std::pair<bool, std::string>>(false, "not done");
    command([result](bool good, const std::string& text) {
      *result = {good, text};
    });
    Run();
    return *result;
  }
  std::pair<bool, std::string> Finish(
      void (Controller::*command)(Controller::Done)) {
    return Finish([&](Controller::Done done) {
      (controller_.get()->*command)(std::move(done));
    });
  }
  std::pair<bool, std::string> Load(const std::string& rules) {
    return Finish([&](Controller::Done done) {
      controller_->Load(Read(rules), std::move(done));
    });
  }
  std::pair<bool, std::string> List() {
    return Finish([&](Controller::Done done) {
      controller_->List({{"tier", "native"}}, std::move(done));
    });
  }
  nlohmann::json ListRules() {
    const auto [good, text] = List();
    EXPECT_TRUE(good) << text;
    return nlohmann::json::parse(text)["chains"][0]["rules"];
  }

  // The flow whose actions contain `text`.
  SwitchFlow& Flow(const std::string& text) {
    const auto it = std::find_if(
        switch_->table.begin(), switch_->table.end(), [&](const auto& entry) {
          return entry.second.actions.find(text) != std::string::npos;
        });
    EXPECT_NE(it, switch_->table.end()) << text;
    return it->second;
  }

  // A flow that is not ours.
  void AddForeignFlow(uint8_t table = 252) {
    SwitchFlow flow;
    flow.table = table;
    flow.priority = 9;
    flow.match = "ip";
    switch_->table[{table, 9, "ip"}] = flow;
  }

  static constexpr const char* kFile = "test.policy";
  int64_t now_ = 0;
  MemorySwitch* switch_;
  MemoryTapConfig* tap_config_;
  std::unique_ptr<Controller> controller_;
};

const std::string kTo9 =
    "-A PREROUTING -4 -p tcp -j RMIRROR --target 192.0.2.9\n";
const std::string kTo10 =
    "-A PREROUTING -4 -p udp -j RMIRROR --target 192.0.2.10\n";

TEST_F(ControllerTest, InstallsThePolicyAndSetsTheTap) {
  EXPECT_EQ(Load(kTo9),
            std::make_pair(true, std::string("br0: 1 rule, 5 flows: 5 added, 0 "
                                             "modified, 0 deleted\n")));
  EXPECT_EQ(switch_->table.size(), 5u);
  EXPECT_EQ(Flow("192.0.2.9").match.substr(0, 9), "tcp,reg0=");
  EXPECT_EQ(tap_config_->log, "also ingress; only ingress; ");
}

TEST_F(ControllerTest, WaitsForTheSwitch) {
  switch_->connected = false;
  const auto [good, text] = Load(kTo9);
  EXPECT_TRUE(good);
  EXPECT_NE(text.find("will be installed when br0 is reached"),
            std::string::npos);
  switch_->Connect();
  Run();
  EXPECT_EQ(switch_->table.size(), 5u);
}

TEST_F(ControllerTest, ChangesNothingIfNothingChanged) {
  Load(kTo9);
  EXPECT_EQ(Load(kTo9).second, "br0: 1 rule, 5 flows: nothing to change\n");
  EXPECT_EQ(switch_->applied, 1);
}

TEST_F(ControllerTest, SendsOnlyTheFlowsOfANewRule) {
  Load(kTo9);
  Flow("192.0.2.9").packets = 7;
  EXPECT_EQ(Load(kTo10 + kTo9).second,
            "br0: 2 rules, 6 flows: 1 added, 1 modified, 0 deleted\n");
  EXPECT_EQ(Flow("192.0.2.9").packets, 7u);
}

TEST_F(ControllerTest, KnowsItsFlowsInTheWordsOfTheSwitch) {
  switch_->spelling = ",eth()";
  Load(kTo9);
  EXPECT_EQ(Load(kTo9).second, "br0: 1 rule, 5 flows: nothing to change\n");
  EXPECT_EQ(Load(kTo10 + kTo9).second,
            "br0: 2 rules, 6 flows: 1 added, 1 modified, 0 deleted\n");
  EXPECT_EQ(Load(kTo10).second,
            "br0: 1 rule, 5 flows: 0 added, 1 modified, 1 deleted\n");
}

TEST_F(ControllerTest, PutsBackWhatSomebodyDeletedWhenItConnectsAgain) {
  Load(kTo9);
  switch_->Disconnect();
  Run();
  switch_->table.clear();
  switch_->Connect();
  Run();
  EXPECT_EQ(switch_->table.size(), 5u);
}

TEST_F(ControllerTest, PutsBackWhatSomebodyDeletesAtOnce) {
  Load(kTo9);
  switch_->table.clear();
  switch_->interference++;
  Run();
  EXPECT_EQ(switch_->table.size(), 5u);
}

TEST_F(ControllerTest, RepairsEverMoreSlowlyAgainstSomebodyWhoGoesOn) {
  Load(kTo9);
  std::vector<int64_t> delays;
  for (int i = 0; i < 9; i++) {
    const int64_t began = now_;
    switch_->table.clear();
    switch_->interference++;
    Run();
    if (switch_->table.empty()) {
      now_ = controller_->Wait().value();
      Run();
    }
    EXPECT_EQ(switch_->table.size(), 5u);
    delays.push_back(now_ - began);
  }
  EXPECT_EQ(delays, (std::vector<int64_t>{0, 50, 100, 200, 400, 800, 1000, 1000,
                                          1000}));
  now_ += 60000;
  switch_->table.clear();
  switch_->interference++;
  Run();
  EXPECT_EQ(switch_->table.size(), 5u);
}

TEST_F(ControllerTest, ObeysCommandsAtOnceWhileItRepairsSlowly) {
  Load(kTo9);
  for (int i = 0; i < 4; i++) {
    switch_->interference++;
    Run();
  }
  EXPECT_TRUE(Load(kTo10).first);
  EXPECT_EQ(Flow("192.0.2.10").actions, "rmirror(target=192.0.2.10)");
}

TEST_F(ControllerTest, LeavesOthersAloneAfterClear) {
  Load(kTo9);
  Finish(&Controller::Clear);
  AddForeignFlow();
  switch_->interference++;
  Run();
  EXPECT_EQ(switch_->table.size(), 1u);
}

TEST_F(ControllerTest, RemovesForeignFlowsFromItsTables) {
  AddForeignFlow(252);
  AddForeignFlow(253);
  Load(kTo9);
  EXPECT_EQ(switch_->table.size(), 5u);
  EXPECT_FALSE(switch_->table.contains({252, 9, "ip"}));
  EXPECT_EQ(controller_->Status()["foreign"], 0);
}

TEST_F(ControllerTest, LeavesForeignFlowsAloneIfItDoesNotOwnTheTables) {
  auto connection = std::make_unique<MemorySwitch>();
  switch_ = connection.get();
  Controller::Options options = Options();
  options.own_tables = false;
  controller_ = std::make_unique<Controller>(options, std::move(connection),
                                             nullptr, [this] { return now_; });
  AddForeignFlow();
  Load(kTo9);
  EXPECT_EQ(switch_->table.size(), 6u);
  EXPECT_EQ(controller_->Status()["foreign"], 1);
}

TEST_F(ControllerTest, WaitsForANewTapBeforeItChangesFlows) {
  Load(kTo9);
  tap_config_->in_force = false;
  Load(kTo10);
  EXPECT_EQ(switch_->applied, 1);
  tap_config_->in_force = true;
  Run();
  EXPECT_EQ(switch_->applied, 2);
}

TEST_F(ControllerTest, DoesNotWaitForEverForATap) {
  tap_config_->in_force = false;
  Load(kTo9);
  EXPECT_EQ(switch_->applied, 0);
  now_ = controller_->Wait().value();
  EXPECT_EQ(now_, 1000);
  Run();
  EXPECT_EQ(switch_->applied, 1);
}

TEST_F(ControllerTest, UsesTheTapsForWhichThereAreRules) {
  Load(kTo9);
  Load("-A INPUT -j RMIRROR --target 192.0.2.9\n");
  EXPECT_EQ(tap_config_->log,
            "also ingress; only ingress; also egress; only egress; ");
  for (const auto& [key, flow] : switch_->table) {
    EXPECT_EQ(flow.table, 253);
  }
  EXPECT_EQ(Flow("192.0.2.9").actions.find("resubmit(,252)"),
            std::string::npos);
}

const std::string kLimited =
    "-A PREROUTING -m limit --limit 10/sec --limit-burst 7 -j RMIRROR --target "
    "192.0.2.9\n";

TEST_F(ControllerTest, MakesAMeterForALimitAndRemovesItWithTheRule) {
  EXPECT_TRUE(Load(kLimited).first);
  ASSERT_EQ(switch_->meters.size(), 1u);
  const SwitchMeter meter = switch_->meters.begin()->second;
  EXPECT_GT(meter.number, 50u);
  EXPECT_EQ(meter.rate, 10u);
  EXPECT_EQ(meter.burst, 7u);
  EXPECT_EQ(Flow("192.0.2.9").actions, "rmirror(target=192.0.2.9,meter=" +
                                           std::to_string(meter.number) + ")");
  const int applied = switch_->applied;
  Load(kLimited);
  EXPECT_EQ(switch_->applied, applied);
  Load(kTo9);
  EXPECT_TRUE(switch_->meters.empty());
}

TEST_F(ControllerTest, KeepsTheMeterOfARuleThatStays) {
  Load(kLimited);
  const uint32_t number = switch_->meters.begin()->first;
  switch_->meters[number].packets = 3;
  Load(kTo10 + kLimited);
  EXPECT_EQ(switch_->meters.at(number).packets, 3u);
  switch_->table.clear();
  switch_->interference++;
  Run();
  EXPECT_EQ(switch_->meters.size(), 1u);
  EXPECT_EQ(switch_->meters.at(number).packets, 3u);
}

TEST_F(ControllerTest, PutsBackAMeterThatSomebodyChangesOrDeletes) {
  Load(kLimited);
  const uint32_t number = switch_->meters.begin()->first;
  switch_->meters[number].rate = 1000;
  switch_->interference++;
  Run();
  EXPECT_EQ(switch_->meters.at(number).rate, 10u);
  switch_->meters.clear();
  switch_->table.clear();
  switch_->interference++;
  now_ += Pace::kSlowest;
  Run();
  now_ += Pace::kSlowest;
  Run();
  EXPECT_EQ(switch_->meters.at(number).rate, 10u);
}

TEST_F(ControllerTest, LeavesTheMetersOfOthersAlone) {
  Load(kLimited);
  const uint32_t number = switch_->meters.begin()->first;
  Finish(&Controller::Clear);
  EXPECT_TRUE(switch_->meters.empty());
  SwitchMeter other;
  for (other.number = number; other.number <= number + 1; other.number++) {
    other.is_limit = false;
    switch_->meters[other.number] = other;
  }
  Load(kLimited);
  EXPECT_EQ(switch_->meters.size(), 3u);
  EXPECT_FALSE(switch_->meters.at(number).is_limit);
  Finish(&Controller::Clear);
  EXPECT_EQ(switch_->meters.size(), 2u);
}

TEST_F(ControllerTest, DoesNotCountWhatALimitHoldsBack) {
  Load(kLimited);
  Flow("192.0.2.9").packets = 10;
  Flow("192.0.2.9").bytes = 1000;
  SwitchMeter& meter = switch_->meters.begin()->second;
  meter.packets = 4;
  meter.bytes = 400;
  EXPECT_EQ(ListRules()[0]["packets"], 6);
  EXPECT_EQ(ListRules()[0]["bytes"], 600);
  Finish(&Controller::Zero);
  EXPECT_EQ(ListRules()[0]["packets"], 0);
  Flow("192.0.2.9").packets = 1;
  EXPECT_EQ(ListRules()[0]["packets"], 1);
}

TEST_F(ControllerTest, UsesNoTapForAPolicyWithoutRules) {
  Load("");
  EXPECT_EQ(tap_config_->log, "also; only; ");
}

TEST_F(ControllerTest, ClearsItsOwnFlowsOnlyAndUntilTheNextPolicy) {
  Load(kTo9);
  AddForeignFlow();
  EXPECT_EQ(Finish(&Controller::Clear).second,
            "br0: cleared: 0 added, 0 modified, 5 deleted\n");
  EXPECT_EQ(switch_->table.size(), 1u);
  EXPECT_EQ(tap_config_->log, "also ingress; only ingress; only; ");
  switch_->Connect();
  Run();
  EXPECT_EQ(switch_->table.size(), 1u);
  EXPECT_TRUE(Load(kTo9).first);
  EXPECT_EQ(switch_->table.size(), 5u);
}

TEST_F(ControllerTest, WakesARuleWhenItsPortAppears) {
  Load("-A PREROUTING -i vnet0 -j RMIRROR --target 192.0.2.9\n");
  EXPECT_EQ(ListRules()[0]["dormant"], true);
  switch_->ports["vnet0"] = 5;
  switch_->generation++;
  Run();
  EXPECT_EQ(ListRules()[0]["dormant"], false);
  EXPECT_NE(Flow("192.0.2.9").match.find("in_port=5"), std::string::npos);
}

TEST_F(ControllerTest, ContinuesTheCountersOfARuleWhosePortIsRenumbered) {
  Load("-A PREROUTING -i eth0 -j RMIRROR --target 192.0.2.9\n");
  Flow("192.0.2.9").packets = 3;
  Flow("192.0.2.9").bytes = 300;
  switch_->ports["eth0"] = 8;
  switch_->generation++;
  Run();
  Flow("192.0.2.9").packets = 2;
  Flow("192.0.2.9").bytes = 200;
  EXPECT_EQ(ListRules()[0]["packets"], 5);
  EXPECT_EQ(ListRules()[0]["bytes"], 500);
}

// Reads the counters as often as the time comes in which nobody asks for them.
TEST_F(ControllerTest, ReadsCountersFromTimeToTimeIfNobodyElseDoes) {
  Load(kTo9);
  ListRules();
  EXPECT_EQ(controller_->Wait(), 10000);
  now_ = 9999;
  Run();
  EXPECT_EQ(switch_->counters_read, 0);
  ListRules();
  EXPECT_EQ(controller_->Wait(), 19999);
  now_ = 19999;
  Run();
  EXPECT_EQ(switch_->counters_read, 1);
  EXPECT_EQ(controller_->Wait(), 29999);
  switch_->Disconnect();
  now_ = 60000;
  Run();
  EXPECT_EQ(controller_->Wait(), std::nullopt);
  switch_->Connect();
  Finish(&Controller::Clear);
  now_ = 90000;
  Run();
  EXPECT_EQ(switch_->counters_read, 1);
  EXPECT_EQ(controller_->Wait(), std::nullopt);
}

TEST_F(ControllerTest, ContinuesCountersOverARestartOfTheSwitch) {
  Load(kTo9 + kTo10);
  for (uint64_t n = 1; n <= 3; n++) {
    Flow("192.0.2.9").packets = 5;
    Flow("192.0.2.9").bytes = 500;
    now_ += 10000;
    Run();  // Nobody asks for the counters but the controller itself.
    switch_->Restart();
    Run();
    EXPECT_EQ(ListRules()[0]["packets"], 5 * n);
    EXPECT_EQ(ListRules()[0]["bytes"], 500 * n);
    EXPECT_EQ(ListRules()[1]["packets"], 0);
  }
  Flow("192.0.2.9").packets = 2;
  Flow("192.0.2.10").packets = 3;
  EXPECT_EQ(ListRules()[0]["packets"], 17);
  EXPECT_EQ(ListRules()[1]["packets"], 3);
  // A reload does not change that, nor a connection that breaks.
  Load(kTo9);
  switch_->Disconnect();
  Run();
  switch_->Connect();
  Run();
  EXPECT_EQ(ListRules()[0]["packets"], 17);
}

// As "ovs-ctl restart" does, which keeps flows, but not their counters.
TEST_F(ControllerTest, ContinuesCountersIfFlowsAreRestored) {
  Load(kTo9);
  const auto restored = switch_->table;
  for (const uint64_t counted : {3u, 40u}) {
    Flow("192.0.2.9").packets = 5;
    now_ += 10000;
    const uint64_t before = ListRules()[0]["packets"];
    auto flows = restored;
    for (auto& [key, flow] : flows) {
      // Less, or more, than was counted before, when it is first read.
      flow.packets = counted;
    }
    switch_->Restart(std::move(flows));
    now_ += 1000;
    EXPECT_EQ(ListRules()[0]["packets"], before + counted);
  }
}

TEST_F(ControllerTest, CountsNothingTwiceIfTheSwitchIsTheSame) {
  Load(kTo9);
  Flow("192.0.2.9").packets = 50;
  ListRules();
  now_ += 3600000;
  switch_->Disconnect();
  Run();
  Flow("192.0.2.9").packets = 60;
  switch_->Connect();
  Run();
  EXPECT_EQ(ListRules()[0]["packets"], 60);
}

TEST_F(ControllerTest, ContinuesCountersOfFlowsThatSomebodyDeletes) {
  // Several flows.
  Load(
      "-A PREROUTING -4 -p tcp -m multiport --dports 1,2 -j RMIRROR --target "
      "192.0.2.9\n");
  const auto port = [&](const std::string& match) -> SwitchFlow& {
    return std::find_if(switch_->table.begin(), switch_->table.end(),
                        [&](const auto& entry) {
                          return entry.second.match.ends_with(match);
                        })
        ->second;
  };
  port(",tp_dst=1").packets = 10;
  port(",tp_dst=2").packets = 5;
  EXPECT_EQ(ListRules()[0]["packets"], 15);
  std::erase_if(switch_->table, [](const auto& entry) {
    return entry.second.match.ends_with(",tp_dst=1");
  });
  port(",tp_dst=2").packets = 6;
  switch_->interference++;
  Run();
  EXPECT_GE(ListRules()[0]["packets"], 15);
  EXPECT_LE(ListRules()[0]["packets"], 16);
  const uint64_t before = ListRules()[0]["packets"];
  port(",tp_dst=1").packets = 1;
  EXPECT_EQ(ListRules()[0]["packets"], before + 1);
}

TEST_F(ControllerTest, ContinuesWhatALimitHoldsBackOverARestart) {
  Load(kLimited);
  Flow("192.0.2.9").packets = 10;
  switch_->meters.begin()->second.packets = 4;
  now_ += 10000;
  Run();
  switch_->Restart();
  Run();
  EXPECT_EQ(ListRules()[0]["packets"], 6);
  Flow("192.0.2.9").packets = 3;
  switch_->meters.begin()->second.packets = 1;
  EXPECT_EQ(ListRules()[0]["packets"], 8);
  // The meter was read a moment after the flow.
  switch_->meters.begin()->second.packets = 2;
  EXPECT_EQ(ListRules()[0]["packets"], 8);
}

const std::string kBudget =
    "-A PREROUTING -p tcp -j RMIRROR --target 192.0.2.9 --limit 1mbit\n"
    "-A PREROUTING -p udp -j RMIRROR --target 192.0.2.9\n";

TEST_F(ControllerTest, GivesASessionAMeterThatItsRulesShare) {
  EXPECT_TRUE(Load(kBudget).first);
  ASSERT_EQ(switch_->meters.size(), 1u);
  const SwitchMeter meter = switch_->meters.begin()->second;
  EXPECT_TRUE(meter.kilobits);
  EXPECT_EQ(meter.rate, 1000u);
  size_t copies = 0;
  for (const auto& [key, flow] : switch_->table) {
    copies +=
        flow.actions ==
        "rmirror(target=192.0.2.9,meter=" + std::to_string(meter.number) + ")";
  }
  EXPECT_EQ(copies, 4u);  // IPv4 and IPv6 of each rule.

  // Another budget is another meter for the same flows.
  Load(
      "-A PREROUTING -p tcp -j RMIRROR --target 192.0.2.9 --limit 50/s\n"
      "-A PREROUTING -p udp -j RMIRROR --target 192.0.2.9\n");
  ASSERT_EQ(switch_->meters.size(), 1u);
  EXPECT_FALSE(switch_->meters.at(meter.number).kilobits);
  EXPECT_EQ(switch_->meters.at(meter.number).rate, 50u);
  Load(kTo9);
  EXPECT_TRUE(switch_->meters.empty());
}

TEST_F(ControllerTest, SaysWhatTheBudgetOfASessionHoldsBack) {
  const auto over = [this] {
    nlohmann::json report = {
        {"sessions",
         {{{"session", "192.0.2.9"}}, {{"session", "192.0.2.10"}}}}};
    now_ += 10000;
    Run();
    controller_->AddBudgets(&report);
    EXPECT_FALSE(report["sessions"][1].contains("limit"));
    return report["sessions"][0];
  };
  Load(kBudget + kTo10);
  EXPECT_EQ(over()["limit"], "1mbit");
  EXPECT_EQ(over()["over_limit"], 0);
  SwitchMeter& meter = switch_->meters.begin()->second;
  meter.packets = 4;
  meter.bytes = 400;
  EXPECT_EQ(over()["over_limit"], 4);
  EXPECT_EQ(over()["over_limit_bytes"], 400);
  // It goes on over a reload and a restart of the switch.
  Load(kTo10 + kBudget);
  switch_->Restart();
  Run();
  switch_->meters.begin()->second.packets = 1;
  EXPECT_EQ(over()["over_limit"], 5);
  Finish(&Controller::Zero);
  switch_->meters.begin()->second.packets = 0;
  EXPECT_EQ(over()["over_limit"], 0);
}

TEST_F(ControllerTest, DoesNotContinueWhatWasZeroedOrCleared) {
  Load(kTo9);
  Flow("192.0.2.9").packets = 5;
  ListRules();
  switch_->Restart();
  Run();
  Finish(&Controller::Zero);
  EXPECT_EQ(ListRules()[0]["packets"], 0);
  Flow("192.0.2.9").packets = 2;
  EXPECT_EQ(ListRules()[0]["packets"], 2);
  switch_->table.clear();
  Finish(&Controller::Clear);
  Load(kTo9);
  EXPECT_EQ(ListRules()[0]["packets"], 0);
}

TEST_F(ControllerTest, SetsAllCountersToZero) {
  const std::string rule =
      "-A PREROUTING -i eth0 -j RMIRROR --target 192.0.2.9\n";
  Load(rule);
  Flow("192.0.2.9").packets = 3;
  switch_->ports["eth0"] = 8;
  switch_->generation++;
  Run();
  Flow("192.0.2.9").packets = 2;
  EXPECT_EQ(ListRules()[0]["packets"], 5);
  EXPECT_EQ(Finish(&Controller::Zero).second,
            "br0: 1 rule, 5 flows: 0 added, 0 modified, 0 deleted, counters "
            "zeroed\n");
  EXPECT_EQ(ListRules()[0]["packets"], 0);
  Flow("192.0.2.9").packets = 4;
  EXPECT_EQ(Load(rule).second, "br0: 1 rule, 5 flows: nothing to change\n");
  EXPECT_EQ(ListRules()[0]["packets"], 4);
}

TEST_F(ControllerTest, StartsTheCountersOfAChangedRuleAnew) {
  Load("-A PREROUTING -j RMIRROR --target 192.0.2.9 --len 64\n");
  Flow("192.0.2.9").packets = 3;
  Load("-A PREROUTING -j RMIRROR --target 192.0.2.9 --len 96\n");
  EXPECT_EQ(ListRules()[0]["packets"], 0);
}

TEST_F(ControllerTest, ContinuesCountersAfterItsOwnRestart) {
  Load(kTo9 + kTo10);
  Flow("192.0.2.10").packets = 4;
  auto connection = std::make_unique<MemorySwitch>();
  connection->table = switch_->table;
  switch_ = connection.get();
  controller_ = std::make_unique<Controller>(Options(), std::move(connection),
                                             nullptr, [this] { return now_; });
  EXPECT_EQ(Load(kTo9 + kTo10).second,
            "br0: 2 rules, 6 flows: nothing to change\n");
  EXPECT_EQ(ListRules()[1]["packets"], 4);
}

TEST_F(ControllerTest, ListsRulesAsJson) {
  Load(
      ":PREROUTING DROP [0:0]\n-A PREROUTING -j RMIRROR --target 192.0.2.9 "
      "--len 96\n");
  const auto list = nlohmann::json::parse(List().second);
  EXPECT_EQ(list["tier"], "native");
  EXPECT_EQ(list["bridge"], "br0");
  EXPECT_EQ(list["chains"][0]["chain"], "PREROUTING");
  EXPECT_EQ(list["chains"][0]["policy"], "DROP");
  EXPECT_EQ(list["chains"][1]["chain"], "INPUT");
  const auto rule = list["chains"][0]["rules"][0];
  EXPECT_EQ(rule["line"], 3);
  EXPECT_EQ(rule["rule"],
            "-A PREROUTING -j RMIRROR --target 192.0.2.9 --len 96");
  EXPECT_EQ(rule["action"], "rmirror(target=192.0.2.9,len=96)");
}

TEST_F(ControllerTest, ListsAndSavesAPolicyThatTheSwitchDoesNotHaveYet) {
  Load(kTo9);
  Flow("192.0.2.9").packets = 7;
  const auto ignore = [](bool, const std::string&) {};
  controller_->Load(Read("-A PREROUTING -i eth7 -j RMIRROR --target "
                         "192.0.2.10\n" +
                         kTo9),
                    ignore);
  const nlohmann::json rules = ListRules();
  ASSERT_EQ(rules.size(), 2u);
  EXPECT_EQ(rules[0]["dormant"], true);
  EXPECT_EQ(rules[1]["packets"], 7u);

  controller_->Load(Read(kTo10), ignore);
  const auto [good, text] = Finish([&](Controller::Done done) {
    controller_->Save(false, std::move(done));
  });
  EXPECT_TRUE(good);
  EXPECT_NE(text.find(kTo10), std::string::npos) << text;
}

TEST_F(ControllerTest, TellsWhatTheSwitchRefusesAndTriesAgain) {
  switch_->refusal = "no";
  EXPECT_EQ(Load(kTo9), std::make_pair(false, std::string("br0: no\n")));
  EXPECT_EQ(controller_->Status()["state"], "out of date");
  EXPECT_EQ(controller_->Status()["error"], "no");
  EXPECT_EQ(controller_->Status()["synchronized"], "");
  switch_->refusal = "";
  now_ += 4999;
  Run();
  EXPECT_EQ(switch_->applied, 0);
  EXPECT_EQ(controller_->Wait(), 5000);
  now_ += 1;
  Run();
  EXPECT_EQ(switch_->applied, 1);
  EXPECT_EQ(controller_->Status()["state"], "up to date");
  EXPECT_EQ(controller_->Status()["error"], "");
  EXPECT_NE(controller_->Status()["synchronized"], "");
}

TEST_F(ControllerTest, AnswersACommandWhenTheConnectionBreaks) {
  Load(kTo9);
  std::string answer;
  controller_->Load(Read(kTo10), [&](bool good, const std::string& text) {
    answer = (good ? "good " : "bad ") + text;
  });
  controller_->Run();  // Asks for the state.
  switch_->Disconnect();
  Run();
  EXPECT_EQ(answer, std::string("bad br0: ") + kLost + "\n");
  switch_->Connect();
  Run();
  EXPECT_EQ(Flow("192.0.2.10").actions, "rmirror(target=192.0.2.10)");
}

TEST_F(ControllerTest, ClearsAlsoIfAPortAppearsMeanwhile) {
  Load(kTo9);
  std::string answer;
  controller_->Clear([&](bool, const std::string& text) { answer = text; });
  switch_->generation++;
  Run();
  EXPECT_EQ(answer, "br0: cleared: 0 added, 0 modified, 5 deleted\n");
}

TEST_F(ControllerTest, NeedsTheSwitchToListAndClear) {
  Load(kTo9);
  switch_->Disconnect();
  EXPECT_EQ(List(), std::make_pair(false, std::string("br0: not connected\n")));
  EXPECT_EQ(Finish(&Controller::Clear),
            std::make_pair(false, std::string("br0: not connected\n")));
}

}  // namespace
}  // namespace ovs_rmirror
