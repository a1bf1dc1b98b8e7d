// SPDX-License-Identifier: Apache-2.0
//
// Random policies and packets for two judges, iptables and a switch, which have
// to count the same for each rule.  tests/oracle/run prepares what they need.

#include <sched.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <stdexcept>

#include "controller/flows.h"
#include "controller/rule_text.h"
#include "tests/oracle/iptables.h"
#include "tests/oracle/switch.h"
#include "tests/oracle/wire_packet.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {

namespace {

struct Case {
  std::vector<WirePacket> packets;
  Policy policy;
};

// Whether `policy` is one, and a switch can have it.  It has to use both taps:
// else the bridge's settings would change with the policy, which takes time.
bool IsAcceptable(const Policy& policy) {
  if (!policy.Uses(Tap::kIngress) || !policy.Uses(Tap::kEgress)) {
    return false;
  }
  const SourceText source("policy", FormatPolicy(policy));
  Diagnostics diagnostics;
  const Policy read = ReadPolicy(source, GeneratedSets(), &diagnostics);
  if (!diagnostics.HasErrors()) {
    CompileForAnySwitch(read, kMaxFlows, &diagnostics);
  }
  return !diagnostics.HasErrors();
}

// The largest that iptables takes.  No packet of a case is over it, so that
// what a rule counts does not depend on time.
constexpr LimitMatch kLimit = {10000, 10000};

// A policy that has to mean the same to both sides.
Policy GenerateCommonPolicy() {
  Policy policy = GeneratePolicy();
  for (const Chain chain : {Chain::kOutput, Chain::kInput}) {
    if (!policy.Uses(TapOf(chain))) {
      policy.rules.emplace_back().chain = ChainName(chain);
      policy.rules.back().target = Verdict::kAccept;
    }
  }
  for (Rule& rule : policy.rules) {
    Matches& m = rule.matches;
    if (m.limit) {
      m.limit = kLimit;
    }
    if (m.icmp && m.icmp->family == Family::kIpv4 && OneIn(6)) {
      m.icmp->type.reset();
      m.icmp->code.reset();
    }
    // iptables makes a rule for each address of a list, and jumps as often as
    // these match.
    if (rule.jump()) {
      for (auto* match : {&m.source, &m.destination}) {
        if (*match) {
          (*match)->networks.resize(1);
        }
      }
    }
  }
  return policy;
}

// What those of `packets` for which `wanted` holds have to count by our own
// idea of the rules.
template <typename Wanted>
PolicyCounters Model(const Policy& policy,
                     const std::vector<WirePacket>& packets, Wanted wanted) {
  static const PortNumbers kPortNumbers = {
      {"br0", kPortLocal}, {"one", 1}, {"two", 2}, {"port3", 3}};
  PolicyCounters counters = {std::vector<Counters>(policy.rules.size()), {}};
  for (const Chain chain : kChains) {
    counters.chains[chain];
  }
  for (const WirePacket& packet : packets) {
    if (!wanted(packet)) {
      continue;
    }
    const Counters once = {1, packet.Frame().size()};
    Evaluation evaluation(policy, kPortNumbers);
    evaluation.Enter(packet.seen);
    for (const uint32_t port : packet.out_ports) {
      evaluation.Leave(packet.seen, port);
    }
    for (const Step& step : evaluation.outcome().steps) {
      if (!step.Counts()) {
        continue;
      }
      counters.rules[step.rule] += once;
      const Rule& rule = policy.rules[step.rule];
      if (rule.verdict() && *rule.verdict() == Verdict::kReturn &&
          ChainByName(rule.chain)) {
        counters.chains[step.chain] += once;
      }
    }
    for (const Chain chain : evaluation.outcome().fell_through) {
      counters.chains[chain] += once;
    }
  }
  return counters;
}

std::string FormatCounters(const Counters& counters) {
  return "[" + std::to_string(counters.packets) + ":" +
         std::to_string(counters.bytes) + "]";
}

class Oracle {
 public:
  Oracle(Iptables* iptables, Switch* sw) : iptables_(iptables), switch_(sw) {}

