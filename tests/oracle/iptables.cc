// SPDX-License-Identifier: Apache-2.0

#include "tests/oracle/iptables.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "controller/rule_text.h"
#include "controller/stages.h"

namespace ovs_rmirror {

namespace {

// The mark of a packet in the kernel.  From the lowest bit: the mark that
// policies match (kPolicyMark), what iptables does not see or not everywhere,
// and a bit for each session.
constexpr uint32_t kInMacSet = 0x200;
constexpr int kMacShift = 10, kVlanShift = 12, kSessionShift = 16;
constexpr uint32_t kLater = 0x8000;
constexpr uint32_t kMacMask = 3u << kMacShift, kVlanMask = 7u << kVlanShift;
constexpr uint32_t kSessionMask = 0xffff0000;

// A packet of this protocol says that those before it are through.
constexpr uint8_t kMarkerProtocol = 253;

constexpr const char* kTables[] = {"raw", "mangle", "filter"};

std::string TableOf(Chain chain) {
  switch (chain) {
    case Chain::kPrerouting:
    case Chain::kPostrouting:
      return "mangle";
    case Chain::kInput:
    case Chain::kForward:
      return "filter";
    case Chain::kOutput:
      return "raw";
  }
  return "";
}

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what);
}

[[noreturn]] void FailWithErrno(const std::string& what) {
  Fail(what + ": " + std::strerror(errno));
}

std::string ProgramName(Family family, const char* verb) {
  return std::string(family == Family::kIpv4 ? "iptables" : "ip6tables") +
         "-legacy-" + verb;
}

std::string MarkOption(bool negated, uint32_t value, uint32_t mask) {
  char text[64];
  std::snprintf(text, sizeof text, " -m mark%s --mark 0x%x/0x%x",
                negated ? " !" : "", value, mask);
  return text;
}

uint32_t CodeOfMac(uint64_t mac) { return mac & 3; }

uint32_t CodeOfVlan(const std::optional<uint16_t>& vlan) {
  if (!vlan) {
    return 0;
  }
  switch (*vlan) {
    case 0:
      return 1;
    case 7:
      return 2;
    case 4095:
      return 3;
  }
  return 4;
}

bool IsMacSet(const SetMatch& match) {
  return match.set->type == IpSet::Type::kMac;
}

uint32_t MarkOf(const Packet& packet) {
  // The set of MAC addresses holds 02:00:00:00:00:01 and :02.
  const bool in_set =
      packet.dl_src == 0x020000000001 || packet.dl_src == 0x020000000002;
  const bool later = packet.family == Family::kIpv6 && packet.later_fragment;
  return packet.mark | (in_set ? kInMacSet : 0) | (later ? kLater : 0) |
         CodeOfMac(packet.dl_src) << kMacShift |
         CodeOfVlan(packet.vlan) << kVlanShift;
}

// The one-address forms of a list, as iptables expands it.
std::vector<std::optional<AddressMatch>> Expand(
    const std::optional<AddressMatch>& match) {
  if (!match) {
    return {std::nullopt};
  }
  std::vector<std::optional<AddressMatch>> result;
  for (const Network& network : match->networks) {
    result.push_back(AddressMatch{match->negated, {network}});
  }
  return result;
}

std::string FormatInterface(const InterfaceMatch& match, const char* option) {
  return std::string(match.negated ? " !" : "") + option + match.name +
         (match.prefix ? "+" : "");
}

// What says `match` of the port by which a packet leaves.  Where it comes from
// a port of the Linux bridge, this is a port of the bridge, too; else it is a
// device.
std::vector<std::string> FormatOutInterface(
    const std::optional<InterfaceMatch>& match, const std::string& table) {
  if (!match) {
    return {""};
  } else if (match->IsNever()) {
    return {FormatInterface(*match, " -o ")};
  } else if (table == "raw") {
    // OUTPUT of iptables knows the device, that of a switch does not.
    return match->negated ? std::vector<std::string>{""}
                          : std::vector<std::string>{};
  }
  return {
      " -m physdev --physdev-is-bridged" +
          FormatInterface(*match, " --physdev-out "),
      " -m physdev ! --physdev-is-bridged" + FormatInterface(*match, " -o ")};
}

