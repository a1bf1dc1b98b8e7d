// SPDX-License-Identifier: Apache-2.0
//
// ovs-rmirrorctl: checks and compiles policies, and talks to ovs-rmirrord.

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "controller/diagnostic.h"
#include "controller/flow_text.h"
#include "controller/flows.h"
#include "controller/ipset.h"
#include "controller/listing.h"
#include "controller/ovs.h"
#include "controller/read_file.h"
#include "controller/rule_text.h"
#include "controller/rules.h"
#include "controller/stages.h"
#include "controller/status.h"
#include "controller/warnings.h"

namespace ovs_rmirror {

namespace {

enum ExitCode {
  kExitGood = 0,
  kExitFailed = 1,       // An error in the policy, or reported by the daemon.
  kExitUsage = 2,        // A wrong command line.
  kExitUnreachable = 3,  // No daemon answers.
};

constexpr const char* kSummary =
    R"(Mirrors selected traffic of an Open vSwitch bridge to remote sensors.

A policy is written as for iptables, and loaded by ovs-rmirrord:

    *rmirror
    -A PREROUTING -s 10.66.0.0/16 -j RETURN
    -A PREROUTING -p tcp --dport 80 -j RMIRROR --target 192.0.2.9 --len 128
    COMMIT

    PREROUTING  packets that enter the bridge by any port but LOCAL
    OUTPUT      packets that enter the bridge by LOCAL, from this host

    -j RMIRROR  sends a copy, as TEB in GRE; the packet goes on to later rules
      --target ADDRESS  the collector's IPv4 or IPv6 address
      --len N|mtu       bytes to keep of the frame; 0, the default: all of it;
                        mtu: what fits the MTU of the route
      --key K           GRE key (default: none)
      --ttl N           outer TTL (default: 255)
      --tos N|inherit   outer TOS (default: 0)
      --df              forbid fragmentation of the copy
    -j ACCEPT, DROP, RETURN  end the evaluation; the packet itself is never
                             dropped

    -j CHAIN, -g CHAIN  go on in a chain of your own, declared by :CHAIN -

    matches: [!] -s -d ADDRESS[/MASK],...   [!] -p PROTOCOL   [!] -i PORT[+]
             -4 -6   [!] -f   [!] --sport --dport PORT[:PORT]   [!] --syn
             [!] --tcp-flags MASK SET   [!] --icmp-type --icmpv6-type TYPE
             -m multiport, mac, iprange, set, dscp, mark, addrtype, vlan,
             comment

    ovs-rmirror.policy(5) has the whole language.
)";

constexpr const char* kExitCodes =
    "Exit status: 0 success; 1 an error in the policy, or one that the daemon "
    "reports;\n2 a wrong command line; 3 no daemon answers.";

std::unique_ptr<SourceText> ReadSource(const std::string& name) {
  std::string text;
  if (name == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
    return std::make_unique<SourceText>("<stdin>", std::move(text));
  }
  const std::string error = ReadFile(name, &text);
  if (!error.empty()) {
    std::cerr << error;
    return nullptr;
  }
  return std::make_unique<SourceText>(name, std::move(text));
}

// "NAME=N" of --port.
bool ParsePort(const std::string& text, PortNumbers* ports) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    return false;
  }
  char* end;
  const std::string number = text.substr(equals + 1);
  const unsigned long port = std::strtoul(number.c_str(), &end, 10);
  if (number.empty() || *end || port == 0 || port > 0xfeff) {
    return false;
  }
  (*ports)[text.substr(0, equals)] = static_cast<uint32_t>(port);
  return true;
}

struct SourceOptions {
  std::string file;
  std::vector<std::string> set_files;
  uint64_t max_flows = kMaxFlows;
};

// A policy file and the sets that it may refer to.
class PolicySource {
 public:
  // Returns false, and has said why, if a file cannot be read or a set has an
  // error.
  bool Read(const SourceOptions& options) {
    for (const std::string& name : options.set_files) {
      const std::unique_ptr<SourceText> source = ReadSource(name);
      if (!source) {
        return false;
      }
      Diagnostics diagnostics;
      ReadIpSets(*source, &sets_, &diagnostics);
      std::cerr << Format(*source, diagnostics);
      if (diagnostics.HasErrors()) {
        return false;
      }
    }
    text_ = ReadSource(options.file);
    return text_ != nullptr;
  }

