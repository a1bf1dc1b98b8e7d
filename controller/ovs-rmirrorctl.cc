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

#include "controller/allowed_targets.h"
#include "controller/capture.h"
#include "controller/compile_json.h"
#include "controller/daemon_client.h"
#include "controller/diagnostic.h"
#include "controller/diagnostic_json.h"
#include "controller/explain.h"
#include "controller/flow_text.h"
#include "controller/flows.h"
#include "controller/import.h"
#include "controller/ipset.h"
#include "controller/listing.h"
#include "controller/ovs.h"
#include "controller/packet_path.h"
#include "controller/policy_source.h"
#include "controller/rates.h"
#include "controller/rule_table.h"
#include "controller/rule_text.h"
#include "controller/rules.h"
#include "controller/sessions.h"
#include "controller/stages.h"
#include "controller/status.h"
#include "controller/top.h"
#include "controller/warnings.h"

namespace ovs_rmirror {

namespace {

constexpr const char* kSummary =
    R"(Mirrors selected traffic of an Open vSwitch bridge to remote sensors.

A policy is written as for iptables, and loaded by ovs-rmirrord:

    *rmirror
    -A PREROUTING -s 10.66.0.0/16 -j RETURN
    -A PREROUTING -p tcp --dport 80 -j RMIRROR --target 192.0.2.9 --len 128
    COMMIT

    PREROUTING   packets that enter the bridge by any port but LOCAL
    OUTPUT       packets that enter the bridge by LOCAL, from this host
    INPUT        packets that leave it by LOCAL, for this host
    FORWARD      packets that neither enter nor leave it by LOCAL
    POSTROUTING  packets that leave it by any port but LOCAL

    -j RMIRROR  sends a copy, as TEB in GRE; the packet goes on to later rules
      --target ADDRESS  the collector's IPv4 or IPv6 address
      --len N|mtu       bytes to keep of the frame; 0, the default: all of it;
                        mtu: what fits the MTU of the route
      --key K           GRE key (default: none)
      --ttl N           outer TTL (default: 255)
      --tos N|inherit   outer TOS (default: 0)
      --df              forbid fragmentation of the copy
      --limit RATE      budget of the session: 1000/second, 10mb/s or 100mbit
      --limit-burst N   what it lets pass at once
    -j ACCEPT, DROP, RETURN  end the evaluation; the packet itself is never
                             dropped

    -j CHAIN, -g CHAIN  go on in a chain of your own, declared by :CHAIN -

    matches: [!] -s -d ADDRESS[/MASK],...   [!] -p PROTOCOL   [!] -i -o PORT[+]
             -4 -6   [!] -f   [!] --sport --dport PORT[:PORT]   [!] --syn
             [!] --tcp-flags MASK SET   [!] --icmp-type --icmpv6-type TYPE
             -m multiport, mac, iprange, set, dscp, mark, addrtype, vlan,
             limit, statistic, comment