// Returns the rules of iptables, or ip6tables, that together say `matches` in
// `table`.  No packet matches two of them, unless a list of addresses holds it
// twice.
std::vector<std::string> FormatAlternatives(Matches m, Family family,
                                            const std::string& table,
                                            bool has_mac) {
  if (!(family == Family::kIpv4 ? m.ipv4 : m.ipv6)) {
    return {};
  }
  m.ipv4 = m.ipv6 = true;
  // What a rule counts in a switch, dice do not change.
  m.statistic.reset();
  std::string text;
  if (m.mark) {
    text += MarkOption(m.mark->negated, m.mark->mark.value,
                       m.mark->mark.mask & kPolicyMark);
    m.mark.reset();
  }
  if (m.vlan) {
    text += MarkOption(m.vlan->negated, CodeOfVlan(m.vlan->id) << kVlanShift,
                       kVlanMask);
    m.vlan.reset();
  }
  if (m.mac_source && !has_mac) {
    text += MarkOption(m.mac_source->negated,
                       CodeOfMac(m.mac_source->mac) << kMacShift, kMacMask);
    m.mac_source.reset();
  }
  for (const SetMatch& match : m.sets) {
    if (IsMacSet(match)) {
      text += MarkOption(match.negated, kInMacSet, kInMacSet);
    }
  }
  std::erase_if(m.sets, IsMacSet);
  if (m.in_interface) {
    text += m.in_interface->IsNever()
                ? FormatInterface(*m.in_interface, " -i ")
                : " -m physdev" +
                      FormatInterface(*m.in_interface, " --physdev-in ");
    m.in_interface.reset();
  }
  const std::vector<std::string> outs =
      FormatOutInterface(m.out_interface, table);
  m.out_interface.reset();
  if (m.destination_type && family == Family::kIpv6) {
    m.destination_type->broadcast = false;
    if (m.destination_type->unicast && m.destination_type->multicast) {
      // ip6tables takes a list for types that all have to hold.  Every packet
      // here has one of these.
      if (m.destination_type->negated) {
        return {};
      }
      m.destination_type.reset();
    }
  }
  std::vector<std::string> result;
  const auto add = [&](const std::string& before) {
    const auto sources = Expand(m.source), destinations = Expand(m.destination);
    for (const auto& source : sources) {
      for (const auto& destination : destinations) {
        Matches one = m;
        one.source = source;
        one.destination = destination;
        for (const std::string& out : outs) {
          result.push_back(before + text + out + FormatMatches(one));
        }
      }
    }
  };
  if (family == Family::kIpv6 && m.protocol) {
    // ip6tables takes a later fragment's protocol from its fragment header; for
    // a switch it is that of this header.
    add(MarkOption(true, kLater, kLater));
    if ((m.protocol->protocol == IPPROTO_FRAGMENT) != m.protocol->negated &&
        !m.MatchesTransport()) {
      m.protocol.reset();
      add(MarkOption(false, kLater, kLater));
    }
  } else {
    add("");
  }
  return result;
}

uint64_t ReadNumber(const char** p) {
  char* end;
  const uint64_t number = std::strtoull(*p, &end, 10);
  *p = end;
  return number;
}

// Reads "[PACKETS:BYTES]".
Counters ReadCounters(const char* p) {
  Counters counters;
  p++;
  counters.packets = ReadNumber(&p);
  p++;
  counters.bytes = ReadNumber(&p);
  return counters;
}

int OpenSocket(int domain, int type, int protocol) {
  const int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) {
    FailWithErrno("socket");
  }
  return fd;
}

void SetOption(int fd, int level, int option, const void* value, size_t size) {
  if (setsockopt(fd, level, option, value, static_cast<socklen_t>(size))) {
    FailWithErrno("setsockopt");
  }
}

std::string PortName(uint32_t port) {
  constexpr const char* kNames[] = {"", "one", "two", "port3"};
  return kNames[port];
}

}  // namespace

Iptables::Iptables() {
  packet_socket_ = OpenSocket(AF_PACKET, SOCK_RAW, 0);
  const int one = 1;
  for (uint32_t port = 1; port <= kPorts; port++) {
    const std::string name = PortName(port), peer = "p" + std::to_string(port);
    peers_[port] = static_cast<int>(if_nametoindex(peer.c_str()));
    ipv4_sockets_[port] = OpenSocket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    ipv6_sockets_[port] = OpenSocket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
    SetOption(ipv4_sockets_[port], IPPROTO_IP, IP_HDRINCL, &one, sizeof one);
    SetOption(ipv6_sockets_[port], IPPROTO_IPV6, IPV6_HDRINCL, &one,
              sizeof one);
    for (const int fd : {ipv4_sockets_[port], ipv6_sockets_[port]}) {
      SetOption(fd, SOL_SOCKET, SO_BINDTODEVICE, name.c_str(), name.size());
    }
  }
}

