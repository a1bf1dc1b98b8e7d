// SPDX-License-Identifier: Apache-2.0
//
// What a running ovs-rmirrord is told over its control socket, from its start
// on.  Each line is a command and its arguments, or something that happens
// meanwhile:
//
//   -A ...      the file of the policy gets this rule, and loses the last such
//   hangup      SIGHUP comes
//   disconnect  the bridge br1 cannot be reached any more
//   connect     it can be reached again
//
//   - Each command is answered once: by an error that says something, or by
//     what was asked for, in JSON if it was asked so.  What is listed and saved
//     reads back as the policy in force.
//   - Commands other than reload and clear leave this policy as it is, and so
//     do those that are refused.
//   - In the end the switch has the flows of the policy and no others, and the
//     folder of the daemon's state has the last good policy and nothing else.

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

// The daemon, but for main().
#define main ovs_rmirrord_main
#include "controller/ovs-rmirrord.cc"  // NOLINT(build/include)
#undef main
#include "tests/fuzz/text.h"

// There is no power failure here.
extern "C" int __wrap_fsync(int fd);
int __wrap_fsync(int) { return 0; }

namespace ovs_rmirror {

namespace {

namespace fs = std::filesystem;

constexpr size_t kMostLines = 10;
constexpr uint64_t kFewFlows = 300;
constexpr int kTurnsToSettle = 10;

constexpr const char* kRules =
    ":OWN - [0:0]\n"
    "-A PREROUTING -i eth0 -p tcp --dport 80 -m comment --comment \"a "
    "\xc3\xa9\""
    " -j RMIRROR --target 192.0.2.9\n"
    "-A PREROUTING -m set --match-set hosts src -j OWN\n"
    "-A POSTROUTING -o eth7 -j RMIRROR --target 2001:db8::9 --key 7\n"
    "-A OWN -s 10.0.0.0/8 -j RETURN\n";
constexpr const char* kSets =
    "create hosts hash:ip family inet\n"
    "add hosts 192.0.2.1\n";

// It passes with the turns of the daemon's loop.
int64_t now = 0;

// A switch that does what it is told, as long as it can be reached.
class ObedientSwitch final : public SwitchConnection {
 public:
  size_t flows() const { return flows_.size(); }

  void SetConnected(bool connected) {
    generation_ += connected && !connected_;
    connected_ = connected;
  }

  void Run() override {
    for (const auto& [generation, work] : std::exchange(queue_, {})) {
      work(connected_ && generation == generation_ ? ""
                                                   : "the connection broke");
    }
  }
  void Wait() override {}
  bool IsConnected() const override { return connected_; }
  uint64_t Generation() const override { return generation_; }
  uint64_t Interference() const override { return 0; }
  std::string Describe() const override {
    return connected_ ? "connected" : "not connected";
  }

  void ReadState(StateDone done) override {
    Queue([this, done](const std::string& error) {
      done(error, error.empty() ? State() : SwitchState());
    });
  }
  void ReadCounters(StateDone done) override { ReadState(std::move(done)); }

  void Apply(const SwitchChanges& changes, ApplyDone done) override {
    Queue([this, changes, done](const std::string& error) {
      if (error.empty()) {
        Change(changes);
      }
      done(error);
    });
  }

  std::string Canonicalize(const SwitchFlow& flow,
                           SwitchFlow* result) override {
    *result = flow;
    return "";
  }

 private:
  using Key = std::tuple<uint8_t, uint16_t, std::string>;
  // To be called with what is wrong with the connection, or an empty string.
  using Work = std::function<void(const std::string& error)>;

  void Queue(Work work) { queue_.emplace_back(generation_, std::move(work)); }

  SwitchState State() const {
    SwitchState state;
    state.ports = {{"br0", kPortLocal}, {"eth0", 1}};
    state.max_meters = 1000;
    for (const auto& [key, flow] : flows_) {
      state.flows.push_back(flow);
    }
    for (const auto& [number, meter] : meters_) {
      state.meters.push_back(meter);
    }
    return state;
  }

