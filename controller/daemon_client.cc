// SPDX-License-Identifier: Apache-2.0

#include "controller/daemon_client.h"

#include <cerrno>
#include <iostream>
#include <map>
#include <stdexcept>
#include <utility>

#include "controller/diagnostic.h"
#include "controller/ipset.h"
#include "controller/ovs.h"
#include "controller/read_json.h"
#include "controller/rules.h"

namespace ovs_rmirror {

namespace {

// Reads the rules of a daemon's answer.
class ListReader {
 public:
  explicit ListReader(const nlohmann::json& list) : list_(list) {
    for (const nlohmann::json& head : list.at("sets")) {
      const SourceText source("daemon", head.get<std::string>() + "\n");
      Diagnostics diagnostics;
      ReadIpSets(source, &sets_, &diagnostics);
    }
    for (const nlohmann::json& chain : list.at("chains")) {
      if (!chain.contains("policy")) {
        chains_ += ":" + chain.at("chain").get<std::string>() + " -\n";
      }
    }
  }

  // `chain`: only this one, unless it is empty.
  std::vector<ListedChain> Read(const std::string& only) const {
    std::map<std::string, size_t> references;
    std::vector<ListedChain> chains;
    for (const nlohmann::json& entry : list_.at("chains")) {
      ListedChain chain;
      chain.chain = entry.at("chain").get<std::string>();
      if (entry.contains("policy")) {
        chain.policy = entry.at("policy") == VerdictName(Verdict::kDrop)
                           ? Verdict::kDrop
                           : Verdict::kAccept;
        chain.counters = {entry.at("packets").get<uint64_t>(),
                          entry.at("bytes").get<uint64_t>()};
      } else {
        chain.policy.reset();
      }
      for (const nlohmann::json& rule : entry.at("rules")) {
        chain.rules.push_back(ReadRule(rule));
        if (const Jump* jump = chain.rules.back().rule.jump()) {
          references[jump->chain]++;
        }
      }
      chains.push_back(std::move(chain));
    }
    for (ListedChain& chain : chains) {
      chain.references = references[chain.chain];
    }
    if (!only.empty()) {
      std::erase_if(chains, [&](const ListedChain& chain) {
        return chain.chain != only;
      });
      if (chains.empty()) {
        throw std::invalid_argument("there is no chain " + only);
      }
    }
    return chains;
  }

 private:
  ListedRule ReadRule(const nlohmann::json& entry) const {
    const SourceText source("daemon", "*rmirror\n" + chains_ +
                                          entry.at("rule").get<std::string>() +
                                          "\nCOMMIT\n");
    Diagnostics diagnostics;
    const Policy policy = ReadPolicy(source, sets_, &diagnostics);
    if (diagnostics.HasErrors() || policy.rules.size() != 1) {
      throw std::runtime_error(Format(source, diagnostics));
    }
    return {policy.rules[0],
            {entry.at("packets").get<uint64_t>(),
             entry.at("bytes").get<uint64_t>()},
            entry.at("dormant").get<bool>()};
  }

  const nlohmann::json& list_;
  IpSets sets_;
  std::string chains_;  // Lines that declare the user's chains.
};

}  // namespace

DaemonCall::DaemonCall(const DaemonOptions& daemon, const char* command,
                       std::vector<std::string> words)
    : socket_(daemon.target) {
  if (!socket_.starts_with('/')) {
    const std::string base = std::string(ovs_rundir()) + "/" + daemon.target;
    const std::string pidfile = base + ".pid";
    const pid_t pid = read_pidfile(pidfile.c_str());
    if (pid < 0) {
      answer_ = {kExitUnreachable,
                 pidfile + ": " + ovs_strerror(-pid) + ": is " + daemon.target +
                     " running with --pidfile?" +
                     (daemon.target == DaemonOptions().target
                          ? " Else name its control socket: -t SOCKET\n"
                          : "\n")};
      return;
    }
    socket_ = base + "." + std::to_string(pid) + ".ctl";
  }
  if (!daemon.bridge.empty()) {
    words.push_back(daemon.bridge);
  }
  int error = unixctl_client_create(socket_.c_str(), &client_);
  if (!error) {
    struct json* parameters = json_array_create_empty();
    for (const std::string& word : words) {
      json_array_add(parameters, json_string_create(word.c_str()));
    }
    error = jsonrpc_send(client_,
                         jsonrpc_create_request(command, parameters, nullptr));
  }
  if (error) {
    answer_ = {kExitUnreachable,
               socket_ + ": " + ovs_retval_to_string(error) + "\n"};
  }
}

DaemonCall::~DaemonCall() { jsonrpc_close(client_); }

std::optional<DaemonAnswer> DaemonCall::Run() {
  if (answer_) {
    return answer_;
  }
  jsonrpc_run(client_);
  struct jsonrpc_msg* reply = nullptr;
  const int error = jsonrpc_recv(client_, &reply);
  if (error == EAGAIN) {
    return std::nullopt;
  }
  if (error) {
    answer_ = {kExitUnreachable,
               socket_ + ": " + ovs_retval_to_string(error) + "\n"};
    return answer_;
  }
  const struct json* failure = reply->error;
  const struct json* result = reply->result;
  if (failure && failure->type == JSON_STRING) {
    answer_ = {kExitFailed, json_string(failure)};
  } else if (!failure && result && result->type == JSON_STRING) {
    answer_ = {kExitGood, json_string(result)};
  } else {
    answer_ = {kExitUnreachable,
               socket_ + ": this is no answer of ovs-rmirrord\n"};
  }
  jsonrpc_msg_destroy(reply);
  return answer_;
}

void DaemonCall::Wait() {
  if (answer_) {
    poll_immediate_wake();
  } else {
    jsonrpc_wait(client_);
    jsonrpc_recv_wait(client_);
  }
}

ExitCode Ask(const DaemonOptions& daemon, const char* command,
             std::vector<std::string> words, std::string* reply) {
  DaemonCall call(daemon, command, std::move(words));
  std::optional<DaemonAnswer> answer;
  while (!(answer = call.Run())) {
    call.Wait();
    poll_block();
  }
  if (answer->status != kExitGood) {
    std::cerr << answer->text;
    return answer->status;
  }
  *reply = std::move(answer->text);
  return kExitGood;
}

std::string UnreadableAnswer(const std::exception& error) {
  return std::string(
             "the daemon's answer cannot be read; is it of this "
             "version (") +
         RMIRROR_VERSION + ")? " + error.what() + "\n";
}

ExitCode AskForJson(const DaemonOptions& daemon, const char* command,
                    const std::vector<std::string>& words,
                    const std::function<ExitCode(const nlohmann::json&)>& use) {
  std::string reply;
  const ExitCode status = Ask(daemon, command, words, &reply);
  if (status != kExitGood) {
    return status;
  }
  try {
    return use(ReadJson(reply));
  } catch (const std::invalid_argument& e) {
    std::cerr << e.what() << "\n";
  } catch (const std::exception& e) {
    std::cerr << UnreadableAnswer(e);
  }
  return kExitFailed;
}

std::vector<ListedChain> ReadListing(const nlohmann::json& list,
                                     const std::string& only) {
  return ListReader(list).Read(only);
}

}  // namespace ovs_rmirror