  // Returns what the two sides count differently; nothing if they agree.
  std::string Compare(const Case& c) {
    const PolicyCounters ip = iptables_->Count(c.policy, c.packets);
    // Frames that are not IP never get to iptables.
    const PolicyCounters others =
        Model(c.policy, c.packets,
              [](const WirePacket& packet) { return !packet.seen.family; });
    const PolicyCounters model =
        Model(c.policy, c.packets, [](const WirePacket&) { return true; });
    const PolicyCounters found = switch_->Count(c.policy, c.packets);
    rules_ += found.rules.size();
    for (const Counters& counters : found.rules) {
      hit_ += counters.packets > 0;
      hits_ += counters.packets;
    }
    std::string s;
    const auto compare = [&](const std::string& what, Counters expected,
                             const Counters& other, const Counters& got,
                             const Counters& modelled) {
      expected += other;
      if (got != expected) {
        s += "  " + what + "\n    iptables " + FormatCounters(expected) +
             ", switch " + FormatCounters(got) + ", model " +
             FormatCounters(modelled) + "\n";
      }
    };
    for (size_t r = 0; r < c.policy.rules.size(); r++) {
      compare(FormatRule(c.policy.rules[r]), ip.rules[r], others.rules[r],
              found.rules[r], model.rules[r]);
    }
    for (const Chain chain : kChains) {
      compare("policy of " + std::string(ChainName(chain)), ip.chains.at(chain),
              others.chains.at(chain), found.chains.at(chain),
              model.chains.at(chain));
    }
    return s;
  }

  // How much there was to compare.
  std::string Statistics() const {
    return std::to_string(hit_) + " of " + std::to_string(rules_) +
           " rules got " + std::to_string(hits_) + " packets";
  }

 private:
  Iptables* iptables_;
  Switch* switch_;
  uint64_t rules_ = 0;  // That were compared,
  uint64_t hit_ = 0;    // that got packets,
  uint64_t hits_ = 0;   // and how many.
};

// Policies that differ from `policy` by something that is left out.
std::vector<Policy> ShrinkPolicy(const Policy& policy) {
  std::vector<Policy> result;
  const auto add = [&](Policy candidate) {
    if (IsAcceptable(candidate)) {
      result.push_back(std::move(candidate));
    }
  };
  for (size_t r = 0; r < policy.rules.size(); r++) {
    Policy candidate = policy;
    candidate.rules.erase(candidate.rules.begin() + static_cast<ptrdiff_t>(r));
    add(std::move(candidate));
  }
  for (size_t r = 0; r < policy.rules.size(); r++) {
    const auto without = [&](auto drop) {
      Policy candidate = policy;
      drop(&candidate.rules[r].matches);
      if (FormatRule(candidate.rules[r]) != FormatRule(policy.rules[r])) {
        add(std::move(candidate));
      }
    };
    without([](Matches* m) { m->source.reset(); });
    without([](Matches* m) { m->destination.reset(); });
    without([](Matches* m) { m->source_range.reset(); });
    without([](Matches* m) { m->destination_range.reset(); });
    without([](Matches* m) { m->destination_type.reset(); });
    without([](Matches* m) { m->fragment.reset(); });
    without([](Matches* m) { m->in_interface.reset(); });
    without([](Matches* m) { m->out_interface.reset(); });
    without([](Matches* m) { m->source_port.reset(); });
    without([](Matches* m) { m->destination_port.reset(); });
    without([](Matches* m) { m->multiports.clear(); });
    without([](Matches* m) { m->tcp_flags.reset(); });
    without([](Matches* m) { m->icmp.reset(); });
    without([](Matches* m) { m->mac_source.reset(); });
    without([](Matches* m) { m->vlan.reset(); });
    without([](Matches* m) { m->dscp.reset(); });
    without([](Matches* m) { m->mark.reset(); });
    without([](Matches* m) { m->sets.clear(); });
    without([](Matches* m) { m->limit.reset(); });
    without([](Matches* m) { m->statistic.reset(); });
    without([](Matches* m) {
      if (!m->MatchesTransport()) {
        m->protocol.reset();
      }
    });
    without([](Matches* m) { m->ipv4 = m->ipv6 = true; });
  }
  for (size_t i = 0; i < policy.user_chains.size(); i++) {
    Policy candidate = policy;
    candidate.user_chains.erase(candidate.user_chains.begin() +
                                static_cast<ptrdiff_t>(i));
    add(std::move(candidate));
  }
  if (!policy.chain_policies.empty()) {
    Policy candidate = policy;
    candidate.chain_policies.clear();
    add(std::move(candidate));
  }
  return result;
}

// Some of `packets`: one half, or all but a piece, the larger pieces first.
std::vector<std::vector<WirePacket>> ShrinkPackets(
    const std::vector<WirePacket>& packets) {
  std::vector<std::vector<WirePacket>> result;
  const auto begin = packets.begin(), end = packets.end();
  const auto half = static_cast<ptrdiff_t>(packets.size() / 2);
  result.push_back({begin, begin + half});
  result.push_back({begin + half, end});
  for (ptrdiff_t size = half / 2; size > 0; size /= 2) {
    for (auto piece = begin; end - piece >= size; piece += size) {
      result.emplace_back(begin, piece);
      result.back().insert(result.back().end(), piece + size, end);
    }
  }
  return result;
}

// Cases with fewer packets, or if there is but one left, a smaller policy.
rc::Seq<Case> ShrinkCase(const Case& c) {
  if (c.packets.size() > 1) {
    return rc::seq::map(rc::seq::fromContainer(ShrinkPackets(c.packets)),
                        [policy = c.policy](std::vector<WirePacket> packets) {
                          return Case{std::move(packets), policy};
                        });
  }
  return rc::seq::map(rc::seq::fromContainer(ShrinkPolicy(c.policy)),
                      [packets = c.packets](Policy policy) {
                        return Case{packets, std::move(policy)};
                      });
}

rc::Gen<Case> CaseGenerator(size_t packets) {
  return [=](const rc::Random& random, int) {
    const auto generate = rc::gen::exec([=] {
      Case c;
      do {
        c.policy = GenerateCommonPolicy();
      } while (!IsAcceptable(c.policy));
      for (size_t i = 0; i < packets; i++) {
        c.packets.push_back(GenerateWirePacket());
      }
      return c;
    });
    return rc::shrinkable::shrinkRecur(
        generate(random, rc::kNominalSize).value(), ShrinkCase);
  };
}

void Show(const Case& c, const std::string& difference) {
  std::cout << FormatPolicy(c.policy) << c.packets.size() << " packets\n";
  for (size_t i = 0; i < std::min<size_t>(c.packets.size(), 10); i++) {
    std::cout << "  " << FormatWirePacket(c.packets[i]) << "\n";
  }
  std::cout << difference;
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    std::cout << (family == Family::kIpv4 ? "iptables" : "ip6tables")
              << "-legacy-restore reads\n"
              << Iptables::Text(c.policy, family);
  }
}