  void Change(const SwitchChanges& changes) {
    for (const auto& [kind, meter] : changes.meters) {
      REQUIRE(meters_.contains(meter.number) ==
              (kind != MeterChange::Kind::kAdd));
      if (kind == MeterChange::Kind::kDelete) {
        meters_.erase(meter.number);
      } else {
        meters_[meter.number] = meter;
      }
    }
    for (const auto& [kind, flow] : changes.flows) {
      const Key key = {flow.table, flow.priority, flow.match};
      REQUIRE(flows_.contains(key) == (kind != FlowChange::Kind::kAdd));
      if (kind == FlowChange::Kind::kDelete) {
        flows_.erase(key);
      } else if (kind == FlowChange::Kind::kModify) {
        flows_[key].actions = flow.actions;
      } else if (kind == FlowChange::Kind::kAdd) {
        flows_[key] = flow;
      }
    }
  }

  bool connected_ = true;
  uint64_t generation_ = 1;
  std::map<Key, SwitchFlow> flows_;
  std::map<uint32_t, SwitchMeter> meters_;
  std::vector<std::pair<uint64_t, Work>> queue_;  // By connection.
};

// A policy by chain: the chain's own policy, and its rules.
using Chains = std::map<std::string, std::vector<std::string>>;

Chains ChainsOf(const Policy& policy) {
  Chains chains;
  for (const Chain chain : kChains) {
    const auto it = policy.chain_policies.find(chain);
    chains[std::string(ChainName(chain))] = {std::string(VerdictName(
        it == policy.chain_policies.end() ? Verdict::kAccept : it->second))};
  }
  for (const std::string& chain : policy.user_chains) {
    chains[chain] = {"-"};
  }
  for (const Rule& rule : policy.rules) {
    chains.at(rule.chain).push_back(FormatRule(rule));
  }
  return chains;
}

// Whether `chains` can be said in JSON as they are.
bool IsUtf8(const Chains& chains) {
  for (const auto& [chain, rules] : chains) {
    for (const std::string& rule : rules) {
      if (ReplaceInvalidUtf8(rule) != rule) {
        return false;
      }
    }
  }
  return true;
}

const IpSets& Sets() {
  static const IpSets* const sets = [] {
    IpSets* const result = new IpSets;
    Diagnostics diagnostics;
    ReadIpSets(SourceText("sets", kSets), result, &diagnostics);
    return result;
  }();
  return *sets;
}

void RequireReadBack(const std::string& saved, const Chains& chains) {
  if (!IsUtf8(chains)) {
    return;
  }
  const SourceText source("saved", saved);
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, Sets(), &diagnostics);
  REQUIRE_SAME(
      diagnostics.HasErrors() ? Format(source, diagnostics).c_str() : "", "");
  REQUIRE(ChainsOf(policy) == chains);
}

// The policy of a listing as a file.
std::string SavedOf(const nlohmann::json& list) {
  std::string chains;
  std::string rules;
  for (const nlohmann::json& chain : list.at("chains")) {
    chains += ":" + chain.at("chain").get<std::string>() + " " +
              chain.value("policy", "-") + "\n";
    for (const nlohmann::json& rule : chain.at("rules")) {
      rules += rule.at("rule").get<std::string>() + "\n";
    }
  }
  return "*rmirror\n" + chains + rules + "COMMIT\n";
}

// The folder of the daemon's files.
class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "control.XXXXXX";
    REQUIRE(mkdtemp(name.data()));
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }

  std::string operator/(const char* file) const { return path_ / file; }

  void Write(const char* file, const std::string& content) const {
    std::ofstream(path_ / file) << content;
  }

  // Returns the content of each file in `folder`, by name, and removes them.
  std::map<std::string, std::string> Take(const char* folder) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(path_ / folder)) {
      std::ostringstream content;
      content << std::ifstream(entry.path()).rdbuf();
      files[entry.path().filename()] = content.str();
    }
    fs::remove_all(path_ / folder);
    return files;
  }

 private:
  fs::path path_;
};

