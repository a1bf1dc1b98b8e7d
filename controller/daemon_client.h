// SPDX-License-Identifier: Apache-2.0
//
// Asks a running ovs-rmirrord.

#ifndef CONTROLLER_DAEMON_CLIENT_H
#define CONTROLLER_DAEMON_CLIENT_H

#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "controller/listing.h"

struct jsonrpc;

namespace ovs_rmirror {

enum ExitCode {
  kExitGood = 0,
  kExitFailed = 1,       // An error in the policy, or reported by the daemon.
  kExitUsage = 2,        // A wrong command line.
  kExitUnreachable = 3,  // No daemon answers.
};

// Whom to ask, and about what.
struct DaemonOptions {
  // A control socket, or the name of a program that has a pidfile.
  std::string target = "ovs-rmirrord";
  std::string bridge;  // Empty: all.
};

struct DaemonAnswer {
  ExitCode status = kExitGood;
  std::string text;  // Or, if `status` is not good, what is wrong.
};

// A command to the daemon under way, for poll loops.
class DaemonCall {
 public:
  // Sends `command`, with the arguments `words` and the bridge.
  DaemonCall(const DaemonOptions& daemon, const char* command,
             std::vector<std::string> words);
  ~DaemonCall();
  DaemonCall(const DaemonCall&) = delete;
  DaemonCall& operator=(const DaemonCall&) = delete;

  // Returns the answer if it has come.  Does not block.
  std::optional<DaemonAnswer> Run();

  // Has poll_block() wake up when Run() may have something to do.
  void Wait();

 private:
  std::string socket_;
  struct jsonrpc* client_ = nullptr;
  std::optional<DaemonAnswer> answer_;
};

// Sends `command` to the daemon, with the arguments `words` and the bridge.
// Stores what it answers in `*reply`.  If it cannot, or reports an error, says
// so on standard error.
ExitCode Ask(const DaemonOptions& daemon, const char* command,
             std::vector<std::string> words, std::string* reply);

// What to say of an answer that is not as `error` wants it.
std::string UnreadableAnswer(const std::exception& error);

// Asks for `command`, whose answer is JSON, and gives the answer to `use`.
ExitCode AskForJson(const DaemonOptions& daemon, const char* command,
                    const std::vector<std::string>& words,
                    const std::function<ExitCode(const nlohmann::json&)>& use);

// Returns what a daemon's answer to "list" says of one bridge: of its chain
// `only`, or of all chains if that is empty.  Throws std::exception if it is no
// such answer, and std::invalid_argument if there is no such chain.
std::vector<ListedChain> ReadListing(const nlohmann::json& list,
                                     const std::string& only);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_DAEMON_CLIENT_H