// Goes on with what still fails among the smaller cases of `failed`.
void Minimize(Oracle* oracle, rc::Shrinkable<Case> failed,
              std::string difference) {
  int attempts = 150;
  for (bool found = true; found;) {
    found = false;
    rc::Seq<rc::Shrinkable<Case>> smaller = failed.shrinks();
    for (auto next = smaller.next(); next && attempts-- > 0;
         next = smaller.next()) {
      const std::string left = oracle->Compare(next->value());
      if (!left.empty()) {
        failed = *next;
        difference = left;
        found = true;
        break;
      }
    }
  }
  Show(failed.value(), difference);
}

int Main(int argc, char** argv) {
  CLI::App app{"Compares what iptables and a switch count."};
  std::string switch_control, controller_control, policy_file;
  int policies = 200;
  size_t packets = 200;
  uint64_t seed = static_cast<uint64_t>(
      std::chrono::system_clock::now().time_since_epoch().count() % 1000000000);
  bool print_sets = false;
  app.add_flag("--print-sets", print_sets,
               "only print the sets to which policies refer");
  app.add_option("--switch", switch_control, "control socket of ovs-vswitchd");
  app.add_option("--controller", controller_control,
                 "control socket of ovs-rmirrord");
  app.add_option("--policy", policy_file, "file that ovs-rmirrord reads");
  app.add_option("--policies", policies);
  app.add_option("--packets", packets);
  app.add_option("--seed", seed);
  CLI11_PARSE(app, argc, argv);
  if (print_sets) {
    std::cout << kGeneratedSets;
    return 0;
  }

  // The kernel keeps the order of packets that one processor sends.
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(sched_getcpu(), &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);

  Iptables iptables;
  Switch sw(switch_control, controller_control, policy_file);
  Oracle oracle(&iptables, &sw);
  std::cout << policies << " policies from --seed " << seed << ", " << packets
            << " packets each" << std::endl;
  int passed = 0, failed = 0;
  auto reported = std::chrono::steady_clock::now();
  for (int i = 0; i < policies; i++) {
    const uint64_t own_seed = seed + static_cast<uint64_t>(i);
    const rc::Shrinkable<Case> generated =
        CaseGenerator(packets)(rc::Random(own_seed), 0);
    const std::string difference = oracle.Compare(generated.value());
    if (difference.empty()) {
      passed++;
    } else {
      failed++;
      std::cout << "not ok: --seed " << own_seed << " --policies 1 --packets "
                << packets << std::endl;
      Minimize(&oracle, generated, difference);
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - reported > std::chrono::seconds(20)) {
      reported = now;
      std::cout << i + 1 << " of " << policies << std::endl;
    }
  }
  std::cout << oracle.Statistics() << "\n"
            << passed << " passed, " << failed << " failed" << std::endl;
  return failed ? 1 : 0;
}

}  // namespace

}  // namespace ovs_rmirror

int main(int argc, char** argv) {
  try {
    return ovs_rmirror::Main(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "rmirror-oracle: " << e.what() << std::endl;
    return 1;
  }
}