const Folder& TheFolder() {
  static const Folder folder;
  return folder;
}

// Of the daemon, each of which has them at the same place: a command is
// registered once.
std::optional<SessionReader> sessions;
std::optional<MirroredBridges> bridges;
bool exiting;

// The control socket, and a client.
class ControlSocket {
 public:
  ControlSocket() {
    control_socket = TheFolder() / "ctl";
    RegisterCommands(&*bridges, &exiting);
    REQUIRE(!unixctl_server_create(control_socket.c_str(), &server_));
    REQUIRE(!unixctl_client_create(control_socket.c_str(), &client_));
  }

  // Returns what the daemon answers, and whether it was good.
  std::pair<bool, std::string> Ask(const std::string& command,
                                   const std::vector<std::string>& words) {
    struct json* parameters = json_array_create_empty();
    for (const std::string& word : words) {
      json_array_add(parameters, json_string_create(word.c_str()));
    }
    REQUIRE(!jsonrpc_send(
        client_, jsonrpc_create_request(command.c_str(), parameters, nullptr)));
    struct jsonrpc_msg* reply = nullptr;
    for (int turns = 0; !reply; turns++) {
      REQUIRE(turns < 100);
      reply = Turn();
    }
    const bool good = reply->type == JSONRPC_REPLY;
    REQUIRE(good || reply->type == JSONRPC_ERROR);
    const struct json* body = good ? reply->result : reply->error;
    REQUIRE(body && body->type == JSON_STRING);
    const std::string text = json_string(body);
    jsonrpc_msg_destroy(reply);
    return {good, text};
  }

  // A turn of the daemon's loop.  Returns what comes from it, or null.
  struct jsonrpc_msg* Turn() {
    now++;
    unixctl_server_run(server_);
    bridges->Run();
    jsonrpc_run(client_);
    struct jsonrpc_msg* message = nullptr;
    const int error = jsonrpc_recv(client_, &message);
    REQUIRE(error == (message ? 0 : EAGAIN));
    return message;
  }

 private:
  struct unixctl_server* server_ = nullptr;
  struct jsonrpc* client_ = nullptr;
};

// A command, as it was given.
struct Command {
  std::string name;
  std::string option;              // Of save and status, if there is one.
  std::vector<std::string> words;  // Behind it.
};

class Daemon {
 public:
  Daemon() {
    bridges.reset();
    sessions.emplace(TheFolder() / "", 60000, [] { return now; });
    sessions->Add("br0");
    bridges.emplace(&*sessions);
    exiting = false;
    TheFolder().Write("sets", kSets);
    WritePolicy("");
    for (Bridge& bridge : bridges_) {
      auto connection = std::make_unique<ObedientSwitch>();
      bridge.connection = connection.get();
      Controller::Options options;
      options.bridge = bridge.name;
      options.max_flows = kFewFlows;
      bridges->Add(std::make_unique<MirroredBridge>(
          MirroredBridge::Options{.name = bridge.name,
                                  .file = file_,
                                  .bounds = kBounds,
                                  .state_dir = TheFolder() / "state"},
          std::make_unique<Controller>(std::move(options),
                                       std::move(connection), nullptr,
                                       [] { return now; }),
          [] { return now; }));
    }
    REQUIRE(bridges->LoadAtStart());
    REQUIRE(Reload(Named({})));
  }