  const SourceText& text() const { return *text_; }
  const IpSets& sets() const { return sets_; }

 private:
  IpSets sets_;
  std::unique_ptr<SourceText> text_;
};

struct CompileOptions {
  SourceOptions source;
  std::string stage = "flows";
  bool statistics = false;
  int table = 252;
  std::vector<std::string> ports;
};

// What of `policy` the options ask for.
std::string CompilePolicy(const CompileOptions& options, const Policy& policy,
                          const PortNumbers& ports, Diagnostics* diagnostics) {
  const Program program = BuildStages(policy, {}, diagnostics);
  if (diagnostics->HasErrors()) {
    return "";
  } else if (options.stage == "stages" && !options.statistics) {
    return FormatStages(policy, program);
  }
  const TapFlows tap = CompileFlows(policy, program, ports,
                                    options.source.max_flows, diagnostics);
  for (const size_t r : tap.dormant) {
    const Rule& rule = policy.rules[r];
    const std::string& name = FindMissingPort(rule.matches, ports)->name;
    diagnostics->Warning(
        rule.where,
        "port " + name + " has no number here: the rule has no flows",
        "give it one: --port " + name + "=N");
  }
  if (options.statistics) {
    return FormatStatistics(policy, program, tap);
  }
  TapTables tables;
  tables.ingress = static_cast<uint8_t>(options.table);
  const MeterNumbers meters = NumberMeters(tap.meters);
  std::string output;
  for (const Meter& meter : tap.meters) {
    output += "# " + FormatMeter(meter, meters.at(meter.rule)) + "\n";
  }
  for (const Flow& flow : tap.flows) {
    output += FormatFlow(flow, tables, meters) + "\n";
  }
  return output;
}

int Compile(const CompileOptions& options) {
  PortNumbers ports;
  for (const std::string& port : options.ports) {
    if (!ParsePort(port, &ports)) {
      std::cerr << "--port: '" << port << "' is not NAME=N, like eth0=1\n";
      return kExitUsage;
    }
  }
  PolicySource source;
  if (!source.Read(options.source)) {
    return kExitFailed;
  }

  Diagnostics diagnostics;
  std::string output;
  const auto tokens = Scan(source.text(), &diagnostics);
  if (options.stage == "tokens") {
    output = FormatTokens(tokens);
  } else {
    const Policy policy =
        BuildRules(Parse(tokens, &diagnostics), source.sets(), &diagnostics);
    if (options.stage == "rules") {
      output = FormatPolicy(policy);
    } else if (!diagnostics.HasErrors()) {
      output = CompilePolicy(options, policy, ports, &diagnostics);
    }
  }
  std::cerr << Format(source.text(), diagnostics);
  if (diagnostics.HasErrors()) {
    return kExitFailed;
  }
  std::cout << output;
  return kExitGood;
}

int Check(const SourceOptions& options) {
  PolicySource source;
  if (!source.Read(options)) {
    return kExitFailed;
  }
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source.text(), source.sets(), &diagnostics);
  if (!diagnostics.HasErrors()) {
    WarnOfLocalTargets(policy, LocalAddresses(), &diagnostics);
    const TapFlows tap =
        CompileForAnySwitch(policy, options.max_flows, &diagnostics);
    if (!diagnostics.HasErrors()) {
      std::cout << source.text().name()
                << ": good, rules: " << policy.rules.size()
                << ", flows: " << tap.flows.size() << "\n";
    }
  }
  std::cerr << Format(source.text(), diagnostics);
  return diagnostics.HasErrors() ? kExitFailed : kExitGood;
}

// Whom to ask, and about what.
struct DaemonOptions {
  // A control socket, or the name of a program that has a pidfile.
  std::string target = "ovs-rmirrord";
  std::string bridge;  // Empty: all.
};

