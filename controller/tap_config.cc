// SPDX-License-Identifier: Apache-2.0

#include "controller/tap_config.h"

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "controller/audit.h"
#include "controller/ovs.h"
#include "controller/pace.h"

VLOG_DEFINE_THIS_MODULE(tap_config);

namespace ovs_rmirror {

namespace {

using Json = nlohmann::json;

constexpr int kMaxBackoff = 1000;  // Milliseconds.

const char* KeyOf(Tap tap) {
  return tap == Tap::kIngress ? "rmirror-ingress-table"
                              : "rmirror-egress-table";
}

struct MessageDestroy {
  void operator()(struct jsonrpc_msg* m) const { jsonrpc_msg_destroy(m); }
};

struct JsonDestroy {
  void operator()(struct json* j) const { json_destroy(j); }
};

Json FromOvs(const struct json* j) {
  char* text = json_to_string(j, 0);
  Json result = Json::parse(text, nullptr, false);
  free(text);
  return result;
}

struct json* ToOvs(const Json& j) {
  return json_from_string(j.dump().c_str());
}

// Follows the bridge's column with an RFC 7047 "monitor", and puts it right
// with "transact" requests.
class Ovsdb final : public TapConfig {
 public:
  Ovsdb(const std::string& remote, const std::string& bridge,
        const TapTables& tables)
      : bridge_(bridge),
        tables_(tables),
        session_(jsonrpc_session_open(remote.c_str(), true)) {
    jsonrpc_session_set_max_backoff(session_, kMaxBackoff);
  }
  ~Ovsdb() override { jsonrpc_session_close(session_); }
  Ovsdb(const Ovsdb&) = delete;
  Ovsdb& operator=(const Ovsdb&) = delete;

  void Run() override;
  void Wait() override;
  void Use(const Taps& taps, bool only) override;
  bool InForce() const override;
  std::string Describe() const override;

 private:
  using RequestId = std::unique_ptr<struct json, JsonDestroy>;

  std::string Table(Tap tap) const { return std::to_string(tables_.of(tap)); }
  bool NamesOurs(Tap tap) const;
  bool MustChange(Tap tap) const;
  bool IsInOrder() const;
  RequestId Send(const char* method, const Json& params);
  void SendMonitor();
  void SendTransaction();
  void Receive(const struct jsonrpc_msg* message);
  void ReceiveUpdates(const Json& updates);
  void ReceiveBridge(const std::string& row, const Json& update);
  void ReceiveResult(const Json& result, bool is_error);
  void LookAtBridge();
  void SetProblem(const std::string& problem);
  std::string FormatKeys() const;

  const std::string bridge_;
  const TapTables tables_;
  struct jsonrpc_session* const session_;
  unsigned int seqno_ = 0;  // Of the connection last sent to.

  // What is wanted.  Nothing until the first Use().
  std::optional<Taps> taps_;
  bool only_ = false;

  // What the database has, as far as is known: `row_` is the bridge's, or empty
  // if it has none.
  bool known_ = false;
  std::string row_;
  std::map<std::string, std::string> other_config_;
  int64_t followed_ = 0;  // Configuration that the switch has followed.

