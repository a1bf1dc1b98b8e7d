// SPDX-License-Identifier: Apache-2.0
//
// ovs-rmirrord: keeps bridges mirroring as policy files say.

#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controller/allowed_targets.h"
#include "controller/audit.h"
#include "controller/controller.h"
#include "controller/http_server.h"
#include "controller/metrics.h"
#include "controller/metrics_collector.h"
#include "controller/mirrored_bridge.h"
#include "controller/mirrored_bridges.h"
#include "controller/openflow_connection.h"
#include "controller/ovs.h"
#include "controller/page.h"
#include "controller/policy_file.h"
#include "controller/service_manager.h"
#include "controller/session_reader.h"
#include "controller/status.h"
#include "controller/tap.h"
#include "controller/tap_config.h"

VLOG_DEFINE_THIS_MODULE(ovs_rmirrord);

namespace ovs_rmirror {

namespace {

constexpr long long kMaxLately = 3600;  // Seconds.

struct BridgeOptions {
  std::string bridge;  // Name or connection method.
  std::string policy;
};

struct DaemonOptions {
  std::vector<BridgeOptions> bridges;
  std::string database;
  TapTables tables;
  bool own_tables = true;
  OpenFlowOptions connection;
  std::vector<std::string> set_files;
  PolicyBounds bounds;
  bool watch = false;
  std::string state_dir;
  std::optional<Endpoint> metrics;
  int64_t lately = 60;  // Seconds.
  const char* unixctl = nullptr;
};

[[noreturn]] void Usage() {
  std::printf(
      "%s: keeps Open vSwitch bridges mirroring as policy files say\n"
      "usage: %s --bridge=BRIDGE[,policy=FILE]... [--policy=FILE] [OPTIONS]\n"
      "\n"
      "Required:\n"
      "  --bridge=NAME|CONNECTION[,policy=FILE]\n"
      "                            a bridge, by its name, which stands for\n"
      "                            unix:%s/NAME.mgmt,\n"
      "                            or by an OpenFlow connection method; may "
      "be\n"
      "                            given several times\n"
      "  --policy=FILE             the policy, see ovs-rmirror.policy(5), of\n"
      "                            bridges that name none of their own\n"
      "\n"
      "Optional:\n"
      "  --table=N                 the table of the ingress tap, 1 to %d\n"
      "                            (default: %u)\n"
      "  --egress-table=N          the table of the egress tap (default: %u)\n"
      "  --no-own-tables           leave flows of others in these tables\n"
      "  -O, --protocols=VERSION,...\n"
      "                            speak these versions of OpenFlow only:\n"
      "                            OpenFlow13, OpenFlow14, OpenFlow15\n"
      "  --role=equal|master       the role among controllers of the bridge\n"
      "                            (default: equal)\n"
      "  --sets=FILE               sets for -m set, as ipset save writes "
      "them;\n"
      "                            may be given several times\n"
      "  --max-flows=N             refuse a policy that takes more flows\n"
      "                            (default: %llu)\n"
      "  --allow-targets=NET,...   refuse a policy that mirrors to an address\n"
      "                            outside these networks; may be given "
      "several\n"
      "                            times\n"
      "  --watch                   reload when the files change\n"
      "  --state-dir=FOLDER        keep a copy of good policies there, for a\n"
      "                            start with a bad one\n"
      "  --lately=SECONDS          copies lost in this time make status fail\n"
      "                            (default: 60)\n"
      "  --db=SERVER               the database in which a bridge given by\n"
      "                            name gets its tap tables set\n"
      "                            (default: unix:%s/db.sock)\n"
      "  --metrics=[ADDRESS:]PORT  serve a live page, and metrics for "
      "Prometheus,\n"
      "                            by HTTP there\n"
      "                            (default address: 127.0.0.1)\n",
      program_name, program_name, ovs_rundir(), kMaxTapTable,
      unsigned{TapTables().ingress}, unsigned{TapTables().egress},
      static_cast<unsigned long long>(ovs_rmirror::kMaxFlows), ovs_rundir());
  vconn_usage(true, false, false);
  daemon_usage();
  vlog_usage();
  std::printf(
      "\n"
      "Other options:\n"
      "  --unixctl=SOCKET          override default control socket name\n"
      "  -h, --help                display this help message\n"
      "  -V, --version             display version information\n"
      "\n"
      "SIGHUP reloads the policies.  Removing the daemon leaves the mirror as "
      "it is;\n"
      "\"ovs-rmirrorctl clear\" ends it.\n");
  std::exit(EXIT_SUCCESS);
}

uint8_t ParseTable(const char* option, const char* text) {
  char* end;
  errno = 0;
  const long table = std::strtol(text, &end, 10);
  if (errno || end == text || *end || table < 1 || table > kMaxTapTable) {
    ovs_fatal(0, "%s: \"%s\" is not a number from 1 to %d", option, text,
              kMaxTapTable);
  }
  return static_cast<uint8_t>(table);
}

// "OpenFlow13,OpenFlow14" of --protocols.
uint32_t ParseProtocols(const char* text) {
  set_allowed_ofp_versions(text);  // Ends the program if it is wrong.
  const uint32_t versions = get_allowed_ofp_versions();
  if (versions & ~kOpenFlowVersions) {
    ovs_fatal(0,
              "--protocols: \"%s\" is not possible, only OpenFlow13, "
              "OpenFlow14 and OpenFlow15 are",
              text);
  }
  return versions;
}

ControllerRole ParseRole(const std::string& text) {
  if (text != "equal" && text != "master") {
    ovs_fatal(0, "--role: \"%s\" is neither equal nor master", text.c_str());
  }
  return text == "equal" ? ControllerRole::kEqual : ControllerRole::kMaster;
}

// A number from 1 to `max`.
uint64_t ParseNumber(const char* option, const char* text, long long max) {
  char* end;
  errno = 0;
  const long long number = std::strtoll(text, &end, 10);
  if (errno || end == text || *end || number < 1 || number > max) {
    ovs_fatal(0, "%s: \"%s\" is not a number from 1 to %lld", option, text,
              max);
  }
  return static_cast<uint64_t>(number);
}

void AllowTargets(const char* text, std::vector<Network>* networks) {
  const std::string error = ParseAllowedTargets(text, networks);
  if (!error.empty()) {
    ovs_fatal(0, "--allow-targets: %s", error.c_str());
  }
}

Endpoint ParseMetrics(const char* text) {
  Endpoint endpoint;
  const std::string error = ParseEndpoint(text, &endpoint);
  if (!error.empty()) {
    ovs_fatal(0, "--metrics: %s", error.c_str());
  }
  return endpoint;
}

std::string AbsoluteName(const char* file) {
  char* name = abs_file_name(nullptr, file);
  if (!name) {
    ovs_fatal(errno, "cannot find the current folder");
  }
  const std::string result = name;
  free(name);
  return result;
}

// "BRIDGE[,policy=FILE]" of --bridge.
BridgeOptions ParseBridge(const std::string& text) {
  BridgeOptions options;
  const size_t comma = text.find(',');
  options.bridge = text.substr(0, comma);
  if (options.bridge.empty()) {
    ovs_fatal(0, "--bridge: \"%s\" names no bridge", text.c_str());
  }
  if (comma != std::string::npos) {
    const std::string key = "policy=";
    const std::string rest = text.substr(comma + 1);
    if (!rest.starts_with(key) || rest == key) {
      ovs_fatal(0, "--bridge: \"%s\" is not policy=FILE", rest.c_str());
    }
    options.policy = AbsoluteName(rest.substr(key.size()).c_str());
  }
  return options;
}

// Gives bridges that have no policy of their own `policy`.
void CompleteBridges(const std::string& policy,
                     std::vector<BridgeOptions>* bridges) {
  if (bridges->empty()) {
    ovs_fatal(0, "--bridge is required; use --help for usage");
  }
  std::set<std::string> names;
  for (BridgeOptions& bridge : *bridges) {
    if (!names.insert(bridge.bridge).second) {
      ovs_fatal(0, "--bridge: %s is given twice", bridge.bridge.c_str());
    }
    if (bridge.policy.empty()) {
      bridge.policy = policy;
    }
    if (bridge.policy.empty()) {
      ovs_fatal(0,
                "%s has no policy: --policy, or --bridge=%s,policy=FILE, is "
                "required; use --help for usage",
                bridge.bridge.c_str(), bridge.bridge.c_str());
    }
  }
}

DaemonOptions ParseOptions(int argc, char** argv) {
  enum {
    OPT_BRIDGE = UCHAR_MAX + 1,
    OPT_POLICY,
    OPT_TABLE,
    OPT_EGRESS_TABLE,
    OPT_OWN_TABLES,
    OPT_NO_OWN_TABLES,
    OPT_ROLE,
    OPT_SETS,
    OPT_MAX_FLOWS,
    OPT_ALLOW_TARGETS,
    OPT_WATCH,
    OPT_STATE_DIR,
    OPT_LATELY,
    OPT_DB,
    OPT_METRICS,
    OPT_UNIXCTL,
    OPT_PEER_CA_CERT,
    OPT_BOOTSTRAP_CA_CERT,
    DAEMON_OPTION_ENUMS,
    VLOG_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
  };
  static const struct option long_options[] = {
      {"bridge", required_argument, nullptr, OPT_BRIDGE},
      {"policy", required_argument, nullptr, OPT_POLICY},
      {"table", required_argument, nullptr, OPT_TABLE},
      {"egress-table", required_argument, nullptr, OPT_EGRESS_TABLE},
      {"own-tables", no_argument, nullptr, OPT_OWN_TABLES},
      {"no-own-tables", no_argument, nullptr, OPT_NO_OWN_TABLES},
      {"protocols", required_argument, nullptr, 'O'},
      {"role", required_argument, nullptr, OPT_ROLE},
      {"sets", required_argument, nullptr, OPT_SETS},
      {"max-flows", required_argument, nullptr, OPT_MAX_FLOWS},
      {"allow-targets", required_argument, nullptr, OPT_ALLOW_TARGETS},
      {"watch", no_argument, nullptr, OPT_WATCH},
      {"state-dir", required_argument, nullptr, OPT_STATE_DIR},
      {"lately", required_argument, nullptr, OPT_LATELY},
      {"db", required_argument, nullptr, OPT_DB},
      {"metrics", required_argument, nullptr, OPT_METRICS},
      {"unixctl", required_argument, nullptr, OPT_UNIXCTL},
      {"help", no_argument, nullptr, 'h'},
      {"version", no_argument, nullptr, 'V'},
      DAEMON_LONG_OPTIONS,
      VLOG_LONG_OPTIONS,
      STREAM_SSL_LONG_OPTIONS,
      {"peer-ca-cert", required_argument, nullptr, OPT_PEER_CA_CERT},
      {"bootstrap-ca-cert", required_argument, nullptr, OPT_BOOTSTRAP_CA_CERT},
      {nullptr, 0, nullptr, 0},
  };

  DaemonOptions options;
  std::string policy;  // Of bridges without their own.
  options.database = std::string("unix:") + ovs_rundir() + "/db.sock";
  char* short_options = ovs_cmdl_long_options_to_short_options(long_options);
  for (;;) {
    const int c = getopt_long(argc, argv, short_options, long_options, nullptr);
    if (c == -1) {
      break;
    }
    switch (c) {
      case OPT_BRIDGE:
        options.bridges.push_back(ParseBridge(optarg));
        break;
      case OPT_POLICY:
        policy = AbsoluteName(optarg);
        break;
      case OPT_TABLE:
        options.tables.ingress = ParseTable("--table", optarg);
        break;
      case OPT_EGRESS_TABLE:
        options.tables.egress = ParseTable("--egress-table", optarg);
        break;
      case OPT_OWN_TABLES:
      case OPT_NO_OWN_TABLES:
        options.own_tables = c == OPT_OWN_TABLES;
        break;
      case 'O':
        options.connection.versions = ParseProtocols(optarg);
        break;
      case OPT_ROLE:
        options.connection.role = ParseRole(optarg);
        break;
      case OPT_SETS:
        options.set_files.push_back(AbsoluteName(optarg));
        break;
      case OPT_MAX_FLOWS:
        options.bounds.max_flows =
            ParseNumber("--max-flows", optarg, LLONG_MAX);
        break;
      case OPT_ALLOW_TARGETS:
        AllowTargets(optarg, &options.bounds.allowed_targets);
        break;
      case OPT_WATCH:
        options.watch = true;
        break;
      case OPT_STATE_DIR:
        options.state_dir = AbsoluteName(optarg);
        break;
      case OPT_LATELY:
        options.lately =
            static_cast<int64_t>(ParseNumber("--lately", optarg, kMaxLately));
        break;
      case OPT_DB:
        options.database = optarg;
        break;
      case OPT_METRICS:
        options.metrics = ParseMetrics(optarg);
        break;
      case OPT_UNIXCTL:
        options.unixctl = optarg;
        break;
      case 'h':
        Usage();
      case 'V':
        ovs_print_version(OFP13_VERSION, OFP15_VERSION);
        std::exit(EXIT_SUCCESS);

        DAEMON_OPTION_HANDLERS
        VLOG_OPTION_HANDLERS
        STREAM_SSL_OPTION_HANDLERS

      case OPT_PEER_CA_CERT:
        stream_ssl_set_peer_ca_cert_file(optarg);
        break;
      case OPT_BOOTSTRAP_CA_CERT:
        stream_ssl_set_ca_cert_file(optarg, true);
        break;
      case '?':
        std::exit(EXIT_FAILURE);
      default:
        abort();
    }
  }
  free(short_options);

  if (optind < argc) {
    ovs_fatal(0, "\"%s\" is no option; use --help for usage", argv[optind]);
  }
  if (options.tables.ingress == options.tables.egress) {
    ovs_fatal(0, "--table and --egress-table are both %u",
              unsigned{options.tables.ingress});
  }
  options.connection.tables = options.tables;
  CompleteBridges(policy, &options.bridges);
  return options;
}

// SIGHUP, seen by the main loop through a pipe, which takes who sent it.
int hangup_pipe[2];

struct Sender {
  pid_t pid;
  uid_t uid;
};

void HandleHangup(int, siginfo_t* info, void*) {
  const int saved_errno = errno;
  const Sender sender = {info->si_pid, info->si_uid};
  // If the pipe is full, the main loop has enough to see.
  [[maybe_unused]] const ssize_t n =
      write(hangup_pipe[1], &sender, sizeof sender);
  errno = saved_errno;
}

void CatchHangup() {
  if (pipe2(hangup_pipe, O_NONBLOCK | O_CLOEXEC)) {
    VLOG_FATAL("cannot create a pipe: %s", ovs_strerror(errno));
  }
  struct sigaction action = {};
  action.sa_sigaction = HandleHangup;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  sigaction(SIGHUP, &action, nullptr);
}

// Who has sent SIGHUP last, if anybody has.
std::optional<Sender> TakeHangup() {
  std::optional<Sender> last;
  Sender sender;
  while (read(hangup_pipe[0], &sender, sizeof sender) == sizeof sender) {
    last = sender;
  }
  return last;
}

// Answers a control connection, which speaks JSON, with a command's outcome.  A
// connection with a request stays until it is answered.
Controller::Done ReplyTo(struct unixctl_conn* conn) {
  return [conn](bool good, const std::string& text) {
    if (good) {
      unixctl_command_reply(conn, ReplaceInvalidUtf8(text).c_str());
    } else {
      unixctl_command_reply_error(conn, ReplaceInvalidUtf8(text).c_str());
    }
  };
}

// The name of our control socket.
std::string control_socket;

std::string Commander() { return DescribeCommander(control_socket); }

MirroredBridges& BridgesOf(void* aux) {
  return *static_cast<MirroredBridges*>(aux);
}

// The bridge that a command names last, or an empty string.
std::string BridgeArgument(int argc, const char** argv) {
  return argc > 1 ? argv[argc - 1] : "";
}

// The words of a command, "[OPTION] [BRIDGE]".
struct OptionAndBridge {
  bool option = false;
  std::string bridge;
};

// Reads the words of a command whose option has these names.  If they are
// others, answers so and returns nothing.
std::optional<OptionAndBridge> TakeOptionAndBridge(
    struct unixctl_conn* conn, int argc, const char** argv,
    const std::set<std::string>& option) {
  const bool has_option = argc > 1 && option.contains(argv[1]);
  if (argc - has_option > 2) {
    const std::string error =
        std::string("\"") + argv[1] + "\" is no option of " + argv[0] + "\n";
    unixctl_command_reply_error(conn, error.c_str());
    return std::nullopt;
  }
  return OptionAndBridge{has_option,
                         BridgeArgument(argc - has_option, argv + has_option)};
}

// save [-c] [BRIDGE]
void ReplySave(struct unixctl_conn* conn, int argc, const char** argv,
               void* aux) {
  if (const auto words =
          TakeOptionAndBridge(conn, argc, argv, {"--counters", "-c"})) {
    BridgesOf(aux).Save(words->bridge, words->option, ReplyTo(conn));
  }
}

// explain [--json] [--output=PORT]... PACKET [BRIDGE]
void ReplyExplain(struct unixctl_conn* conn, int argc, const char** argv,
                  void* aux) {
  const std::string output = "--output=";
  Controller::PacketQuestion question;
  std::vector<std::string> words;
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    if (word == "--json") {
      question.as_json = true;
    } else if (word.starts_with(output)) {
      question.outputs.push_back(word.substr(output.size()));
    } else {
      words.push_back(word);
    }
  }
  if (words.empty() || words.size() > 2) {
    unixctl_command_reply_error(
        conn,
        "explain takes a packet, like in_port=eth0,tcp,tp_dst=80, and "
        "may be a bridge\n");
    return;
  }
  question.packet = words[0];
  BridgesOf(aux).Explain(words.size() == 2 ? words[1] : "", question,
                         ReplyTo(conn));
}

// status [--json] [BRIDGE]
void ReplyStatus(struct unixctl_conn* conn, int argc, const char** argv,
                 void* aux) {
  if (const auto words = TakeOptionAndBridge(conn, argc, argv, {"--json"})) {
    BridgesOf(aux).Status(words->bridge, words->option, ReplyTo(conn));
  }
}

void RegisterCommands(MirroredBridges* bridges, bool* exiting) {
  unixctl_command_register(
      "reload", "[BRIDGE]", 0, 1,
      [](struct unixctl_conn* conn, int argc, const char** argv, void* aux) {
        BridgesOf(aux).Reload(BridgeArgument(argc, argv), Commander(),
                              ReplyTo(conn));
      },
      bridges);
  unixctl_command_register(
      "clear", "[BRIDGE]", 0, 1,
      [](struct unixctl_conn* conn, int argc, const char** argv, void* aux) {
        BridgesOf(aux).Clear(BridgeArgument(argc, argv), Commander(),
                             ReplyTo(conn));
      },
      bridges);
  unixctl_command_register(
      "zero", "[BRIDGE]", 0, 1,
      [](struct unixctl_conn* conn, int argc, const char** argv, void* aux) {
        BridgesOf(aux).Zero(BridgeArgument(argc, argv), ReplyTo(conn));
      },
      bridges);
  unixctl_command_register(
      "list", "[BRIDGE]", 0, 1,
      [](struct unixctl_conn* conn, int argc, const char** argv, void* aux) {
        BridgesOf(aux).List(BridgeArgument(argc, argv), ReplyTo(conn));
      },
      bridges);
  unixctl_command_register("save", "[-c] [BRIDGE]", 0, 2, ReplySave, bridges);
  unixctl_command_register("explain",
                           "[--json] [--output=PORT]... PACKET [BRIDGE]", 1,
                           INT_MAX, ReplyExplain, bridges);
  unixctl_command_register("status", "[--json] [BRIDGE]", 0, 2, ReplyStatus,
                           bridges);
  unixctl_command_register(
      "exit", "", 0, 0,
      [](struct unixctl_conn* conn, int, const char**, void* aux) {
        *static_cast<bool*>(aux) = true;
        unixctl_command_reply(conn, nullptr);
      },
      exiting);
}

int64_t Now() { return time_msec(); }

// Becomes the user of --user, if there is one.  Open vSwitch keeps some
// capabilities then, for what its own daemons do.
void BecomeDaemon() {
  const uid_t before = geteuid();
  daemonize_start(false);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (geteuid() != before && syscall(SYS_capset, &header, none)) {
    VLOG_FATAL("cannot give up capabilities: %s", ovs_strerror(errno));
  }
}

std::unique_ptr<MirroredBridge> CreateBridge(const DaemonOptions& options,
                                             const BridgeOptions& bridge,
                                             SessionReader* sessions) {
  Controller::Options controller_options;
  controller_options.bridge = bridge.bridge;
  controller_options.policy_file = bridge.policy;
  controller_options.tables = options.tables;
  controller_options.own_tables = options.own_tables;
  controller_options.max_flows = options.bounds.max_flows;

  std::string target = bridge.bridge;
  std::unique_ptr<TapConfig> tap_config;
  if (vconn_verify_name(target.c_str())) {
    target =
        std::string("unix:") + ovs_rundir() + "/" + bridge.bridge + ".mgmt";
    tap_config =
        OvsdbTapConfig(options.database, bridge.bridge, options.tables);
    sessions->Add(bridge.bridge);
  } else {
    VLOG_INFO(
        "%s: only a bridge given by its name gets its tap tables set: make "
        "sure that its other_config:rmirror-ingress-table is %u and, if the "
        "policy has rules for it, rmirror-egress-table %u",
        target.c_str(), unsigned{options.tables.ingress},
        unsigned{options.tables.egress});
  }
  MirroredBridge::Options bridge_options = {
      bridge.bridge, PolicyFile(bridge.policy, options.set_files),
      options.bounds, options.watch, options.state_dir};
  return std::make_unique<MirroredBridge>(
      std::move(bridge_options),
      std::make_unique<Controller>(std::move(controller_options),
                                   OpenFlowConnect(target, options.connection),
                                   std::move(tap_config), Now),
      Now);
}

// What `format` makes of a snapshot that is at most a second old.
HttpResponse ServeSnapshot(MetricsExchange* exchange,
                           const std::string& content_type,
                           std::string (*format)(const MetricsSnapshot&)) {
  const std::shared_ptr<const MetricsSnapshot> snapshot =
      exchange->Get(std::chrono::seconds(1), std::chrono::seconds(5));
  if (!snapshot) {
    return {.status = 503, .body = "the daemon is busy\n"};
  }
  return {.content_type = content_type, .body = format(*snapshot)};
}

// The metrics and the live page.
HttpPages PagesOf(MetricsExchange* exchange) {
  HttpPages pages;
  const auto add = [&](const std::string& path, const char* content_type,
                       std::string (*format)(const MetricsSnapshot&)) {
    pages[path] = [=] { return ServeSnapshot(exchange, content_type, format); };
  };
  add("/metrics", kMetricsContentType, FormatMetrics);
  add("/api/state", "application/json", FormatPageState);
  add("/api/policies", "application/json", FormatPagePolicies);
  add("/api/history", "application/json", FormatPageHistory);
  for (const PageFile& file : kPageFiles) {
    const std::string name = file.name;
    pages[name == "index.html" ? "/" : "/" + name] = [file] {
      return HttpResponse{.content_type = PageContentType(file.name),
                          .body = file.text};
    };
  }
  return pages;
}

int Main(int argc, char** argv) {
  ovs_cmdl_proctitle_init(argc, argv);
  ovs_set_program_name(argv[0], RMIRROR_VERSION);
  // It has a line for each attempt to connect; the controller has one for each
  // connection that comes or breaks.
  vlog_set_levels(vlog_module_from_name("rconn"), VLF_ANY_DESTINATION, VLL_OFF);
  const DaemonOptions options = ParseOptions(argc, argv);
  // Pidfile and log are for nobody else to write.
  umask(umask(0) | S_IWGRP | S_IWOTH);
  fatal_ignore_sigpipe();

  BecomeDaemon();
  CatchHangup();
  struct unixctl_server* unixctl;
  if (unixctl_server_create(options.unixctl, &unixctl)) {
    return EXIT_FAILURE;
  }
  control_socket = unixctl_server_get_path(unixctl);
  bool exiting = false;
  SessionReader sessions(ovs_rundir(), options.lately * 1000, Now);
  MirroredBridges bridges(&sessions);
  for (const BridgeOptions& bridge : options.bridges) {
    bridges.Add(CreateBridge(options, bridge, &sessions));
  }
  RegisterCommands(&bridges, &exiting);
  if (!bridges.LoadAtStart()) {
    ovs_fatal(0, "no policy could be loaded, see the log");
  }
  MetricsExchange exchange;
  std::optional<MetricsCollector> collector;
  HttpServer server(PagesOf(&exchange));
  if (options.metrics) {
    collector.emplace(&exchange, &bridges, &sessions, Now);
    if (const std::string error = server.Start(*options.metrics);
        !error.empty()) {
      ovs_fatal(0, "--metrics: %s", error.c_str());
    }
    VLOG_INFO("the live page is at http://%s/, metrics are at /metrics",
              FormatEndpoint(*options.metrics).c_str());
  }
  daemonize_complete();
  if (const std::string error = NotifyReady(); !error.empty()) {
    VLOG_WARN("the service manager does not hear that we are ready: %s",
              error.c_str());
  }
  VLOG_INFO("ovs-rmirrord %s", RMIRROR_VERSION);

  while (!exiting) {
    if (const std::optional<Sender> sender = TakeHangup()) {
      VLOG_INFO("SIGHUP: reloading");
      bridges.Reload("", DescribeSender(sender->pid, sender->uid),
                     [](bool, const std::string&) {});
    }
    unixctl_server_run(unixctl);
    bridges.Run();
    if (collector) {
      collector->Run();
    }

    unixctl_server_wait(unixctl);
    bridges.Wait();
    if (collector) {
      collector->Wait();
    }
    poll_fd_wait(hangup_pipe[0], POLLIN);
    if (exiting) {
      poll_immediate_wake();
    }
    poll_block();
  }
  exchange.Close();
  unixctl_server_destroy(unixctl);
  return EXIT_SUCCESS;
}

}  // namespace

}  // namespace ovs_rmirror

int main(int argc, char** argv) { return ovs_rmirror::Main(argc, argv); }