Iptables::~Iptables() {
  close(packet_socket_);
  for (uint32_t port = 1; port <= kPorts; port++) {
    close(ipv4_sockets_[port]);
    close(ipv6_sockets_[port]);
  }
}

std::string Iptables::Write(const Policy& policy, Family family, Lines* lines) {
  std::map<std::string, uint32_t> sessions;  // To their bits.
  for (const Rule& rule : policy.rules) {
    if (const Mirror* mirror = rule.mirror()) {
      sessions.try_emplace(FormatSession(mirror->session),
                           uint32_t{1} << (kSessionShift + sessions.size()));
    }
  }
  if (sessions.size() > 16) {
    Fail("a policy has more sessions than the mark has bits for them");
  }

  std::string text;
  for (const std::string table : kTables) {
    std::string chains, rules;
    const auto declare = [&](const std::string& chain, const char* verdict,
                             std::optional<Chain> counts) {
      chains += ":" + chain + " " + verdict + " [0:0]\n";
      (*lines)[{table, chain}].push_back({std::nullopt, counts});
    };
    const auto append = [&](const std::string& chain, const std::string& rule,
                            std::optional<size_t> counts) {
      rules += "-A " + chain + rule + "\n";
      (*lines)[{table, chain}].push_back({counts, std::nullopt});
    };
    for (const Chain chain : kChains) {
      if (TableOf(chain) == table) {
        const bool drop =
            policy.PolicyOf(chain) == Verdict::kDrop && table == "filter";
        const std::string name(ChainName(chain));
        declare(name, drop ? "DROP" : "ACCEPT", chain);
        append(name, " -j MARK --set-xmark 0/" + std::to_string(kSessionMask),
               std::nullopt);
      }
    }
    if (table == "raw") {
      declare("PREROUTING", "ACCEPT", std::nullopt);
      append("PREROUTING",
             " -p " + std::to_string(kMarkerProtocol) + " -j DROP",
             std::nullopt);
    }
    for (const std::string& chain : policy.user_chains) {
      declare(chain, "-", std::nullopt);
    }
    for (size_t r = 0; r < policy.rules.size(); r++) {
      const Rule& rule = policy.rules[r];
      const std::optional<Chain> chain = ChainByName(rule.chain);
      if (chain && TableOf(*chain) != table) {
        continue;
      }
      const bool has_mac = chain == Chain::kPrerouting || table == "filter";
      std::string before, after;
      if (const Mirror* mirror = rule.mirror()) {
        const uint32_t bit = sessions.at(FormatSession(mirror->session));
        before = MarkOption(false, 0, bit);
        after = " -j MARK --or-mark " + std::to_string(bit);
      } else if (const Jump* jump = rule.jump()) {
        after = (jump->is_goto ? " -g " : " -j ") + jump->chain;
      } else if (*rule.verdict() == Verdict::kDrop && table != "filter") {
        after = " -j ACCEPT";
      } else {
        after = " -j " + std::string(VerdictName(*rule.verdict()));
      }
      for (const std::string& matches :
           FormatAlternatives(rule.matches, family, table, has_mac)) {
        append(rule.chain, before + matches + after, r);
      }
    }
    text += "*" + table + "\n" + chains + rules + "COMMIT\n";
  }
  return text;
}

std::string Iptables::Text(const Policy& policy, Family family) {
  Lines lines;
  return Write(policy, family, &lines);
}

PolicyCounters Iptables::Count(const Policy& policy,
                               const std::vector<WirePacket>& packets) {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    lines_[family].clear();
    const std::string text = Write(policy, family, &lines_[family]);
    const std::string program = ProgramName(family, "restore");
    FILE* pipe = popen(program.c_str(), "we");
    if (!pipe) {
      FailWithErrno(program);
    }
    const bool written =
        std::fwrite(text.data(), 1, text.size(), pipe) == text.size();
    if (pclose(pipe) || !written) {
      Fail(program + " refuses this:\n" + text);
    }
  }
  markers_ = 0;

  // iptables counts from the IP header on.  How much longer the frames are is
  // the same for all packets that are counted together.
  std::map<size_t, std::vector<const WirePacket*>> groups;
  for (const WirePacket& packet : packets) {
    if (packet.seen.family) {
      groups[packet.Overhead()].push_back(&packet);
    }
  }
  PolicyCounters total = {std::vector<Counters>(policy.rules.size()), {}};
  PolicyCounters before = total;
  const auto add = [](const Counters& now, const Counters& then,
                      size_t overhead, Counters* sum) {
    const uint64_t n = now.packets - then.packets;
    sum->packets += n;
    sum->bytes += now.bytes - then.bytes + n * overhead;
  };
  for (const auto& [overhead, group] : groups) {
    // Far fewer at once than the kernel queues.
    for (size_t i = 0; i < group.size(); i++) {
      Send(*group[i]);
      if (i + 1 == group.size() || i % 200 == 199) {
        const PolicyCounters now = Read(policy);
        for (size_t r = 0; r < policy.rules.size(); r++) {
          add(now.rules[r], before.rules[r], overhead, &total.rules[r]);
        }
        for (const Chain chain : kChains) {
          add(now.chains.at(chain), before.chains[chain], overhead,
              &total.chains[chain]);
        }
        before = now;
      }
    }
  }
  for (const Chain chain : kChains) {
    total.chains[chain];
  }
  return total;
}

