// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/switch.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "controller/ovs.h"
#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

// Fewer packets than a dummy port queues.
constexpr size_t kBurst = 64;

struct jsonrpc* Connect(const std::string& path) {
  struct jsonrpc* client;
  if (const int error = unixctl_client_create(path.c_str(), &client)) {
    throw std::runtime_error("cannot connect to " + path + ": " +
                             ovs_strerror(error));
  }
  return client;
}

// Gives the command `words` and returns the answer.
std::string Call(struct jsonrpc* client, std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (size_t i = 1; i < words.size(); i++) {
    arguments.push_back(words[i].data());
  }
  char* result = nullptr;
  char* error = nullptr;
  const int status = unixctl_client_transact(client, words[0].c_str(),
                                             static_cast<int>(arguments.size()),
                                             arguments.data(), &result, &error);
  const std::string text = result ? result : error ? error : "";
  const bool good = !status && !error;
  free(result);
  free(error);
  if (!good) {
    throw std::runtime_error(words[0] + ": " +
                             (status ? ovs_strerror(status) : text.c_str()));
  }
  return text;
}

std::string Hex(const Bytes& bytes) {
  std::string s;
  for (const uint8_t byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    s += kDigits[byte >> 4];
    s += kDigits[byte & 15];
  }
  return s;
}

// The port by which packets like `packet` come.
std::string PortOf(const Packet& packet) {
  if (packet.in_port == kPortLocal) {
    return "br0";
  }
  const auto mark =
      std::find(std::begin(kMarks), std::end(kMarks), packet.mark);
  return "in" + std::to_string(packet.in_port) + "-" +
         std::to_string(mark - std::begin(kMarks));
}

// How many packets the dummy ports have received.
uint64_t Received(struct jsonrpc* client) {
  const std::string shown = Call(client, {"dpctl/show", "-s"});
  uint64_t sum = 0;
  constexpr std::string_view kWord = "RX packets:";
  for (size_t at = 0; (at = shown.find(kWord, at)) != std::string::npos;) {
    at += kWord.size();
    sum += std::stoull(shown.substr(at));
  }
  return sum;
}

}  // namespace

Switch::Switch(const std::string& switch_control,
               const std::string& controller_control, std::string policy_file)
    : policy_file_(std::move(policy_file)),
      switch_(Connect(switch_control)),
      controller_(Connect(controller_control)) {
  // A slow machine is no news.
  vlog_set_levels(nullptr, VLF_CONSOLE, VLL_ERR);
}

Switch::~Switch() {
  jsonrpc_close(switch_);
  jsonrpc_close(controller_);
}

PolicyCounters Switch::Count(const Policy& policy,
                             const std::vector<WirePacket>& packets) {
  Load(policy);
  // A rule that was in the policy before keeps its counters.
  const PolicyCounters before = Read(policy);
  Send(packets);
  PolicyCounters counters = Read(policy);
  const auto subtract = [](const Counters& then, Counters* now) {
    now->packets -= then.packets;
    now->bytes -= then.bytes;
  };
  for (size_t r = 0; r < policy.rules.size(); r++) {
    subtract(before.rules[r], &counters.rules[r]);
  }
  for (auto& [chain, counter] : counters.chains) {
    subtract(before.chains.at(chain), &counter);
  }
  return counters;
}

void Switch::Load(const Policy& policy) {
  std::ofstream file(policy_file_, std::ios::trunc);
  file << FormatPolicy(policy);
  file.close();
  if (!file) {
    throw std::runtime_error("cannot write " + policy_file_);
  }
  Call(controller_, {"reload"});
  // Datapath flows made by the policy before must not get a packet.
  Call(switch_, {"revalidator/purge"});
}

void Switch::Send(const std::vector<WirePacket>& packets) {
  uint64_t expected = Received(switch_);
  for (size_t i = 0; i < packets.size();) {
    std::map<std::string, std::vector<std::string>> bursts;  // By port.
    for (size_t n = 0; i < packets.size() && n < kBurst; n++, i++) {
      bursts[PortOf(packets[i].seen)].push_back(Hex(packets[i].Frame()));
      expected++;
    }
    for (auto& [port, frames] : bursts) {
      frames.insert(frames.begin(), {"netdev-dummy/receive", port});
      Call(switch_, std::move(frames));
    }
    while (Received(switch_) < expected) {
    }
  }
}

PolicyCounters Switch::Read(const Policy& policy) {
  // What the datapath has counted goes to the flows of the tap tables.
  Call(switch_, {"revalidator/purge"});
  const auto list = nlohmann::json::parse(Call(controller_, {"list"}));

  // Rules are told apart by their lines in the file.
  const size_t first = 1 + static_cast<size_t>(std::ranges::count(
                               "*rmirror\n" + FormatChains(policy), '\n'));
  const auto counters_of = [](const nlohmann::json& entry) {
    return Counters{entry.at("packets"), entry.at("bytes")};
  };
  PolicyCounters counters = {std::vector<Counters>(policy.rules.size()), {}};
  size_t rules = 0;
  for (const auto& chain : list.at("chains")) {
    if (const auto c = ChainByName(chain.at("chain").get<std::string>())) {
      counters.chains[*c] = counters_of(chain);
    }
    for (const auto& rule : chain.at("rules")) {
      counters.rules.at(rule.at("line").get<size_t>() - first) =
          counters_of(rule);
      rules++;
    }
  }
  if (rules != policy.rules.size()) {
    throw std::runtime_error("the list has " + std::to_string(rules) +
                             " rules, the policy " +
                             std::to_string(policy.rules.size()));
  }
  return counters;
}

}  // namespace ovs_rmirror