// Sends `command` to the daemon, with the arguments `words` and the bridge.
int Ask(const DaemonOptions& daemon, const char* command,
        std::vector<std::string> words, std::string* reply) {
  std::string socket = daemon.target;
  if (!socket.starts_with('/')) {
    const std::string base = std::string(ovs_rundir()) + "/" + daemon.target;
    const std::string pidfile = base + ".pid";
    const pid_t pid = read_pidfile(pidfile.c_str());
    if (pid < 0) {
      std::cerr << pidfile << ": " << ovs_strerror(-pid)
                << ": is ovs-rmirrord running with --pidfile? Else name its "
                   "control socket: -t SOCKET\n";
      return kExitUnreachable;
    }
    socket = base + "." + std::to_string(pid) + ".ctl";
  }
  if (!daemon.bridge.empty()) {
    words.push_back(daemon.bridge);
  }
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  struct jsonrpc* client;
  int error = unixctl_client_create(socket.c_str(), &client);
  char* result = nullptr;
  char* failure = nullptr;
  if (!error) {
    error = unixctl_client_transact(client, command,
                                    static_cast<int>(arguments.size()),
                                    arguments.data(), &result, &failure);
    jsonrpc_close(client);
  }
  if (error) {
    std::cerr << socket << ": " << ovs_retval_to_string(error) << "\n";
    return kExitUnreachable;
  }
  if (failure) {
    std::cerr << failure;
    free(failure);
    return kExitFailed;
  }
  *reply = result ? result : "";
  free(result);
  return kExitGood;
}

int AskAndPrint(const DaemonOptions& daemon, const char* command) {
  std::string reply;
  const int status = Ask(daemon, command, {}, &reply);
  std::cout << reply;
  return status;
}

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

// Asks for `command`, whose answer is JSON, and gives the answer to `use`,
// which returns the exit code.
int AskForJson(const DaemonOptions& daemon, const char* command,
               const std::vector<std::string>& words,
               const std::function<int(const nlohmann::json&)>& use) {
  std::string reply;
  const int status = Ask(daemon, command, words, &reply);
  if (status != kExitGood) {
    return status;
  }
  try {
    return use(nlohmann::json::parse(reply));
  } catch (const std::invalid_argument& e) {
    std::cerr << e.what() << "\n";
  } catch (const std::exception& e) {
    std::cerr << "the daemon's answer cannot be read; is it of this version "
                 "("
              << RMIRROR_VERSION << ")? " << e.what() << "\n";
  }
  return kExitFailed;
}

// Prints what `format` makes of the rules of each bridge in `lists`, under a
// line `mark` and the bridge's name if they are several.
int PrintLists(
    const nlohmann::json& lists, const std::string& mark,
    const std::function<std::string(const nlohmann::json&)>& format) {
  if (!lists.is_array()) {
    std::cout << format(lists);
    return kExitGood;
  }
  int status = kExitGood;
  std::string separator;
  for (const nlohmann::json& list : lists) {
    if (list.contains("error")) {
      std::cerr << list.at("error").get<std::string>();
      status = kExitFailed;
      continue;
    }
    std::cout << separator << mark << list.at("bridge").get<std::string>()
              << "\n"
              << format(list);
    separator = "\n";
  }
  return status;
}

int List(const DaemonOptions& daemon, const std::string& chain, bool as_json,
         const ListingOptions& options) {
  return AskForJson(daemon, "list", {}, [&](const nlohmann::json& lists) {
    if (as_json) {
      std::cout << lists.dump(2) << "\n";
      return int{kExitGood};
    }
    return PrintLists(lists, "Bridge ", [&](const nlohmann::json& list) {
      return FormatListing(ListReader(list).Read(chain), options);
    });
  });
}

int Save(const DaemonOptions& daemon, bool with_counters) {
  return AskForJson(daemon, "list", {}, [&](const nlohmann::json& lists) {
    return PrintLists(lists, "# Bridge ", [&](const nlohmann::json& list) {
      return FormatSaved(ListReader(list).Read(""), with_counters);
    });
  });
}

// Fails if something is wrong with a bridge.
int Status(const DaemonOptions& daemon, bool as_json) {
  return AskForJson(
      daemon, "status", {"--json"}, [&](const nlohmann::json& bridges) {
        std::cout << (as_json ? bridges.dump(2) + "\n" : FormatStatus(bridges));
        for (const nlohmann::json& bridge : bridges) {
          if (!bridge.at("good").get<bool>()) {
            return kExitFailed;
          }
        }
        return kExitGood;
      });
}