void Iptables::Send(const WirePacket& packet) {
  const Packet& p = packet.seen;
  const uint32_t mark = MarkOf(p);
  ssize_t sent;
  Bytes bytes;
  if (p.in_port != kPortLocal) {
    bytes = packet.UntaggedFrame();
    SetOption(packet_socket_, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    struct sockaddr_ll to = {};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = peers_[p.in_port];
    sent = sendto(packet_socket_, bytes.data(), bytes.size(), 0,
                  reinterpret_cast<struct sockaddr*>(&to), sizeof to);
  } else if (bytes = packet.Layer3(); *p.family == Family::kIpv4) {
    const int fd = ipv4_sockets_[packet.out_ports[0]];
    SetOption(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    struct sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(0xc0000263);  // Any address beyond the gateway.
    sent = sendto(fd, bytes.data(), bytes.size(), 0,
                  reinterpret_cast<struct sockaddr*>(&to), sizeof to);
  } else {
    const int fd = ipv6_sockets_[packet.out_ports[0]];
    SetOption(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    struct sockaddr_in6 to = {};
    to.sin6_family = AF_INET6;
    inet_pton(AF_INET6, "2001:db8:63::1", &to.sin6_addr);
    sent = sendto(fd, bytes.data(), bytes.size(), 0,
                  reinterpret_cast<struct sockaddr*>(&to), sizeof to);
  }
  if (sent != static_cast<ssize_t>(bytes.size())) {
    FailWithErrno("cannot send " + FormatWirePacket(packet));
  }
}

PolicyCounters Iptables::Read(const Policy& policy) {
  WirePacket marker;
  marker.seen.family = Family::kIpv4;
  marker.seen.nw_proto = kMarkerProtocol;
  marker.seen.dl_src = 0x020000000000;
  Send(marker);
  markers_++;

  PolicyCounters counters;
  do {
    counters = {std::vector<Counters>(policy.rules.size()), {}};
    ReadFamily(Family::kIpv4, &counters);
  } while (markers_seen_ != markers_);
  ReadFamily(Family::kIpv6, &counters);
  return counters;
}

void Iptables::ReadFamily(Family family, PolicyCounters* counters) {
  const std::string program = ProgramName(family, "save") + " -c";
  FILE* pipe = popen(program.c_str(), "re");
  if (!pipe) {
    FailWithErrno(program);
  }
  std::string text;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    text.append(buffer, n);
  }
  if (pclose(pipe)) {
    Fail(program + " failed");
  }

  const Lines& lines = lines_.at(family);
  const auto line_of = [&](const std::string& table, const std::string& chain,
                           size_t number) -> Line {
    const auto it = lines.find({table, chain});
    return it == lines.end() ? Line{} : it->second.at(number);
  };
  std::map<std::string, size_t> seen;  // Rules of each chain of the table.
  std::string table, line;
  for (std::istringstream stream(text); std::getline(stream, line);) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (line[0] == '*') {
      table = line.substr(1);
      seen.clear();
    } else if (line[0] == ':') {
      const Line what = line_of(table, first.substr(1), 0);
      if (what.chain) {
        counters->chains[*what.chain] += ReadCounters(third.c_str());
      }
    } else if (line[0] == '[') {
      const Counters count = ReadCounters(first.c_str());
      const size_t number = ++seen[third];
      const Line what = line_of(table, third, number);
      if (what.rule) {
        counters->rules[*what.rule] += count;
      } else if (family == Family::kIpv4 && table == "raw" &&
                 third == "PREROUTING") {
        markers_seen_ = count.packets;
      }
    }
  }
}

}  // namespace ovs_rmirror