    ovs-rmirror.policy(5) has the whole language.
)";

constexpr const char* kExitCodes =
    "Exit status: 0 success; 1 an error in a policy, packet or file, or one "
    "that the\ndaemon reports; 2 a wrong command line; 3 no daemon answers.";

using nlohmann::json;

// Words may hold anything, but JSON is UTF-8.
void PrintJson(const json& value) {
  std::cout << value.dump(2, ' ', false, json::error_handler_t::replace)
            << "\n";
}

// An option of many commands.
struct OutputOptions {
  bool as_json = false;
};

// Ends a command that read `source`: prints what there is to say about it, as
// JSON together with `result`.
ExitCode Finish(const SourceText& source, const Diagnostics& diagnostics,
                const OutputOptions& output, json result) {
  const bool good = !diagnostics.HasErrors();
  if (output.as_json) {
    result["file"] = source.name();
    result["good"] = good;
    result["diagnostics"] = DiagnosticsAsJson(source, diagnostics);
    PrintJson(result);
  } else {
    std::cerr << Format(source, diagnostics);
  }
  return good ? kExitGood : kExitFailed;
}

struct CompileOptions {
  SourceOptions source;
  OutputOptions output;
  std::string stage = "flows";
  bool statistics = false;
  int table = TapTables().ingress;
  int egress_table = TapTables().egress;
  std::vector<std::string> ports;
};

// What of `policy` the options ask for: a string, or an object for JSON.
json CompilePolicy(const CompileOptions& options, const Policy& policy,
                   const PortNumbers& ports, Diagnostics* diagnostics) {
  const bool as_json = options.output.as_json;
  const Program program = BuildStages(policy, {}, diagnostics);
  if (diagnostics->HasErrors()) {
    return nullptr;
  } else if (options.stage == "stages" && !options.statistics) {
    return as_json ? StagesAsJson(policy, program)
                   : json(FormatStages(policy, program));
  }
  const TapFlows tap = CompileFlows(
      policy, program, ports, options.source.bounds.max_flows, diagnostics);
  for (const size_t r : tap.dormant) {
    const Rule& rule = policy.rules[r];
    const std::string& name = FindMissingPort(rule.matches, ports)->name;
    diagnostics->Warning(
        rule.where,
        "port " + name + " has no number here: the rule has no flows",
        "give it one: --port " + name + "=N");
  }
  if (options.statistics) {
    return as_json ? StatisticsAsJson(policy, program, tap)
                   : json(FormatStatistics(policy, program, tap));
  }
  TapTables tables;
  tables.ingress = static_cast<uint8_t>(options.table);
  tables.egress = static_cast<uint8_t>(options.egress_table);
  const MeterNumbers meters = NumberMeters(tap.meters);
  if (as_json) {
    return FlowsAsJson(tap, tables, meters);
  }
  std::string text;
  for (const Meter& meter : tap.meters) {
    text += "# " + FormatMeter(meter, meters.at(meter.id)) + "\n";
  }
  for (const Flow& flow : tap.flows) {
    text += FormatFlow(flow, tables, meters) + "\n";
  }
  return text;
}

ExitCode Compile(const CompileOptions& options) {
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

  const bool as_json = options.output.as_json;
  Diagnostics diagnostics;
  json result;
  const auto tokens = Scan(source.text(), &diagnostics);
  if (options.stage == "tokens") {
    result = as_json ? TokensAsJson(tokens) : json(FormatTokens(tokens));
  } else {
    const Policy policy =
        BuildRules(Parse(tokens, &diagnostics), source.sets(), &diagnostics);
    RefuseOtherTargets(policy, options.source.bounds.allowed_targets,
                       &diagnostics);
    if (options.stage == "rules") {
      result = as_json ? PolicyAsJson(policy) : json(FormatPolicy(policy));
    } else if (!diagnostics.HasErrors()) {
      result = CompilePolicy(options, policy, ports, &diagnostics);
    }
  }
  if (!as_json && !diagnostics.HasErrors()) {
    std::cout << result.get<std::string>();
  }
  if (diagnostics.HasErrors()) {
    result = nullptr;
  }
  return Finish(source.text(), diagnostics, options.output,
                {{options.statistics ? "statistics" : options.stage, result}});
}

ExitCode Check(const SourceOptions& options, const OutputOptions& output) {
  PolicySource source;
  if (!source.Read(options)) {
    return kExitFailed;
  }
  Diagnostics diagnostics;
  json result = json::object();
  const Policy policy = ReadPolicy(source.text(), source.sets(), &diagnostics);
  RefuseOtherTargets(policy, options.bounds.allowed_targets, &diagnostics);
  if (!diagnostics.HasErrors()) {
    WarnOfLocalTargets(policy, LocalAddresses(), &diagnostics);
    const TapFlows tap =
        CompileForAnySwitch(policy, options.bounds.max_flows, &diagnostics);
    result = {{"rules", policy.rules.size()}, {"flows", tap.flows.size()}};
    if (!diagnostics.HasErrors() && !output.as_json) {
      std::cout << source.text().name()
                << ": good, rules: " << policy.rules.size()
                << ", flows: " << tap.flows.size() << "\n";
    }
  }
  return Finish(source.text(), diagnostics, output, std::move(result));
}

ExitCode Import(const SourceOptions& options, const ImportOptions& how,
                const OutputOptions& output) {
  PolicySource source;
  if (!source.Read(options)) {
    return kExitFailed;
  }
  Diagnostics diagnostics;
  const std::string policy =
      ImportPolicy(source.text(), source.sets(), how, &diagnostics);
  if (!output.as_json) {
    std::cout << policy;
  }
  return Finish(source.text(), diagnostics, output, {{"policy", policy}});
}

struct ExplainOptions {
  std::string packet;  // Or the name of a file of packets.
  std::string in_port;
  std::vector<std::string> outputs;
  std::vector<std::string> ports;
  SourceOptions source;  // Without a file: ask the daemon.
  OutputOptions output;
};

// Reads the packets of which `options` speak.
std::string ReadPackets(const ExplainOptions& options, PortNumbers* ports,
                        std::vector<PacketPath>* paths) {
  // What has a port is no name of a file.
  if (options.in_port.empty()) {
    PacketPath path;
    const std::string error = ReadPacketText(options.packet, ports, &path);
    paths->push_back(std::move(path));
    return error;
  }
  return ReadPacketFile(options.packet, options.in_port, ports, paths);
}

// Explains `paths` to standard output.
ExitCode ExplainBy(const Policy& policy, const PortNumbers& ports,
                   const std::vector<PacketPath>& paths,
                   const OutputOptions& output) {
  json all = json::array();
  for (const PacketPath& path : paths) {
    const Explanation explanation = Explain(policy, ports, path);
    if (output.as_json) {
      all.push_back(ExplanationAsJson(policy, ports, path, explanation));
    } else {
      std::cout << FormatExplanation(policy, ports, path, explanation);
    }
  }
  if (output.as_json) {
    PrintJson(all);
  }
  return kExitGood;
}

// Reads the policy that the daemon has in force, and the sets that its rules
// name from files.
ExitCode ReadPolicyInForce(const DaemonOptions& daemon, const IpSets& sets,
                           Policy* policy) {
  return AskForJson(daemon, "list", {}, [&](const json& lists) {
    if (lists.is_array() && lists.size() != 1) {
      std::cerr << "the daemon has several bridges: name one, -b BRIDGE\n";
      return kExitUsage;
    }
    const json& list = lists.is_array() ? lists.at(0) : lists;
    if (list.contains("error")) {
      std::cerr << list.at("error").get<std::string>();
      return kExitFailed;
    }
    const SourceText text("policy in force",
                          FormatSaved(ReadListing(list, ""), false));
    Diagnostics diagnostics;
    *policy = ReadPolicy(text, sets, &diagnostics);
    if (diagnostics.HasErrors()) {
      std::cerr << Format(text, diagnostics);
      return kExitFailed;
    }
    // The lines are those of the daemon's file.
    size_t r = 0;
    for (const json& chain : list.at("chains")) {
      for (const json& rule : chain.at("rules")) {
        policy->rules.at(r++).where.line = rule.at("line").get<int>();
      }
    }
    return kExitGood;
  });
}

// Has the daemon explain a packet, by the policy, sets and ports that it has.
ExitCode AskToExplain(const DaemonOptions& daemon,
                      const ExplainOptions& options) {
  std::vector<std::string> words;
  for (const std::string& output : options.outputs) {
    words.push_back("--output=" + output);
  }
  if (options.output.as_json) {
    words.push_back("--json");
    words.push_back(options.packet);
    return AskForJson(daemon, "explain", words, [](const json& explanation) {
      PrintJson(explanation);
      return kExitGood;
    });
  }
  words.push_back(options.packet);
  std::string reply;
  const ExitCode status = Ask(daemon, "explain", words, &reply);
  std::cout << reply;
  return status;
}

ExitCode ExplainPackets(const DaemonOptions& daemon,
                        const ExplainOptions& options) {
  // Without a port, the packet is no name of a file.
  if (options.in_port.empty() && options.source.file.empty()) {
    if (!options.ports.empty() || !options.source.set_files.empty()) {
      std::cerr << "--port and --sets go with --policy or --in-port: the "
                   "daemon knows its own\n";
      return kExitUsage;
    }
    return AskToExplain(daemon, options);
  }
  PortNumbers ports;
  for (const std::string& port : options.ports) {
    if (!ParsePort(port, &ports)) {
      std::cerr << "--port: '" << port << "' is not NAME=N, like eth0=1\n";
      return kExitUsage;
    }
  }
  std::vector<PacketPath> paths;
  const std::string error = ReadPackets(options, &ports, &paths);
  if (!error.empty()) {
    std::cerr << error;
    return kExitFailed;
  }
  for (PacketPath& path : paths) {
    for (const std::string& port : options.outputs) {
      path.outputs.push_back(PortOf(port, &ports));
    }
  }

  PolicySource source;
  if (options.source.file.empty()) {
    Policy policy;
    if (!source.ReadSets(options.source.set_files)) {
      return kExitFailed;
    }
    const ExitCode status = ReadPolicyInForce(daemon, source.sets(), &policy);
    return status == kExitGood ? ExplainBy(policy, ports, paths, options.output)
                               : status;
  }
  if (!source.Read(options.source)) {
    return kExitFailed;
  }
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source.text(), source.sets(), &diagnostics);
  if (diagnostics.HasErrors()) {
    std::cerr << Format(source.text(), diagnostics);
    return kExitFailed;
  }
  return ExplainBy(policy, ports, paths, options.output);
}

