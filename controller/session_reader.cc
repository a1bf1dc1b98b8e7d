// SPDX-License-Identifier: Apache-2.0

#include "controller/session_reader.h"

#include <algorithm>
#include <exception>
#include <fstream>
#include <utility>
#include <vector>

#include "controller/ovs.h"
#include "controller/read_json.h"

VLOG_DEFINE_THIS_MODULE(session_reader);

namespace ovs_rmirror {

namespace {

using Json = nlohmann::json;

// Milliseconds.
constexpr int64_t kMinInterval = 100;
constexpr int64_t kMaxInterval = 5000;
constexpr int64_t kFresh = 1000;

constexpr std::string_view kTier = "Remote mirror tier: ";

struct MessageDestroy {
  void operator()(struct jsonrpc_msg* m) const { jsonrpc_msg_destroy(m); }
};

struct RpcClose {
  void operator()(struct jsonrpc* rpc) const { jsonrpc_close(rpc); }
};

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// The tier in what "dpif/show-dp-features" answers, or an empty string.
std::string FindTier(const std::string& features) {
  const size_t at = features.find(kTier);
  return at == std::string::npos
             ? ""
             : FirstLine(features.substr(at + kTier.size()));
}

}  // namespace

class SessionReader::Inquiry {
 public:
  explicit Inquiry(int64_t until) : until_(until) {}

  // Sends the requests about `bridges` and `targets`.  Returns what went wrong,
  // or an empty string.
  std::string Start(const std::string& directory,
                    const std::map<std::string, std::string>& bridges,
                    const Targets& targets) {
    const std::string base = directory + "/ovs-vswitchd.";
    // Not read_pidfile(), which would log each time that there is none.
    long pid = 0;
    if (!(std::ifstream(base + "pid") >> pid)) {
      return "there is no ovs-vswitchd here: " + base + "pid cannot be read";
    }
    const std::string name = "unix:" + base + std::to_string(pid) + ".ctl";
    struct stream* stream;
    const int error = stream_open(name.c_str(), &stream, DSCP_DEFAULT);
    if (error) {
      return name + ": " + ovs_strerror(error);
    }
    rpc_.reset(jsonrpc_open(stream));
    for (const auto& [bridge, tier] : bridges) {
      features_[Send("dpif/show-dp-features", {bridge})] = bridge;
    }
    neighbours_ = Send("tnl/neigh/show", {});
    for (const auto& [address, target] : targets) {
      routes_[Send("ovs/route/lookup", {address})] = target;
    }
    show_ = Send("dpctl/rmirror-show", {"--json"});
    return "";
  }

  // Returns whether the inquiry has ended.  If so, `*error` says why it failed,
  // or is empty.
  bool Run(int64_t now, std::string* error) {
    jsonrpc_run(rpc_.get());
    for (;;) {
      struct jsonrpc_msg* received = nullptr;
      const int result = jsonrpc_recv(rpc_.get(), &received);
      const std::unique_ptr<struct jsonrpc_msg, MessageDestroy> message(
          received);
      if (result == EAGAIN) {
        break;
      } else if (result) {
        *error = std::string("ovs-vswitchd: ") + ovs_retval_to_string(result);
        return true;
      }
      *error = Take(*message);
      // Answers come in the order of the requests, this one as the last.
      if (!error->empty() || shown_) {
        return true;
      }
    }
    if (now >= until_) {
      *error = "ovs-vswitchd does not answer";
      return true;
    }
    return false;
  }

  void Wait() {
    jsonrpc_wait(rpc_.get());
    jsonrpc_recv_wait(rpc_.get());
    poll_timer_wait_until(until_);
  }

  std::map<std::string, std::string> tiers;
  Ways ways;   // Of the userspace datapath.
  Json shown;  // What `counters` was read from.
  CountersByDatapath counters;

 private:
  // Returns the request's number.
  long long Send(const char* command,
                 const std::vector<std::string>& arguments) {
    struct json* words = json_array_create_empty();
    for (const std::string& argument : arguments) {
      json_array_add(words, json_string_create(argument.c_str()));
    }
    struct json* id;
    struct jsonrpc_msg* request = jsonrpc_create_request(command, words, &id);
    const long long number = json_integer(id);
    json_destroy(id);
    // An error is that of the connection, which Run() sees.
    jsonrpc_send(rpc_.get(), request);
    return number;
  }

  std::string Take(const struct jsonrpc_msg& message) {
    if ((message.type != JSONRPC_REPLY && message.type != JSONRPC_ERROR) ||
        !message.id || message.id->type != JSON_INTEGER) {
      return "ovs-vswitchd: an answer that cannot be read";
    }
    const bool good = message.type == JSONRPC_REPLY;
    const struct json* body = good ? message.result : message.error;
    const std::string text =
        body && body->type == JSON_STRING ? json_string(body) : "";
    if (json_integer(message.id) == show_) {
      return good ? TakeCounters(text)
                  : "dpctl/rmirror-show: " + FirstLine(text);
    }
    const long long number = json_integer(message.id);
    if (number == neighbours_) {
      known_ = ReadNeighbours(good ? text : "");
    } else if (const auto f = features_.find(number); f != features_.end()) {
      tiers[f->second] = good ? FindTier(text) : "";
    } else if (const auto r = routes_.find(number); r != routes_.end()) {
      // An error: there is none.
      ways[FormatAddress(r->second)] =
          ReadWay(r->second, good ? text : "", known_);
    }
    return "";
  }

