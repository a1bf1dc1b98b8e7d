// SPDX-License-Identifier: Apache-2.0

#include "controller/tap_config.h"

#include <memory>
#include <nlohmann/json.hpp>

#include "controller/ovs.h"

VLOG_DEFINE_THIS_MODULE(tap_config);

namespace ovs_rmirror {

namespace {

constexpr const char* kKey = "rmirror-ingress-table";

struct MessageDestroy {
  void operator()(struct jsonrpc_msg* m) const { jsonrpc_msg_destroy(m); }
};

// Asks with RFC 7047 "transact" requests, each of which is right whatever the
// state of the database is, so that there is nothing to read or remember.
class Ovsdb final : public TapConfig {
 public:
  Ovsdb(const std::string& remote, const std::string& bridge, uint8_t table)
      : bridge_(bridge),
        table_(std::to_string(table)),
        session_(jsonrpc_session_open(remote.c_str(), true)) {}
  ~Ovsdb() override {
    json_destroy(request_id_);
    jsonrpc_session_close(session_);
  }
  Ovsdb(const Ovsdb&) = delete;
  Ovsdb& operator=(const Ovsdb&) = delete;

  void Run() override;
  void Wait() override;
  void Enable(bool enable) override;
  void Refresh() override { due_ = true; }
  std::string Describe() const override;

 private:
  nlohmann::json Transaction() const;
  void Send();
  void Receive(const struct jsonrpc_msg* message);
  void SetResult(const std::string& result, bool good);

  const std::string bridge_;
  const std::string table_;
  struct jsonrpc_session* const session_;
  unsigned int seqno_ = 0;  // Of the connection last sent to.
  bool enable_ = false;
  bool due_ = false;                   // A request must be sent.
  struct json* request_id_ = nullptr;  // Of the request without a reply yet.
  std::string result_ = "not yet sent";
};

void Ovsdb::Enable(bool enable) {
  enable_ = enable;
  due_ = true;
}

nlohmann::json Ovsdb::Transaction() const {
  using nlohmann::json;
  const json is_bridge = json::array({"name", "==", bridge_});
  json mutations = json::array();
  const json entry =
      json::array({"map", json::array({json::array({kKey, table_})})});
  if (enable_) {
    // An insertion does not replace the value of a key that is there.
    mutations.push_back(
        {"other_config", "delete", json::array({"set", json::array({kKey})})});
    mutations.push_back({"other_config", "insert", entry});
  } else {
    mutations.push_back({"other_config", "delete", entry});
  }
  return json::array({"Open_vSwitch",
                      {{"op", "mutate"},
                       {"table", "Bridge"},
                       {"where", json::array({is_bridge})},
                       {"mutations", mutations}},
                      {{"op", "comment"}, {"comment", "ovs-rmirrord"}}});
}

void Ovsdb::Send() {
  json_destroy(request_id_);
  request_id_ = nullptr;
  struct jsonrpc_msg* request = jsonrpc_create_request(
      "transact", json_from_string(Transaction().dump().c_str()), &request_id_);
  if (!jsonrpc_session_send(session_, request)) {
    due_ = false;
  }
}

void Ovsdb::Run() {
  jsonrpc_session_run(session_);
  if (!jsonrpc_session_is_connected(session_)) {
    return;
  }
  const unsigned int seqno = jsonrpc_session_get_seqno(session_);
  if (seqno != seqno_) {
    seqno_ = seqno;
    due_ = true;
  }
  if (due_) {
    Send();
  }
  for (int i = 0; i < 10; i++) {
    const std::unique_ptr<struct jsonrpc_msg, MessageDestroy> message(
        jsonrpc_session_recv(session_));
    if (!message) {
      break;
    }
    Receive(message.get());
  }
}

void Ovsdb::Wait() {
  jsonrpc_session_wait(session_);
  jsonrpc_session_recv_wait(session_);
  if (due_ && jsonrpc_session_is_connected(session_)) {
    poll_immediate_wake();
  }
}

void Ovsdb::Receive(const struct jsonrpc_msg* message) {
  const bool is_reply =
      message->type == JSONRPC_REPLY || message->type == JSONRPC_ERROR;
  if (!is_reply || !request_id_ || !json_equal(message->id, request_id_)) {
    return;
  }
  json_destroy(request_id_);
  request_id_ = nullptr;

  char* text = json_to_string(
      message->type == JSONRPC_REPLY ? message->result : message->error, 0);
  const auto reply = nlohmann::json::parse(text, nullptr, false);
  const std::string reply_text = text;
  free(text);

  // One result for each operation, and an error behind them if it was the
  // transaction as a whole that failed.
  const bool done = message->type == JSONRPC_REPLY && reply.is_array() &&
                    reply.size() == 2 && reply[0].contains("count");
  if (!done) {
    SetResult("refused by the database: " + reply_text, false);
  } else if (reply[0]["count"] == 0) {
    SetResult("the database has no bridge " + bridge_, false);
  } else {
    SetResult(enable_ ? std::string(kKey) + "=" + table_
                      : std::string(kKey) + " cleared",
              true);
  }
}

void Ovsdb::SetResult(const std::string& result, bool good) {
  if (result == result_) {
    return;
  }
  result_ = result;
  if (good) {
    VLOG_INFO("bridge %s: other_config:%s", bridge_.c_str(), result.c_str());
  } else {
    VLOG_ERR("bridge %s: cannot set other_config:%s: %s", bridge_.c_str(), kKey,
             result.c_str());
  }
}

std::string Ovsdb::Describe() const {
  return result_ + (jsonrpc_session_is_connected(session_)
                        ? ""
                        : " (not connected to the database)");
}

}  // namespace

std::unique_ptr<TapConfig> OvsdbTapConfig(const std::string& remote,
                                          const std::string& bridge,
                                          uint8_t table) {
  return std::make_unique<Ovsdb>(remote, bridge, table);
}

}  // namespace ovs_rmirror