// Prints what the daemon answers: for JSON, an object with its text.
ExitCode AskAndPrint(const DaemonOptions& daemon, const char* command,
                     const OutputOptions& output) {
  std::string reply;
  const ExitCode status = Ask(daemon, command, {}, &reply);
  if (status == kExitGood && output.as_json) {
    PrintJson({{"good", true}, {"message", reply}});
  } else {
    std::cout << reply;
  }
  return status;
}

// Prints what `format` makes of the rules of each bridge in `lists`, under a
// line `mark` and the bridge's name if they are several.
ExitCode PrintLists(const json& lists, const std::string& mark,
                    const std::function<std::string(const json&)>& format) {
  if (!lists.is_array()) {
    std::cout << format(lists);
    return kExitGood;
  }
  ExitCode status = kExitGood;
  std::string separator;
  for (const json& list : lists) {
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

struct ListOptions {
  std::string chain;
  std::string format;  // Of a table; empty: as iptables -L.
  ListingOptions listing;
  OutputOptions output;
};

ExitCode List(const DaemonOptions& daemon, const ListOptions& options) {
  return AskForJson(daemon, "list", {}, [&](const json& lists) {
    if (options.output.as_json) {
      PrintJson(lists);
      return kExitGood;
    } else if (!options.format.empty()) {
      RuleTable table;
      // The answer about a single bridge is no array.
      for (const json& list : lists.is_array() ? lists : json::array({lists})) {
        if (list.contains("error")) {
          std::cerr << list.at("error").get<std::string>();
          return kExitFailed;
        }
        table.Add(list.at("bridge").get<std::string>(),
                  ReadListing(list, options.chain));
      }
      std::cout << table.Format(options.format);
      return kExitGood;
    }
    return PrintLists(lists, "Bridge ", [&](const json& list) {
      const std::string rules =
          FormatListing(ReadListing(list, options.chain), options.listing);
      return options.listing.verbose && options.chain.empty()
                 ? rules + "\n" + FormatSessions(list, options.listing)
                 : rules;
    });
  });
}

ExitCode Save(const DaemonOptions& daemon, bool with_counters,
              const OutputOptions& output) {
  return AskForJson(daemon, "list", {}, [&](const json& lists) {
    const auto save = [&](const json& list) {
      return FormatSaved(ReadListing(list, ""), with_counters);
    };
    if (!output.as_json) {
      return PrintLists(lists, "# Bridge ", save);
    }
    json saved = json::array();
    for (const json& list : lists.is_array() ? lists : json::array({lists})) {
      saved.push_back({{"bridge", list.at("bridge")}});
      if (list.contains("error")) {
        saved.back()["error"] = list.at("error");
      } else {
        saved.back()["policy"] = save(list);
      }
    }
    PrintJson(saved);
    return kExitGood;
  });
}

// Fails if something is wrong with a bridge.
ExitCode Status(const DaemonOptions& daemon, const OutputOptions& output) {
  return AskForJson(daemon, "status", {"--json"}, [&](const json& bridges) {
    if (output.as_json) {
      PrintJson(bridges);
    } else {
      std::cout << FormatStatus(bridges);
    }
    for (const json& bridge : bridges) {
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

  OutputOptions output;
  const auto add_json = [&](CLI::App* command) {
    command->add_flag("--json", output.as_json, "print JSON");
  };
  const auto add_many = [](CLI::App* command, const char* name,
                           const char* what, const char* value,
                           std::vector<std::string>* values) {
    command->add_option(name, *values, what)
        ->type_name(value)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  const auto add_sets = [&](CLI::App* command, SourceOptions* options) {
    add_many(command, "--sets", "sets for -m set, in the format of ipset save",
             "FILE", &options->set_files);
  };
  const auto add_source = [&](CLI::App* command, SourceOptions* options) {
    command
        ->add_option("FILE", options->file, "the policy; - for standard input")
        ->required()
        ->type_name("");
    add_sets(command, options);
    command
        ->add_option("--max-flows", options->bounds.max_flows,
                     "refuse a policy that takes more flows")
        ->capture_default_str();
    command
        ->add_option_function<std::vector<std::string>>(
            "--allow-targets",
            [options](const std::vector<std::string>& words) {
              for (const std::string& word : words) {
                const std::string error =
                    ParseAllowedTargets(word, &options->bounds.allowed_targets);
                if (!error.empty()) {
                  throw CLI::ValidationError("--allow-targets", error);
                }
              }
            },
            "refuse targets outside these networks")
        ->type_name("NET,...")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };

  SourceOptions check_options;
  CLI::App* check = app.add_subcommand("check", "Check a policy file");
  add_source(check, &check_options);
  add_json(check);

  CompileOptions compile_options;
  CLI::App* compile = app.add_subcommand(
      "compile", "Show what a policy file becomes, without a switch");
  add_source(compile, &compile_options.source);
  add_json(compile);
  compile
      ->add_option("--stage", compile_options.stage,
                   "how far to go; flows are in the syntax of ovs-ofctl(8)")
      ->check(CLI::IsMember({"tokens", "rules", "stages", "flows"}))
      ->capture_default_str();
  compile->add_flag("--stats", compile_options.statistics,
                    "show how many flows each rule takes");
  add_many(compile, "--port", "the OpenFlow number of a port that rules name",
           "NAME=N", &compile_options.ports);
  const auto add_table = [&](const char* name, int* table, const char* what) {
    compile->add_option(name, *table, what)
        ->check(CLI::Range(1, kMaxTapTable))
        ->capture_default_str();
  };
  add_table("--table", &compile_options.table, "the table of the ingress tap");
  add_table("--egress-table", &compile_options.egress_table,
            "the table of the egress tap");

  SourceOptions import_options;
  ImportOptions import_how;
  CLI::App* importer = app.add_subcommand(
      "import", "Make a policy of the output of iptables-save");
  importer
      ->add_option("FILE", import_options.file,
                   "what iptables-save, ip6tables-save or both wrote; by "
                   "default, or if -, standard input")
      ->type_name("");
  add_sets(importer, &import_options);
  importer->add_flag("--widen", import_how.widen,
                     "where a match has no place in a policy, mirror more");
  const auto set_family = [&](Family family) {
    return [&import_how, family](int64_t) { import_how.family = family; };
  };
  CLI::Option* v4 =
      importer->add_flag("-4,--ipv4", set_family(Family::kIpv4),
                         "iptables-save wrote it, if it does not say so");
  importer
      ->add_flag("-6,--ipv6", set_family(Family::kIpv6),
                 "ip6tables-save wrote it, if it does not say so")
      ->excludes(v4);
  add_json(importer);

  ExplainOptions explain_options;
  explain_options.source.file.clear();
  CLI::App* explain = app.add_subcommand(
      "explain", "Say what a policy does with a packet, and why");
  explain
      ->add_option("PACKET", explain_options.packet,
                   "the packet, like 'in_port=vnet0,tcp,ip_src=10.0.0.1,"
                   "tp_dst=443,len=1500', in the syntax of ovs-ofctl(8); or "
                   "with --in-port, a file as tcpdump -w writes it")
      ->required()
      ->type_name("");
  explain
      ->add_option("--in-port", explain_options.in_port,
                   "PACKET is a file; the port by which its packets enter")
      ->type_name("PORT");
  add_many(explain, "--output", "a port by which the packet leaves", "PORT",
           &explain_options.outputs);
  explain
      ->add_option("--policy", explain_options.source.file,
                   "the policy; by default, what the daemon has in force")
      ->type_name("FILE");
  add_sets(explain, &explain_options.source);
  add_many(explain, "--port",
           "the number of a port that PACKET has as a number", "NAME=N",
           &explain_options.ports);
  add_json(explain);

  ListOptions list_options;
  ListingOptions& listing = list_options.listing;
  CLI::App* list =
      app.add_subcommand("list", "Show the rules in force, like iptables -L");
  list->add_option("CHAIN", list_options.chain, "only this chain")
      ->type_name("");
  list->add_flag("-v,--verbose", listing.verbose, "counters and ports, too");
  list->add_flag("-n,--numeric", listing.numeric,
                 "numbers instead of names of protocols and services");
  list->add_flag("-x,--exact", listing.exact, "counters in full");
  list->add_flag("--line-numbers", listing.line_numbers,
                 "the number of each rule in its chain");
  CLI::Option* format =
      list->add_option("-f,--format", list_options.format,
                       "a table of all rules, in a format of ovs-vsctl(8)")
          ->check(CLI::IsMember({"table", "list", "json", "csv", "html"}));
  list->add_flag("--json", output.as_json, "print JSON, of all chains")
      ->excludes(format);

  TopOptions top_options;
  CLI::App* top = app.add_subcommand(
      "top", "Show the rates of rules and targets, again and again");
  top->add_option("-d,--delay", top_options.delay, "between two looks")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  top->add_option("-s,--sort", top_options.sort,
                  "the highest first; policy: in the order of the rules")
      ->check(CLI::IsMember(RateOrderNames()))
      ->capture_default_str();
  top->add_option("-n,--count", top_options.count,
                  "end when rates have been shown so often")
      ->type_name("COUNT")
      ->check(CLI::PositiveNumber);
  top->add_flag("--targets", top_options.targets, "targets, not rules");
  // As in top(1); all other commands have -b for the bridge.
  top->add_flag("-b,--batch", top_options.batch,
                "print text instead of using the terminal; here, the bridge "
                "is --bridge");
  top->add_flag("--json", top_options.as_json,
                "print a line of JSON each time");

  CaptureOptions capture_options;
  CLI::App* capture = app.add_subcommand(
      "capture", "Write what is mirrored as a file of captured packets");
  capture
      ->add_option("WHAT", capture_options.what,
                   "the address of a target, or a rule: CHAIN:NUMBER")
      ->required()
      ->type_name("");
  capture
      ->add_option("-w,--write", capture_options.file,
                   "the file, in the format pcapng; - for standard output")
      ->type_name("FILE")
      ->capture_default_str();
  capture
      ->add_option("-c,--count", capture_options.count,
                   "end when so many copies have been captured")
      ->type_name("COUNT")
      ->check(CLI::PositiveNumber);
  capture->add_option("--seconds", capture_options.seconds, "end after so long")
      ->type_name("S")
      ->check(CLI::PositiveNumber);
  add_many(capture, "-i,--interface",
           "a device by which copies leave; by default, ovs-vswitchd tells",
           "DEVICE", &capture_options.devices);

  bool with_counters = false;
  CLI::App* save = app.add_subcommand(
      "save", "Print the policy in force, like iptables-save");
  save->add_flag("-c,--counters", with_counters, "with counters");
  add_json(save);

  CLI::App* zero = app.add_subcommand("zero", "Set all counters to 0");
  CLI::App* reload = app.add_subcommand(
      "reload",
      "Load the policy file again; one with an error changes nothing");
  CLI::App* clear = app.add_subcommand(
      "clear", "End the mirroring: remove the flows, until the next reload");
  CLI::App* status = app.add_subcommand(
      "status", "Show what the daemon is doing; fails if something is wrong");
  for (CLI::App* command : {zero, reload, clear, status}) {
    add_json(command);
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitGood : kExitUsage;
  }
  if (*check) {
    return Check(check_options, output);
  } else if (*compile) {
    compile_options.output = output;
    return Compile(compile_options);
  } else if (*importer) {
    return Import(import_options, import_how, output);
  } else if (*explain) {
    explain_options.output = output;
    return ExplainPackets(daemon, explain_options);
  } else if (*list) {
    list_options.output = output;
    return List(daemon, list_options);
  } else if (*top) {
    return Top(daemon, top_options);
  } else if (*capture) {
    return Capture(daemon, capture_options);
  } else if (*save) {
    return Save(daemon, with_counters, output);
  } else if (*zero) {
    return AskAndPrint(daemon, "zero", output);
  } else if (*reload) {
    return AskAndPrint(daemon, "reload", output);
  } else if (*clear) {
    return AskAndPrint(daemon, "clear", output);
  } else if (*status) {
    return Status(daemon, output);
  }
  return kExitUsage;
}

}  // namespace

}  // namespace ovs_rmirror

int main(int argc, char** argv) { return ovs_rmirror::Main(argc, argv); }