  std::string TakeCounters(const std::string& text) {
    shown_ = true;
    try {
      shown = ReadJson(text);
      counters = ReadSessionCounters(shown);
    } catch (const std::exception& e) {
      return std::string("dpctl/rmirror-show: ") + e.what();
    }
    return "";
  }

  const int64_t until_;
  std::unique_ptr<struct jsonrpc, RpcClose> rpc_;
  // Numbers of requests.
  std::map<long long, std::string> features_;
  std::map<long long, Address> routes_;
  long long neighbours_ = 0;
  long long show_ = 0;
  std::map<std::string, std::string> known_;  // Neighbours.
  bool shown_ = false;
};

SessionReader::SessionReader(std::string directory, int64_t window,
                             std::function<int64_t()> now)
    : directory_(std::move(directory)),
      interval_(
          std::clamp(window / kLooksInWindow, kMinInterval, kMaxInterval)),
      now_(std::move(now)),
      history_(window) {}

SessionReader::~SessionReader() = default;

void SessionReader::Add(const std::string& bridge) { tiers_[bridge] = ""; }

void SessionReader::Run() {
  if (tiers_.empty()) {
    return;
  }
  std::string error;
  if (inquiry_) {
    if (inquiry_->Run(now_(), &error)) {
      Finish(error);
    }
  } else if (!last_ || !waiting_.empty() || now_() >= *last_ + interval_) {
    inquiry_ = std::make_unique<Inquiry>(now_() + kPatience);
    error = inquiry_->Start(directory_, tiers_, AllTargets());
    if (!error.empty()) {
      Finish(error);
    }
  }
}

void SessionReader::Wait() {
  if (tiers_.empty()) {
    return;
  }
  if (inquiry_) {
    inquiry_->Wait();
  } else if (!last_ || !waiting_.empty()) {
    poll_immediate_wake();
  } else {
    poll_timer_wait_until(*last_ + interval_);
  }
}

void SessionReader::Finish(const std::string& error) {
  if (error.empty() == unknown_) {
    unknown_ = !error.empty();
    if (unknown_) {
      VLOG_WARN("what becomes of copies is not known: %s", error.c_str());
    } else {
      VLOG_INFO("what becomes of copies is known again");
    }
  }
  error_ = error;
  last_ = now_();
  for (auto& [bridge, tier] : tiers_) {
    tier = error.empty() ? inquiry_->tiers[bridge] : "";
  }
  shown_.reset();
  userspace_ways_.clear();
  kernel_ways_ = KernelWays();
  if (error.empty()) {
    userspace_ways_ = std::move(inquiry_->ways);
    shown_ = {std::move(inquiry_->shown), *last_};
    history_.Add(*last_, std::move(inquiry_->counters));
  }
  inquiry_.reset();
  for (const auto& done : std::exchange(waiting_, {})) {
    done();
  }
}

void SessionReader::Refresh(std::function<void()> done) {
  if (tiers_.empty() || (last_ && now_() < *last_ + kFresh)) {
    done();
  } else {
    waiting_.push_back(std::move(done));
  }
}

SessionReader::Targets SessionReader::AllTargets() const {
  Targets all;
  for (const auto& [bridge, targets] : targets_) {
    all.insert(targets.begin(), targets.end());
  }
  return all;
}

SessionReader::Ways SessionReader::KernelWays() const {
  Ways ways;
  for (const auto& [bridge, targets] : targets_) {
    const std::string& tier = tiers_.at(bridge);
    for (const auto& [name, target] : targets) {
      Way way;
      if (!tier.empty() && tier != kUserspaceTier && !ways.contains(name) &&
          FindKernelWay(target, &way)) {
        ways[name] = way;
      }
    }
  }
  return ways;
}

Json SessionReader::Report(const std::string& bridge,
                           const std::vector<Session>& sessions) {
  const auto it = tiers_.find(bridge);
  if (it == tiers_.end()) {
    return history_.Report(
        "", "only those of bridges of this host are, given by their names",
        sessions);
  }
  Json report =
      history_.Report(it->second,
                      !error_.empty() ? error_
                      : it->second.empty()
                          ? "ovs-vswitchd has no bridge " + bridge
                          : "",
                      sessions);
  Targets targets;
  for (const Session& session : sessions) {
    targets[FormatAddress(session.target)] = session.target;
  }
  targets_[bridge] = std::move(targets);
  const Ways& ways =
      it->second == kUserspaceTier ? userspace_ways_ : kernel_ways_;
  for (Json& session : report["sessions"]) {
    const auto way = ways.find(session.at("target").get<std::string>());
    if (way != ways.end()) {
      session["way"] = WayAsJson(way->second);
    }
  }
  return report;
}

}  // namespace ovs_rmirror