  void Take(std::string_view line) {
    const std::vector<std::string> words = SplitWords(line);
    if (line.starts_with("-A ")) {
      WritePolicy(std::string(line) + "\n");
    } else if (words == std::vector<std::string>{"hangup"}) {
      bridges->Reload("", "SIGHUP", [](bool, const std::string&) {});
      Reload(Named({}));
    } else if (words == std::vector<std::string>{"connect"}) {
      bridges_[1].connection->SetConnected(true);
    } else if (words == std::vector<std::string>{"disconnect"}) {
      bridges_[1].connection->SetConnected(false);
    } else if (!words.empty() && kCommands.contains(words[0])) {
      Give(ReadCommand(words));
    }
    for (size_t i = 0; i < bridges_.size(); i++) {
      const Policy* const policy = bridges->at(i).controller().InForce();
      REQUIRE(bridges_[i].policy.has_value() == (policy != nullptr));
      REQUIRE(!policy || ChainsOf(*policy) == bridges_[i].policy);
    }
  }

  void RequireOrder() {
    for (int turns = 0; turns < kTurnsToSettle; turns++) {
      REQUIRE(!Socket().Turn());
    }
    for (size_t i = 0; i < bridges_.size(); i++) {
      const Bridge& bridge = bridges_[i];
      const nlohmann::json status = bridges->at(i).controller().Status();
      if (bridge.connection->IsConnected()) {
        REQUIRE(status.at("state") == kUpToDate);
        REQUIRE(bridge.connection->flows() == status.value("flows", 0u));
      }
    }
    REQUIRE(
        TheFolder().Take("state") ==
        (std::map<std::string, std::string>{{"br0.policy", bridges_[0].kept},
                                            {"br1.policy", bridges_[1].kept}}));
  }

 private:
  // A bridge, and what must be so of it.
  struct Bridge {
    std::string name;
    ObedientSwitch* connection = nullptr;
    std::optional<Chains> policy = {};  // In force.
    std::string kept = {};              // The copy of the last good one.
  };

  static inline const std::set<std::string> kCommands = {
      "clear", "exit", "explain", "list", "reload", "save", "status", "zero"};
  static inline const PolicyBounds kBounds = {.max_flows = kFewFlows};

  static ControlSocket& Socket() {
    static ControlSocket* const socket = new ControlSocket;
    return *socket;
  }

  // The protocol is UTF-8, and has no NUL bytes in its words.
  static std::vector<std::string> SplitWords(std::string_view line) {
    std::istringstream stream{std::string(line)};
    std::vector<std::string> words;
    for (std::string word; stream >> word;) {
      words.push_back(ReplaceInvalidUtf8(word.c_str()));
    }
    return words;
  }

  static Command ReadCommand(const std::vector<std::string>& line) {
    static const std::map<std::string, std::set<std::string>> options = {
        {"save", {"-c", "--counters"}}, {"status", {"--json"}}};
    Command command = {line[0], "", {line.begin() + 1, line.end()}};
    const auto own = options.find(command.name);
    if (own != options.end() && !command.words.empty() &&
        own->second.contains(command.words[0])) {
      command.option = command.words[0];
      command.words.erase(command.words.begin());
    }
    return command;
  }

  static void WritePolicy(const std::string& rule) {
    TheFolder().Write("policy",
                      std::string("*rmirror\n") + kRules + rule + "COMMIT\n");
  }

  // The bridges that a command is for, by its words behind the option.
  std::vector<Bridge*> Named(const std::vector<std::string>& words) {
    const std::string name = words.empty() ? "" : words[0];
    std::vector<Bridge*> named;
    for (Bridge& bridge : bridges_) {
      if (words.size() <= 1 && (name.empty() || name == bridge.name)) {
        named.push_back(&bridge);
      }
    }
    return named;
  }

  // Notes that `named` load the policy file again.  Returns whether it is good.
  bool Reload(const std::vector<Bridge*>& named) {
    PolicyText text;
    REQUIRE_SAME(file_.Read(&text).c_str(), "");
    // It is mostly the same one.
    static PolicyText last;
    static CheckedPolicy checked;
    if (text != last) {
      checked = CheckPolicy(text, kBounds);
      last = text;
    }
    if (checked.policy) {
      for (Bridge* bridge : named) {
        bridge->policy = ChainsOf(*checked.policy);
        bridge->kept = FormatPolicyText(text);
      }
    }
    return checked.policy.has_value();
  }