int Main(int argc, char** argv) {
  ovs_set_program_name(argv[0], RMIRROR_VERSION);
  vlog_set_levels(nullptr, VLF_ANY_DESTINATION, VLL_OFF);

  CLI::App app(kSummary, "ovs-rmirrorctl");
  app.footer(kExitCodes);
  app.require_subcommand(1);
  app.fallthrough();  // -t and -b may stand behind the subcommand, too.
  app.set_version_flag(
      "-V,--version",
      std::string("ovs-rmirrorctl (ovs-rmirror) ") + RMIRROR_VERSION);
  DaemonOptions daemon;
  app.add_option("-t,--daemon", daemon.target,
                 "the daemon's control socket, or its program name: the "
                 "pidfile in " +
                     std::string(ovs_rundir()) + " leads to the socket")
      ->type_name("SOCKET|NAME")
      ->capture_default_str();
  app.add_option("-b,--bridge", daemon.bridge,
                 "the bridge, as the daemon's option names it; all of the "
                 "daemon's bridges if not given")
      ->type_name("BRIDGE");

  const auto add_source = [](CLI::App* command, SourceOptions* options) {
    command
        ->add_option("FILE", options->file, "the policy; - for standard input")
        ->required()
        ->type_name("");
    command
        ->add_option("--sets", options->set_files,
                     "sets for -m set, in the format of ipset save")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command
        ->add_option("--max-flows", options->max_flows,
                     "refuse a policy that takes more flows")
        ->capture_default_str();
  };

  SourceOptions check_options;
  CLI::App* check = app.add_subcommand("check", "Check a policy file");
  add_source(check, &check_options);

  CompileOptions compile_options;
  CLI::App* compile = app.add_subcommand(
      "compile", "Show what a policy file becomes, without a switch");
  add_source(compile, &compile_options.source);
  compile
      ->add_option("--stage", compile_options.stage,
                   "how far to go; flows are in the syntax of ovs-ofctl(8)")
      ->check(CLI::IsMember({"tokens", "rules", "stages", "flows"}))
      ->capture_default_str();
  compile->add_flag("--stats", compile_options.statistics,
                    "show how many flows each rule takes");
  compile
      ->add_option("--port", compile_options.ports,
                   "the OpenFlow number of a port that -i names")
      ->type_name("NAME=N")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  compile->add_option("--table", compile_options.table, "the tap table")
      ->check(CLI::Range(1, 253))
      ->capture_default_str();

  ListingOptions listing;
  bool as_json = false;
  std::string list_chain;
  CLI::App* list =
      app.add_subcommand("list", "Show the rules in force, like iptables -L");
  list->add_option("CHAIN", list_chain, "only this chain")->type_name("");
  list->add_flag("-v,--verbose", listing.verbose, "counters and ports, too");
  list->add_flag("-n,--numeric", listing.numeric,
                 "numbers instead of names of protocols and services");
  list->add_flag("-x,--exact", listing.exact, "counters in full");
  list->add_flag("--line-numbers", listing.line_numbers,
                 "the number of each rule in its chain");
  list->add_flag("--json", as_json, "as JSON, all chains");

  bool with_counters = false;
  CLI::App* save = app.add_subcommand(
      "save", "Print the policy in force, like iptables-save");
  save->add_flag("-c,--counters", with_counters, "with counters");

  CLI::App* zero = app.add_subcommand("zero", "Set all counters to 0");
  CLI::App* reload = app.add_subcommand(
      "reload",
      "Load the policy file again; one with an error changes nothing");
  CLI::App* clear = app.add_subcommand(
      "clear", "End the mirroring: remove the flows, until the next reload");
  CLI::App* status = app.add_subcommand(
      "status", "Show what the daemon is doing; fails if something is wrong");
  status->add_flag("--json", as_json, "as JSON");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitGood : kExitUsage;
  }
  if (*check) {
    return Check(check_options);
  } else if (*compile) {
    return Compile(compile_options);
  } else if (*list) {
    return List(daemon, list_chain, as_json, listing);
  } else if (*save) {
    return Save(daemon, with_counters);
  } else if (*zero) {
    return AskAndPrint(daemon, "zero");
  } else if (*reload) {
    return AskAndPrint(daemon, "reload");
  } else if (*clear) {
    return AskAndPrint(daemon, "clear");
  } else if (*status) {
    return Status(daemon, as_json);
  }
  return kExitUsage;
}

}  // namespace

}  // namespace ovs_rmirror

int main(int argc, char** argv) { return ovs_rmirror::Main(argc, argv); }