  RequestId monitor_;  // The requests without a reply yet.
  RequestId transaction_;
  bool due_ = false;             // A transaction must be sent,
  int64_t not_before_ = 0;       // from this time on.
  int64_t wanted_followed_ = 0;  // What the last transaction takes to follow.
  bool was_in_order_ = false;
  Pace pace_;
  std::string problem_;  // Empty: none.
  std::string logged_;   // What was last said to be right.
};

void Ovsdb::Use(const Taps& taps, bool only) {
  taps_ = taps;
  only_ = only;
  was_in_order_ = false;
  due_ = false;
  if (known_) {
    LookAtBridge();
  }
}

bool Ovsdb::NamesOurs(Tap tap) const {
  const auto it = other_config_.find(KeyOf(tap));
  return it != other_config_.end() && it->second == Table(tap);
}

bool Ovsdb::MustChange(Tap tap) const {
  if (taps_->contains(tap)) {
    return !NamesOurs(tap);
  }
  return only_ && NamesOurs(tap);
}

bool Ovsdb::IsInOrder() const {
  return !MustChange(Tap::kIngress) && !MustChange(Tap::kEgress);
}

bool Ovsdb::InForce() const {
  return taps_ && known_ && !row_.empty() && !due_ && !transaction_ &&
         IsInOrder() && followed_ >= wanted_followed_;
}

void Ovsdb::Run() {
  jsonrpc_session_run(session_);
  if (!jsonrpc_session_is_connected(session_)) {
    return;
  }
  const unsigned int seqno = jsonrpc_session_get_seqno(session_);
  if (seqno != seqno_) {
    seqno_ = seqno;
    SendMonitor();
  }
  for (int i = 0; i < 10; i++) {
    const std::unique_ptr<struct jsonrpc_msg, MessageDestroy> message(
        jsonrpc_session_recv(session_));
    if (!message) {
      break;
    }
    Receive(message.get());
  }
  if (due_ && !transaction_ && !row_.empty() && time_msec() >= not_before_) {
    SendTransaction();
  }
}

void Ovsdb::Wait() {
  jsonrpc_session_wait(session_);
  jsonrpc_session_recv_wait(session_);
  if (due_ && !transaction_ && !row_.empty() &&
      jsonrpc_session_is_connected(session_)) {
    poll_timer_wait_until(not_before_);
  }
}

Ovsdb::RequestId Ovsdb::Send(const char* method, const Json& params) {
  struct json* id = nullptr;
  jsonrpc_session_send(session_,
                       jsonrpc_create_request(method, ToOvs(params), &id));
  return RequestId(id);
}

void Ovsdb::SendMonitor() {
  known_ = false;
  due_ = false;
  row_.clear();
  other_config_.clear();
  transaction_.reset();
  const Json bridge = {{"columns", Json::array({"name", "other_config"})}};
  const Json global = {{"columns", Json::array({"cur_cfg"})}};
  monitor_ = Send(
      "monitor", Json::array({"Open_vSwitch",
                              nullptr,
                              {{"Bridge", bridge}, {"Open_vSwitch", global}}}));
}

// Right whatever the state of the database is.  Asks ovs-vswitchd to say when
// it has followed, as ovs-vsctl does.
void Ovsdb::SendTransaction() {
  Json mutations = Json::array();
  for (const Tap tap : kTaps) {
    const std::string key = KeyOf(tap);
    const Json entry =
        Json::array({"map", Json::array({Json::array({key, Table(tap)})})});
    if (taps_->contains(tap)) {
      // An insertion does not replace the value of a key that is there.
      mutations.push_back(
          Json::array({"other_config", "delete",
                       Json::array({"set", Json::array({key})})}));
      mutations.push_back(Json::array({"other_config", "insert", entry}));
    } else if (only_) {
      mutations.push_back(Json::array({"other_config", "delete", entry}));
    }
  }
  const Json is_bridge = Json::array({"name", "==", bridge_});
  const Json increment = Json::array({"next_cfg", "+=", 1});
  due_ = false;
  transaction_ =
      Send("transact",
           Json::array({"Open_vSwitch",
                        {{"op", "mutate"},
                         {"table", "Bridge"},
                         {"where", Json::array({is_bridge})},
                         {"mutations", mutations}},
                        {{"op", "mutate"},
                         {"table", "Open_vSwitch"},
                         {"where", Json::array()},
                         {"mutations", Json::array({increment})}},
                        {{"op", "select"},
                         {"table", "Open_vSwitch"},
                         {"where", Json::array()},
                         {"columns", Json::array({"next_cfg"})}},
                        {{"op", "comment"}, {"comment", "ovs-rmirrord"}}}));
}

void Ovsdb::Receive(const struct jsonrpc_msg* message) {
  if (message->type == JSONRPC_NOTIFY) {
    if (std::string(message->method) == "update") {
      const Json params = FromOvs(message->params);
      if (params.is_array() && params.size() == 2) {
        ReceiveUpdates(params[1]);
      }
    }
    return;
  }
  const bool is_error = message->type == JSONRPC_ERROR;
  if (!is_error && message->type != JSONRPC_REPLY) {
    return;
  }
  const Json result = FromOvs(is_error ? message->error : message->result);
  if (monitor_ && json_equal(message->id, monitor_.get())) {
    monitor_.reset();
    if (is_error) {
      SetProblem("refused by the database: " + result.dump());
      return;
    }
    known_ = true;
    ReceiveUpdates(result);
  } else if (transaction_ && json_equal(message->id, transaction_.get())) {
    transaction_.reset();
    ReceiveResult(result, is_error);
  }
}

// `updates` are the <table-updates> of RFC 7047.
void Ovsdb::ReceiveUpdates(const Json& updates) {
  const auto for_each_row = [&](const char* table, const auto& function) {
    if (updates.contains(table)) {
      for (const auto& [row, update] : updates.at(table).items()) {
        function(row, update);
      }
    }
  };
  for_each_row("Open_vSwitch", [this](const std::string&, const Json& update) {
    if (update.contains("new")) {
      followed_ = update.at("new").at("cur_cfg");
    }
  });
  // The old bridge may go and the new one come in one transaction.
  for_each_row("Bridge", [this](const std::string& row, const Json& update) {
    if (row == row_ && !update.contains("new")) {
      row_.clear();
      other_config_.clear();
    }
  });
  for_each_row("Bridge", [this](const std::string& row, const Json& update) {
    if (update.contains("new")) {
      ReceiveBridge(row, update.at("new"));
    }
  });
  LookAtBridge();
}

void Ovsdb::ReceiveBridge(const std::string& row, const Json& columns) {
  if (columns.at("name") != bridge_) {
    return;
  }
  row_ = row;
  other_config_.clear();
  for (const Json& entry : columns.at("other_config").at(1)) {
    other_config_[entry.at(0)] = entry.at(1);
  }
}

// Finds out whether there is something to do, after news of the database.
void Ovsdb::LookAtBridge() {
  if (row_.empty()) {
    due_ = false;
    was_in_order_ = false;
    SetProblem("the database has no bridge " + bridge_);
    return;
  }
  SetProblem("");
  if (!taps_) {
    return;
  }
  if (IsInOrder()) {
    due_ = false;
    if (logged_ != FormatKeys()) {
      logged_ = FormatKeys();
      VLOG_INFO("bridge %s: other_config: %s", bridge_.c_str(),
                logged_.c_str());
      Audit(bridge_ + ": taps set: other_config: " + logged_);
    }
    was_in_order_ = true;
    if (only_ && taps_->empty()) {
      taps_.reset();  // From now on it is others' business.
    }
  } else if (!due_) {
    due_ = true;
    not_before_ = 0;
    if (std::exchange(was_in_order_, false)) {
      const int64_t now = time_msec();
      const bool was_slowest = pace_.IsSlowest(now);
      not_before_ = pace_.Schedule(now);
      if (!was_slowest) {
        AuditWarning(bridge_ + ": taps changed by somebody else: " +
                     "other_config: " + FormatKeys());
        VLOG_WARN(
            "bridge %s: somebody has changed other_config to %s: it is put "
            "back%s",
            bridge_.c_str(), FormatKeys().c_str(),
            pace_.IsSlowest(now) ? ", from now on every second" : "");
      }
    }
  }
}

void Ovsdb::ReceiveResult(const Json& result, bool is_error) {
  // One result for each operation, and an error behind them if it was the
  // transaction as a whole that failed.
  const bool good = !is_error && result.is_array() && result.size() == 4 &&
                    result[0].contains("count") && result[2].contains("rows") &&
                    !result[2]["rows"].empty();
  if (good) {
    wanted_followed_ = result[2]["rows"][0].at("next_cfg");
  } else {
    SetProblem("refused by the database: " + result.dump());
    due_ = true;
    not_before_ = time_msec() + kMaxBackoff;
  }
}

void Ovsdb::SetProblem(const std::string& problem) {
  if (problem != problem_ && !problem.empty()) {
    VLOG_ERR("bridge %s: cannot set other_config: %s", bridge_.c_str(),
             problem.c_str());
  }
  problem_ = problem;
}

std::string Ovsdb::FormatKeys() const {
  std::string s;
  for (const Tap tap : kTaps) {
    const auto it = other_config_.find(KeyOf(tap));
    if (it != other_config_.end()) {
      s += std::string(s.empty() ? "" : ",") + it->first + "=" + it->second;
    }
  }
  return s.empty() ? "neither rmirror-ingress-table nor rmirror-egress-table"
                   : s;
}

std::string Ovsdb::Describe() const {
  if (!jsonrpc_session_is_connected(session_)) {
    return "not connected to the database";
  } else if (!problem_.empty()) {
    return problem_;
  }
  return known_ ? FormatKeys() : "not yet known";
}

}  // namespace

std::unique_ptr<TapConfig> OvsdbTapConfig(const std::string& remote,
                                          const std::string& bridge,
                                          const TapTables& tables) {
  return std::make_unique<Ovsdb>(remote, bridge, tables);
}

}  // namespace ovs_rmirror