  // Notes what `command`, which is not explain, does to the bridges that it is
  // for, `named`.  Returns whether it is good.
  bool Foresee(const Command& command, const std::vector<Bridge*>& named) {
    if (command.name == "exit") {
      return command.words.empty();
    }
    if (named.empty()) {
      return false;
    }
    const auto is_connected = [](const Bridge* bridge) {
      return bridge->connection->IsConnected();
    };
    if (command.name == "reload") {
      return Reload(named);
    }
    if (command.name == "clear") {
      for (Bridge* bridge : named) {
        if (is_connected(bridge)) {
          bridge->policy.reset();
        }
      }
    }
    return command.name == "status" ||
           (command.name == "list" && named.size() > 1) ||
           std::all_of(named.begin(), named.end(), is_connected);
  }

  void Give(const Command& command) {
    std::vector<std::string> words = command.words;
    if (!command.option.empty()) {
      words.insert(words.begin(), command.option);
    }
    const std::vector<Bridge*> named = Named(command.words);
    const bool is_explain = command.name == "explain";
    const bool expected = !is_explain && Foresee(command, named);
    const auto [good, answer] = Socket().Ask(command.name, words);
    REQUIRE(is_explain || good == expected);
    REQUIRE(exiting == (good && command.name == "exit"));
    if (!good) {
      REQUIRE(answer.find_first_not_of('\n') == 0);
      REQUIRE(answer.ends_with('\n'));
      REQUIRE(command.name != "save" || named.empty() ||
              answer.find("# Bridge ") == std::string::npos);
    } else if (command.name == "list") {
      RequireList(nlohmann::json::parse(answer), named);
    } else if (command.name == "save") {
      RequireSaved(answer, named);
    } else if (command.name == "status") {
      REQUIRE(!answer.empty());
      REQUIRE(command.option.empty() ||
              !FormatStatus(nlohmann::json::parse(answer)).empty());
    } else if (is_explain) {
      REQUIRE(!answer.empty());
      REQUIRE(!std::count(words.begin(), words.end(), "--json") ||
              nlohmann::json::accept(answer));
    }
  }

  static void RequireList(const nlohmann::json& list,
                          const std::vector<Bridge*>& named) {
    REQUIRE(list.is_array() == (named.size() > 1));
    for (size_t i = 0; i < named.size(); i++) {
      const nlohmann::json& entry = named.size() > 1 ? list.at(i) : list;
      REQUIRE(entry.at("bridge") == named[i]->name);
      REQUIRE(entry.contains("error") != named[i]->connection->IsConnected());
      if (!entry.contains("error")) {
        RequireReadBack(SavedOf(entry),
                        named[i]->policy.value_or(ChainsOf({})));
      }
    }
  }

  // What is saved of several bridges are their policies, each behind a line
  // with its name.
  static void RequireSaved(const std::string& saved,
                           const std::vector<Bridge*>& named) {
    size_t begin = 0;
    for (size_t i = 0; i < named.size(); i++) {
      const size_t end =
          i + 1 < named.size()
              ? saved.find("# Bridge " + named[i + 1]->name + "\n", begin)
              : saved.size();
      REQUIRE(end != std::string::npos);
      RequireReadBack(saved.substr(begin, end - begin),
                      named[i]->policy.value_or(ChainsOf({})));
      begin = end;
    }
  }

  const PolicyFile file_{TheFolder() / "policy", {TheFolder() / "sets"}};
  std::array<Bridge, 2> bridges_ = {Bridge{"br0"}, Bridge{"br1"}};
};

void Test(const std::string& text) {
  Daemon daemon;
  const SourceText source("commands", text);
  const size_t lines = std::min(source.lines().size(), kMostLines);
  for (size_t i = 0; i < lines && !exiting; i++) {
    daemon.Take(source.lines()[i]);
  }
  daemon.RequireOrder();
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
