// SPDX-License-Identifier: Apache-2.0

#include "controller/rules.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "controller/rule_text.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

std::string InTable(const std::string& rules) {
  return "*rmirror\n" + rules + "\nCOMMIT\n";
}

// The only rule of a policy in which nothing is wrong.
Rule ReadRule(const std::string& line) {
  const SourceText source("p", InTable(line));
  Diagnostics diagnostics;
  Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_EQ(Format(source, diagnostics), "");
  EXPECT_EQ(policy.rules.size(), 1u);
  return policy.rules.empty() ? Rule() : policy.rules[0];
}

// Everything that is said about the rules in `rules`.
std::string Complaints(const std::string& rules) {
  const SourceText source("p", InTable(rules));
  Diagnostics diagnostics;
  ReadPolicy(source, {}, &diagnostics);
  return Format(source, diagnostics);
}

// The complaint's first line and, in brackets, the piece that it points at.
std::string Complaint(const std::string& rule) {
  const SourceText source("p", InTable(rule));
  Diagnostics diagnostics;
  ReadPolicy(source, {}, &diagnostics);
  std::string s;
  for (const Diagnostic& d : diagnostics.Sorted()) {
    const std::string_view line =
        source.lines()[static_cast<size_t>(d.where.line) - 1];
    s += (s.empty() ? "" : "; ") + d.what + " [" +
         std::string(line.substr(d.where.offset, d.where.length)) + "]";
  }
  return s;
}

TEST(Rules, HaveDefaultsOfTheIptablesTarget) {
  const Rule rule = ReadRule("-A PREROUTING -j RMIRROR --target 192.0.2.9");
  ASSERT_TRUE(rule.mirror());
  const Session& session = rule.mirror()->session;
  EXPECT_EQ(FormatAddress(session.target), "192.0.2.9");
  EXPECT_FALSE(session.key);
  EXPECT_EQ(session.ttl, 255);
  EXPECT_EQ(session.tos, 0);
  EXPECT_FALSE(session.df);
  EXPECT_EQ(rule.mirror()->len, Length{});
  EXPECT_FALSE(rule.matches.MatchesLayer3());
}

TEST(Rules, TakeEveryOptionOfTheTarget) {
  const Rule rule = ReadRule(
      "-A OUTPUT -j RMIRROR --target 2001:db8::9 --len 65535 --key 0xffffffff "
      "--ttl 1 --tos 0x20 --df");
  const Mirror& mirror = *rule.mirror();
  EXPECT_EQ(rule.chain, "OUTPUT");
  EXPECT_EQ(mirror.session.target.family, Family::kIpv6);
  EXPECT_EQ(mirror.len.bytes, 65535);
  EXPECT_EQ(mirror.session.key, 0xffffffffu);
  EXPECT_EQ(mirror.session.ttl, 1);
  EXPECT_EQ(mirror.session.tos, 0x20);
  EXPECT_TRUE(mirror.session.df);
}

TEST(Rules, TakeMtuAndInherit) {
  const Rule rule = ReadRule(
      "-A OUTPUT -j RMIRROR --target 192.0.2.9 --len mtu --tos inherit");
  EXPECT_TRUE(rule.mirror()->len.mtu);
  EXPECT_FALSE(rule.mirror()->session.tos);
}

TEST(Rules, ReadMasksOfAllKindsAndClearHostBits) {
  EXPECT_EQ(FormatRule(ReadRule("-A OUTPUT -s 10.1.2.3/8,10.0.0.1/255.0.0.255,"
                                "192.0.2.1/0 -j DROP")),
            "-A OUTPUT -s 10.0.0.0/8,10.0.0.1/255.0.0.255,0.0.0.0/0 -j DROP");
  EXPECT_EQ(FormatRule(ReadRule("-A OUTPUT ! -d 2001:db8::ff/ffff::ff -j "
                                "DROP")),
            "-A OUTPUT ! -d 2001::ff/ffff::ff -j DROP");
}

TEST(Rules, TakeTheFamilyFromAddresses) {
  const Rule v4 = ReadRule("-A OUTPUT -s 0.0.0.0/0 -j DROP");
  EXPECT_TRUE(v4.matches.ipv4 && !v4.matches.ipv6 &&
              v4.matches.MatchesLayer3());
  const Rule v6 = ReadRule("-A OUTPUT -s ::/0 -j DROP");
  EXPECT_TRUE(!v6.matches.ipv4 && v6.matches.ipv6);
  const Rule both = ReadRule("-A OUTPUT -s 10.0.0.1,2001:db8::1 -j DROP");
  EXPECT_TRUE(both.matches.ipv4 && both.matches.ipv6 &&
              both.matches.MatchesLayer3());
  const Rule restricted = ReadRule("-A OUTPUT -6 -j DROP");
  EXPECT_TRUE(!restricted.matches.ipv4 && restricted.matches.ipv6);
}

TEST(Rules, KeepOfAMixedListWhatCanMatch) {
  EXPECT_EQ(Complaint("-A OUTPUT -s 10.0.0.1,2001:db8::1 -d 10.0.0.2 -j DROP"),
            "this rule can match IPv4 only: the other addresses have no effect "
            "[-A]");
}

TEST(Rules, RefuseFamiliesThatContradictEachOther) {
  EXPECT_EQ(Complaint("-A OUTPUT -s 10.0.0.1 -d 2001:db8::1 -j DROP"),
            "one address is IPv4 and the other IPv6: the rule can never match "
            "[-A]");
  EXPECT_EQ(Complaint("-A OUTPUT -6 -s 10.0.0.1 -j DROP"),
            "the addresses are not of the family that the rule is restricted "
            "to [-A]");
  EXPECT_EQ(Complaint("-A OUTPUT -4 -6 -j DROP"),
            "-4 and -6 exclude each other [-A]");
}

TEST(Rules, KnowProtocolsByNameAndNumber) {
  EXPECT_EQ(ReadRule("-A OUTPUT -p TCP -j DROP").matches.protocol->protocol, 6);
  EXPECT_EQ(
      ReadRule("-A OUTPUT -p ipv6-icmp -j DROP").matches.protocol->protocol,
      58);
  EXPECT_EQ(ReadRule("-A OUTPUT ! -p 89 -j DROP").matches.protocol->protocol,
            89);
  EXPECT_TRUE(ReadRule("-A OUTPUT ! -p 89 -j DROP").matches.protocol->negated);
}

TEST(Rules, TakeProtocolAllAsNoMatch) {
  EXPECT_FALSE(ReadRule("-A OUTPUT -p all -j DROP").matches.MatchesLayer3());
  EXPECT_FALSE(ReadRule("-A OUTPUT -p 0 -j DROP").matches.MatchesLayer3());
  EXPECT_FALSE(ReadRule("-A OUTPUT -p ip -j DROP").matches.MatchesLayer3());
  EXPECT_EQ(Complaint("-A OUTPUT ! -p all -j DROP"),
            "a rule that excludes every protocol can never match [!]");
}

TEST(Rules, ReadPortsRangesAndServices) {
  const auto ports = [](const std::string& value) {
    return ReadRule("-A OUTPUT -p tcp --dport " + value + " -j DROP")
        .matches.destination_port;
  };
  EXPECT_EQ(ports("80")->first, 80);
  EXPECT_EQ(ports("80")->last, 80);
  EXPECT_EQ(ports("1024:2047")->last, 2047);
  EXPECT_EQ(ports(":1023")->first, 0);
  EXPECT_EQ(ports("1024:")->last, 65535);
  EXPECT_EQ(ports("ssh:http")->first, 22);
  EXPECT_EQ(ports("ssh:http")->last, 80);
}

TEST(Rules, ReadPortsBeforeTheirProtocol) {
  EXPECT_EQ(ReadRule("-A OUTPUT --sport 53 -p udp -j DROP")
                .matches.source_port->first,
            53);
}

TEST(Rules, RefusePortsThatAreNone) {
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp --dport 65536 -j DROP"),
            "'65536' is no port of tcp [65536]");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp --dport 1:nosuchservice -j DROP"),
            "'nosuchservice' is no port of tcp [nosuchservice]");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp --dport 5:3 -j DROP"),
            "this range of ports is empty [5:3]");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp --dport -j DROP"),
            "the rule says not what to do with its packets [-A]; '-j' is no "
            "port of tcp [-j]; 'DROP' belongs to no option [DROP]");
}

TEST(Rules, RefusePortsWithoutAProtocolThatHasThem) {
  for (const std::string p : {"", "-p icmp ", "! -p tcp "}) {
    EXPECT_EQ(Complaint("-A OUTPUT " + p + "--sport 1 -j DROP"),
              "--sport needs a protocol with ports [--sport]")
        << p;
  }
}

TEST(Rules, WantTheProtocolOfAProtocolMatch) {
  EXPECT_EQ(Complaint("-A OUTPUT -p udp -m tcp -j DROP"),
            "-m tcp needs -p tcp [tcp]");
  EXPECT_EQ(Complaint("-A OUTPUT -p sctp -m sctp --sport 1 -j DROP"), "");
}

TEST(Rules, ReadMacsAndComments) {
  const Rule rule = ReadRule(
      "-A OUTPUT -m mac ! --mac-source 02:00:00:00:00:05 -m comment --comment "
      "\"a b\" -j DROP");
  EXPECT_TRUE(rule.matches.mac_source->negated);
  EXPECT_EQ(rule.matches.mac_source->mac, 0x020000000005u);
  EXPECT_EQ(rule.comment, "a b");
}

TEST(Rules, WantAModuleBeforeItsOptions) {
  EXPECT_EQ(Complaint("-A OUTPUT --mac-source 02:00:00:00:00:05 -j DROP"),
            "--mac-source needs -m mac before it [--mac-source]");
  EXPECT_EQ(Complaint("-A OUTPUT --comment x -j DROP"),
            "--comment needs -m comment before it [--comment]");
  EXPECT_EQ(Complaint("-A OUTPUT --len 64 -j RMIRROR --target 1.2.3.4"),
            "--len needs -j RMIRROR before it [--len]");
  EXPECT_EQ(Complaint("-A OUTPUT -j ACCEPT --key 1"),
            "--key needs -j RMIRROR before it [--key]");
}

TEST(Rules, RefuseInterfacesWhereIptablesDoes) {
  for (const char* rule :
       {"PREROUTING -i", "INPUT -i", "FORWARD -i", "FORWARD -o",
        "POSTROUTING -o", "WEB -i", "WEB ! -o"}) {
    EXPECT_EQ(Complaint(":WEB -\n-A " + std::string(rule) + " eth0 -j DROP"),
              "")
        << rule;
  }
  EXPECT_EQ(Complaint("-A OUTPUT -i eth0 -j DROP"),
            "-i is not possible in OUTPUT [-i]");
  EXPECT_EQ(Complaint("-A POSTROUTING ! -i eth0 -j DROP"),
            "-i is not possible in POSTROUTING [-i]");
  EXPECT_EQ(Complaint("-A PREROUTING -o eth0 -j DROP"),
            "-o is not possible in PREROUTING [-o]");
  EXPECT_EQ(Complaint("-A INPUT -o eth0 -j DROP"),
            "-o is not possible in INPUT [-o]");
}

TEST(Rules, SayWhereToAskForTheOutputOfWhatTheHostSends) {
  EXPECT_EQ(Complaints("-A OUTPUT -o eth0 -j DROP"),
            "p:2:11: error: -o is not possible in OUTPUT\n"
            "    -A OUTPUT -o eth0 -j DROP\n"
            "              ^~\n"
            "    where a packet leaves is not known when it enters; use "
            "POSTROUTING, which sees what the host sends, too\n");
}

TEST(Rules, RefuseInterfacesThatCannotBeOne) {
  EXPECT_EQ(Complaint("-A PREROUTING -i LOCAL -j DROP"),
            "LOCAL is not a port for -i [LOCAL]");
  EXPECT_EQ(Complaint("-A FORWARD -o LOCAL -j DROP"),
            "LOCAL is not a port for -o [LOCAL]");
  EXPECT_EQ(Complaint("-A PREROUTING -i averylongport0000 -j DROP"),
            "OpenFlow cuts names of ports to 15 characters "
            "[averylongport0000]");
}

TEST(Rules, RefuseTargetsThatNoCollectorHas) {
  EXPECT_EQ(Complaint("-A OUTPUT -j RMIRROR --target sensor.example"),
            "'sensor.example' is no IP address [sensor.example]");
  for (const auto& [address, kind] :
       std::map<std::string, std::string>{{"224.0.0.1", "a multicast"},
                                          {"239.255.255.255", "a multicast"},
                                          {"ff02::1", "a multicast"},
                                          {"255.255.255.255", "the broadcast"},
                                          {"0.0.0.0", "the unspecified"},
                                          {"::", "the unspecified"},
                                          {"127.0.0.1", "a loopback"},
                                          {"127.255.0.1", "a loopback"},
                                          {"::1", "a loopback"}}) {
    EXPECT_EQ(Complaint("-A OUTPUT -j RMIRROR --target " + address),
              "'" + address + "' is " + kind +
                  " address, which no collector has [" + address + "]");
  }
  EXPECT_EQ(Complaint("-A OUTPUT -j RMIRROR --target ::ffff:192.0.2.9"),
            "'::ffff:192.0.2.9' is an IPv4 address mapped to IPv6 "
            "[::ffff:192.0.2.9]");
}

TEST(Rules, RefuseLengthsWithoutAnEthernetHeader) {
  const std::string mirror = "-A OUTPUT -j RMIRROR --target 192.0.2.9 --len ";
  for (const char* len : {"1", "13"}) {
    EXPECT_EQ(Complaint(mirror + len), std::string("a copy of ") + len +
                                           " bytes has no whole Ethernet "
                                           "header [" +
                                           len + "]");
  }
  for (const char* len : {"65536", "-1", "1x", "x", "MTU", "1.5"}) {
    EXPECT_EQ(Complaint(mirror + len),
              std::string("'") + len + "' is no length [" + len + "]");
  }
  for (const char* len : {"0", "14", "65535", "0x60", "mtu"}) {
    EXPECT_EQ(Complaint(mirror + len), "") << len;
  }
}

TEST(Rules, RefuseOtherValuesOutOfRange) {
  const std::string mirror = "-A OUTPUT -j RMIRROR --target 192.0.2.9 ";
  EXPECT_EQ(Complaint(mirror + "--ttl 0"), "'0' is no TTL [0]");
  EXPECT_EQ(Complaint(mirror + "--ttl 256"), "'256' is no TTL [256]");
  EXPECT_EQ(Complaint(mirror + "--tos 256"), "'256' is no TOS [256]");
  EXPECT_EQ(Complaint(mirror + "--key 4294967296"),
            "'4294967296' is no GRE key [4294967296]");
}

TEST(Rules, RefuseBadAddressesAndMasks) {
  EXPECT_EQ(Complaint("-A OUTPUT -s host.example -j DROP"),
            "'host.example' is no IP address [host.example]");
  EXPECT_EQ(Complaint("-A OUTPUT -s 10.0.0.1,10.0.0.0/33 -j DROP"),
            "'33' is no mask of an IPv4 address [33]");
  EXPECT_EQ(Complaint("-A OUTPUT -s 2001:db8::/255.0.0.0 -j DROP"),
            "'255.0.0.0' is no mask of an IPv6 address [255.0.0.0]");
  EXPECT_EQ(Complaint("-A OUTPUT -s 10.0.0.1, -j DROP"),
            "'' is no IP address [10.0.0.1,]");
}

TEST(Rules, TakeMasksThatBeginWithADigit) {
  EXPECT_EQ(Complaint("-A OUTPUT -s ::1/8000::1 -j DROP"), "");
  EXPECT_EQ(Complaint("-A OUTPUT ! -s ::1/::80:1:1:1:1:1 -j DROP"), "");
}

TEST(Rules, RefuseNegatedListsAsIptablesDoes) {
  EXPECT_EQ(Complaint("-A OUTPUT ! -s 10.0.0.1,10.0.0.2 -j DROP"),
            "'!' is not possible before several addresses [!]");
}

TEST(Rules, WarnOfRulesThatCanNeverMatch) {
  EXPECT_EQ(Complaint("-A OUTPUT ! -s 0.0.0.0/0 -j DROP"),
            "this rule can never match: no address is outside 0.0.0.0/0 "
            "[0.0.0.0/0]");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp ! --sport 0:65535 -j DROP"),
            "this rule can never match: no port is outside 0:65535 [0:65535]");
  EXPECT_EQ(Complaint("-A PREROUTING ! -i + -j DROP"),
            "this rule can never match: it excludes every port [+]");
}

// Each with what iptables-save makes of it.
TEST(Rules, ReadAddressesWithoutTheirLastBytesAsIptablesDoes) {
  for (const auto& [text, canonical] :
       std::map<std::string, std::string>{{"-s 10.1/16", "-s 10.1.0.0/16"},
                                          {"-s 10/8", "-s 10.0.0.0/8"},
                                          {"-s 10.1.2/24", "-s 10.1.2.0/24"},
                                          {"-s 0/0", "-s 0.0.0.0/0"},
                                          {"-m iprange --src-range 10.1-10.2",
                                           "-m iprange --src-range "
                                           "10.1.0.0-10.2.0.0"}}) {
    const SourceText source("p", InTable("-A OUTPUT " + text + " -j DROP"));
    Diagnostics diagnostics;
    const Policy policy = ReadPolicy(source, {}, &diagnostics);
    EXPECT_EQ(Format(source, diagnostics), "") << text;
    ASSERT_EQ(policy.rules.size(), 1u);
    EXPECT_EQ(FormatRule(policy.rules[0]),
              "-A OUTPUT " + canonical + " -j DROP");
  }
  EXPECT_EQ(Complaints("-A OUTPUT -s 10.1 -j DROP"),
            "p:2:14: warning: '10.1' is the one address 10.1.0.0, as in "
            "iptables\n"
            "    -A OUTPUT -s 10.1 -j DROP\n"
            "                 ^~~~\n"
            "    write 10.1.0.0, or a length for a network: 10.1.0.0/16\n");
}

TEST(Rules, RefuseAddressesThatOnlyIptablesReads) {
  for (const char* text : {"10.300", "256", "010.0.0.1", "0x10.1", "10.", ".1",
                           "1.2.3.4.5", "1:2", "::1.2"}) {
    EXPECT_EQ(Complaint(std::string("-A OUTPUT -s ") + text + " -j DROP"),
              "'" + std::string(text) + "' is no IP address [" + text + "]");
  }
  EXPECT_EQ(Complaint("-A OUTPUT -s 10.0.0.1/255.255 -j DROP"),
            "'255.255' is no mask of an IPv4 address [255.255]");
}

// iptables takes them for octal.
TEST(Rules, RefuseNumbersWithLeadingZeros) {
  EXPECT_EQ(Complaint("-A OUTPUT -s 10.0.0.0/010 -j DROP"),
            "'010' is no mask of an IPv4 address [010]");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp --dport 010 -j DROP"),
            "'010' is no port of tcp [010]");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp --dport 0x010 -j DROP"), "");
}

TEST(Rules, RefusePortsThatOpenVswitchCannotMatch) {
  EXPECT_EQ(Complaints("-A OUTPUT -p udplite -m multiport --dports 1 -j DROP"),
            "p:2:35: error: Open vSwitch cannot match the ports of udplite\n"
            "    -A OUTPUT -p udplite -m multiport --dports 1 -j DROP\n"
            "                                      ^~~~~~~~\n"
            "    leave --dports out to match all packets of udplite\n");
  EXPECT_EQ(Complaint("-A OUTPUT -p dccp --dport 1 -j DROP"),
            "Open vSwitch cannot match the ports of dccp [--dport]");
}

TEST(Rules, RefuseOptionsThatAppearTwice) {
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp -p udp -j DROP"),
            "-p appears twice in this rule [-p]");
  EXPECT_EQ(Complaint("-A OUTPUT -j DROP -j ACCEPT"),
            "-j appears twice in this rule [-j]");
}

TEST(Rules, RefuseRulesWithoutTarget) {
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp"),
            "the rule says not what to do with its packets [-A]");
  EXPECT_EQ(Complaint("-A OUTPUT -j RMIRROR --len 64"),
            "-j RMIRROR needs --target [-A]");
}

TEST(Rules, RefuseOtherTargetsAndModules) {
  EXPECT_EQ(Complaint("-A OUTPUT -j LOG"),
            "target 'LOG' is not supported "
            "[LOG]");
  EXPECT_EQ(Complaint("-A OUTPUT -m conntrack -j DROP"),
            "match 'conntrack' is not supported [conntrack]");
}

TEST(Rules, SayWhichChainsArePossible) {
  EXPECT_EQ(Complaints("-A FORWRAD -j DROP\n"
                       ":WEB - [0:0]\n-A WBE -j DROP\n-A NEW -j DROP"),
            "p:2:4: error: there is no chain FORWRAD\n"
            "    -A FORWRAD -j DROP\n"
            "       ^~~~~~~\n"
            "    did you mean FORWARD?\n"
            "p:4:4: error: there is no chain WBE\n"
            "    -A WBE -j DROP\n"
            "       ^~~\n"
            "    did you mean WEB?\n"
            "p:5:4: error: there is no chain NEW\n"
            "    -A NEW -j DROP\n"
            "       ^~~\n"
            "    write :NEW - [0:0] in a line before\n");
}

TEST(Rules, JumpToChainsOfTheUser) {
  const SourceText source(
      "p", InTable(":WEB - [0:0]\n-A PREROUTING -j WEB\n-A OUTPUT -g WEB"));
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_EQ(Format(source, diagnostics), "");
  EXPECT_EQ(policy.user_chains, std::vector<std::string>{"WEB"});
  EXPECT_EQ(*policy.rules[0].jump(), (Jump{"WEB", false}));
  EXPECT_EQ(*policy.rules[1].jump(), (Jump{"WEB", true}));
}

TEST(Rules, RefuseChainsThatCannotBeOne) {
  EXPECT_EQ(Complaint(":WEB ACCEPT"),
            "a chain of your own has no policy "
            "[ACCEPT]");
  EXPECT_EQ(Complaint(":DROP -"),
            "DROP is a target and cannot be a chain [:DROP]");
  EXPECT_EQ(Complaint(":WEB -\n:WEB -"), "chain WEB appears twice [:WEB]");
  const std::string name(29, 'x');
  EXPECT_EQ(Complaint(":" + name + " -"),
            "'" + name + "' cannot be the name of a chain [:" + name + "]");
  EXPECT_EQ(Complaint(":[1:2] -"),
            "'[1:2]' cannot be the name of a chain [:[1:2]]");
  EXPECT_EQ(Complaint("-A OUTPUT -g WEB"),
            "there is no chain WEB to go to [WEB]");
  EXPECT_EQ(Complaint(":WEB -\n-A OUTPUT -j WEB -g WEB"),
            "the rule has two targets [-g]");
}

TEST(Rules, RefuseLoopsAndShowTheirWay) {
  EXPECT_EQ(Complaint(":A -\n:B -\n:C -\n-A PREROUTING -j A\n-A A -j B\n"
                      "-A B -j C\n-A C -g B"),
            "this jump makes a loop: B -> C -> B [-A]");
  EXPECT_EQ(Complaint(":A -\n-A A -j A"),
            "this jump makes a loop: A -> A [-A]");
}

TEST(Rules, RefuseJumpsThatAreNestedTooDeep) {
  const auto nested = [](size_t n) {
    std::string rules = "-A OUTPUT -j C0\n";
    for (size_t i = 0; i < n; i++) {
      const std::string name = "C" + std::to_string(i);
      rules += ":" + name + " -\n";
      if (i + 1 < n) {
        rules += "-A " + name + " -j C" + std::to_string(i + 1) + "\n";
      }
    }
    return Complaint(rules);
  };
  EXPECT_EQ(nested(kMaxJumps), "");
  EXPECT_EQ(nested(kMaxJumps + 1),
            "jumps are nested more than 32 deep from here on [-A]");
}

// Each rule with the canonical text that it becomes.
TEST(Rules, ReadEveryMatch) {
  const std::pair<const char*, const char*> kRules[] = {
      {"! -i eth+", "! -i eth+"},
      {"-i +", ""},
      {"! -f", "! -f"},
      {"-p tcp --syn", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN"},
      {"-p tcp -m tcp ! --tcp-flags ALL NONE",
       "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE"},
      {"-p icmp --icmp-type echo-request", "-p icmp -m icmp --icmp-type 8"},
      {"-p icmp ! --icmp-type 3/4", "-p icmp -m icmp ! --icmp-type 3/4"},
      {"-p icmp --icmp-type 255", "-p icmp -m icmp --icmp-type any"},
      {"-p icmp -m icmp --icmp-type port-unreachable",
       "-p icmp -m icmp --icmp-type 3/3"},
      {"-p icmpv6 --icmpv6-type neighbor-solicitation",
       "-p ipv6-icmp -m icmp6 --icmpv6-type 135"},
      {"-p udp -m multiport --dports domain,1024:2000",
       "-p udp -m multiport --dports 53,1024:2000"},
      {"-p tcp -m multiport ! --ports 1,2 -m multiport --sports 7",
       "-p tcp -m multiport ! --ports 1,2 -m multiport --sports 7"},
      {"-m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 10.0.0.1",
       "-m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range "
       "10.0.0.1-10.0.0.1"},
      {"-m dscp --dscp-class af41", "-m dscp --dscp 0x22"},
      {"-m dscp ! --dscp 46", "-m dscp ! --dscp 0x2e"},
      {"-m mark --mark 1/0xff", "-m mark --mark 0x1/0xff"},
      {"-m mark ! --mark 7", "-m mark ! --mark 0x7"},
      {"-m addrtype ! --dst-type MULTICAST,BROADCAST",
       "-m addrtype ! --dst-type BROADCAST,MULTICAST"},
      {"-m vlan ! --vlan-id 7", "-m vlan ! --vlan-id 7"},
      {"-m set ! --match-set services dst,dst",
       "-m set ! --match-set services dst,dst"},
  };
  for (const auto& [text, canonical] : kRules) {
    const SourceText source(
        "p", InTable(std::string("-A PREROUTING ") + text + " -j DROP"));
    Diagnostics diagnostics;
    const Policy policy = ReadPolicy(source, GeneratedSets(), &diagnostics);
    EXPECT_EQ(Format(source, diagnostics), "") << text;
    EXPECT_EQ(FormatMatches(policy.rules[0].matches),
              (*canonical ? " " : "") + std::string(canonical));
  }
}

TEST(Rules, RefuseValuesOfMatchesThatAreNone) {
  const auto complaint = [](const std::string& text) {
    return Complaint("-A PREROUTING " + text + " -j DROP");
  };
  EXPECT_EQ(complaint("-p tcp --tcp-flags SYN,FOO SYN"),
            "'FOO' is no TCP flag [FOO]");
  EXPECT_EQ(complaint("-p tcp --tcp-flags SYN ACK"),
            "this can never be: a flag shall be set that is not looked at "
            "[ACK]");
  EXPECT_EQ(complaint("-p tcp --syn --tcp-flags SYN SYN"),
            "TCP flags appear twice in this rule [--tcp-flags]");
  EXPECT_EQ(complaint("-p udp --syn"), "--syn needs -p tcp [--syn]");
  EXPECT_EQ(complaint("-p icmp --icmp-type echo-requst"),
            "'echo-requst' is no type of ICMP messages [echo-requst]");
  EXPECT_EQ(complaint("-p icmp --icmp-type 8/x"),
            "'8/x' is no type of ICMP messages [8/x]");
  EXPECT_EQ(complaint("-p icmp --icmpv6-type 1"),
            "--icmpv6-type needs -p ipv6-icmp [--icmpv6-type]");
  EXPECT_EQ(complaint("-6 -p icmp --icmp-type 8"),
            "the type of ICMP messages is for IPv4, but the rest of the rule "
            "is for IPv6 [-A]");
  EXPECT_EQ(complaint("-p tcp -m multiport --dports 1,9:3"),
            "this range of ports is empty [9:3]");
  EXPECT_EQ(complaint("-m multiport --dports 1"),
            "--dports needs a protocol with ports [--dports]");
  EXPECT_EQ(complaint("-m iprange --src-range 10.0.0.9-10.0.0.1"),
            "this range of addresses is empty [10.0.0.9-10.0.0.1]");
  EXPECT_EQ(complaint("-m iprange --src-range 10.0.0.9-::1"),
            "'10.0.0.9-::1' is no range of addresses [10.0.0.9-::1]");
  EXPECT_EQ(complaint("-m dscp --dscp 64"), "'64' is no DSCP [64]");
  EXPECT_EQ(complaint("-m dscp --dscp-class AF44"), "'AF44' is no DSCP [AF44]");
  EXPECT_EQ(complaint("-m mark --mark 0x100/0xff"),
            "this can never be: the mark has bits outside its mask "
            "[0x100/0xff]");
  EXPECT_EQ(complaint("-m addrtype --dst-type LOCAL"),
            "a switch cannot tell whether an address is LOCAL: that is in a "
            "host's routes [LOCAL]");
  EXPECT_EQ(complaint("-m addrtype --dst-type UNICST"),
            "'UNICST' is no type of address [UNICST]");
  EXPECT_EQ(complaint("-m addrtype --src-type UNICAST"),
            "--src-type is not supported [--src-type]");
  EXPECT_EQ(complaint("-m vlan --vlan-id 4096"), "'4096' is no VLAN [4096]");
  EXPECT_EQ(complaint("-m set --match-set web src"),
            "there is no set web [web]");
  EXPECT_EQ(complaint("-6 -f"),
            "-f is for IPv4, but the rest of the rule is for IPv6 [-A]");
}

// What a rule that mirrors says with `text`, in its canonical form.
std::string Limited(const std::string& text) {
  return FormatMatches(
      ReadRule("-A OUTPUT " + text + " -j RMIRROR --target 192.0.2.9").matches);
}

TEST(Rules, LimitInPacketsPerSecond) {
  const std::string ten = " -m limit --limit 10/sec";
  for (const char* rate : {"10", "10/s", "10/sec", "10/Second", "600/m",
                           "600/minute", "36000/h", "864000/day"}) {
    EXPECT_EQ(Limited("-m limit --limit " + std::string(rate)), ten) << rate;
  }
  EXPECT_EQ(Limited("-m limit --limit 10/s --limit-burst 5"), ten);
  EXPECT_EQ(Limited("-m limit --limit-burst 7 --limit 10/s"),
            ten + " --limit-burst 7");
  EXPECT_EQ(Limited("-m limit --limit 10/s --limit-burst 7"),
            ten + " --limit-burst 7");
}

const std::string kMirror = "-A OUTPUT -j RMIRROR --target 192.0.2.9";

TEST(Rules, OfASessionShareTheBudgetThatOneOfThemNames) {
  const SourceText source(
      "p", InTable(kMirror + "\n" + kMirror + " --len 60 --limit 10/s\n" +
                   kMirror + " --key 1\n" + kMirror +
                   " --limit-burst 9mbit --limit 1mbit --key 2\n"));
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_EQ(Format(source, diagnostics).find("error"), std::string::npos);
  EXPECT_EQ(FormatRule(policy.rules[0]), kMirror + " --limit 10/sec");
  EXPECT_EQ(FormatRule(policy.rules[1]), kMirror + " --len 60 --limit 10/sec");
  EXPECT_EQ(FormatRule(policy.rules[2]), kMirror + " --key 1");
  // It is not part of what the rules are.
  EXPECT_EQ(FormatRule(policy.rules[1], RuleText::kIdentity),
            kMirror + " --len 60");
}

TEST(Rules, TakeALimitForThatOfTheTwoWhichStandsBeforeIt) {
  EXPECT_EQ(FormatRule(ReadRule(kMirror + " --limit 10 -m statistic --mode "
                                          "random --probability 0.5")),
            "-A OUTPUT -m statistic --mode random --probability 0.5 -j RMIRROR "
            "--target 192.0.2.9 --limit 10/sec");
  EXPECT_EQ(FormatRule(ReadRule(kMirror + " -m limit --limit 10")),
            "-A OUTPUT -m limit --limit 10/sec -j RMIRROR --target 192.0.2.9");
  EXPECT_EQ(
      FormatRule(ReadRule(kMirror + " --limit 1mbit --limit-burst 600kbit")),
      kMirror + " --limit 1mbit --limit-burst 600kbit");
}

TEST(Rules, RefuseBudgetsThatDoNotAgree) {
  EXPECT_EQ(Complaints(kMirror + " --key 7 --limit 10/s\n" + kMirror +
                       " --key 7 --len 60 --limit 20/s"),
            "p:3:58: error: another limit of the same session: 192.0.2.9 --key "
            "7 has --limit 10/sec, in line 2\n"
            "    -A OUTPUT -j RMIRROR --target 192.0.2.9 --key 7 --len 60 "
            "--limit 20/s\n"
            "                                                             "
            "^~~~~~~\n"
            "    write the same here, or leave it out: one rule of a session "
            "names the limit for all\n");
  EXPECT_EQ(Complaint("-A OUTPUT -p tcp -m limit --limit 5 -j RMIRROR --target "
                      "192.0.2.9\n-A OUTPUT -p udp -j RMIRROR --target "
                      "192.0.2.9 --limit 10/s"),
            "this rule has -m limit, and its session a limit, too: 192.0.2.9 "
            "has --limit 10/sec, in line 3 [-A]");
  EXPECT_EQ(Complaint(kMirror + " --limit 10/s --limit 20/s"),
            "--limit appears twice in this rule [--limit]");
  EXPECT_EQ(Complaint(kMirror + " --limit-burst 20"),
            "--limit-burst needs --limit [--limit-burst]");
  EXPECT_EQ(Complaint(kMirror + " ! --limit 10/s"),
            "'!' before --limit is not supported [!]");
  EXPECT_EQ(Complaint(kMirror + " --limit 10mb/s --limit-burst 5"),
            "'5' is no burst of a limit in bytes or bits [5]");
  EXPECT_EQ(Complaint(kMirror + " --limit 10mb/x"),
            "'10mb/x' is no rate [10mb/x]");
}

TEST(Rules, SampleWithAProbability) {
  const std::string random = "-m statistic --mode random ";
  EXPECT_EQ(Limited(random + "--probability 0.25000000000"),
            " " + random + "--probability 0.25");
  EXPECT_EQ(Limited(random + "! --probability 0.25"),
            " " + random + "--probability 0.75");
  EXPECT_EQ(Limited(random + "--probability 1"), "");
  EXPECT_EQ(Limited(random + "! --probability 0"), "");
}

TEST(Rules, RefuseLimitsThatASwitchDoesNotHave) {
  const auto complaint = [](const std::string& text) {
    return Complaint("-A OUTPUT " + text + " -j RMIRROR --target 192.0.2.9");
  };
  const std::string whole =
      " is no whole number of packets per second, which is how a switch limits";
  EXPECT_EQ(complaint("-m limit --limit 3/hour"),
            "'3/hour'" + whole + " [3/hour]");
  EXPECT_EQ(complaint("-m limit --limit 90/minute"),
            "'90/minute'" + whole + " [90/minute]");
  for (const std::string rate : {"0", "5/", "5/x", "x/s", "-1", "4294967296"}) {
    EXPECT_EQ(complaint("-m limit --limit " + rate),
              "'" + rate + "' is no rate [" + rate + "]");
  }
  EXPECT_EQ(complaint("-m limit"),
            "-m limit without --limit is 3/hour, and a switch limits to whole "
            "packets per second [limit]");
  EXPECT_EQ(complaint("-m limit ! --limit 5"),
            "'!' before --limit is not supported [!]");
  EXPECT_EQ(complaint("-m limit --limit 5 --limit-burst 0"),
            "'0' is no burst [0]");
  EXPECT_EQ(complaint("--limit 5"),
            "--limit needs -m limit before it [--limit]");
  EXPECT_EQ(complaint("-m limit --limit 5 --limit 6"),
            "--limit appears twice in this rule [--limit]");
  EXPECT_EQ(Complaint("-A OUTPUT -m limit --limit 5 -j DROP"),
            "-m limit is possible with -j RMIRROR only [limit]");
}

TEST(Rules, RefuseStatisticsThatASwitchDoesNotHave) {
  const auto complaint = [](const std::string& text) {
    return Complaint("-A OUTPUT -m statistic " + text +
                     " -j RMIRROR --target 192.0.2.9");
  };
  const std::string nth =
      "--mode nth is not supported: a switch does not count the packets of a "
      "rule before it copies them";
  EXPECT_EQ(complaint("--mode nth --every 4 --packet 0"), nth + " [nth]");
  EXPECT_EQ(complaint("--every 4 --packet 0 --mode nth"), nth + " [--every]");
  EXPECT_EQ(complaint("--mode x --probability .1"), "'x' is no mode [x]");
  EXPECT_EQ(complaint("--mode random"),
            "--mode random needs --probability [statistic]");
  EXPECT_EQ(complaint("--probability .1"),
            "-m statistic needs --mode [statistic]");
  EXPECT_EQ(complaint("--mode random --probability 1.5"),
            "'1.5' is no probability [1.5]");
  EXPECT_EQ(complaint("--mode random --probability 0"),
            "this rule can never mirror: its probability is 0 [0]");
  EXPECT_EQ(complaint("--mode random ! --probability 1"),
            "this rule can never mirror: its probability is 0 [1]");
  EXPECT_EQ(Complaint("-A OUTPUT -m statistic --mode random --probability .1 "
                      "-j RETURN"),
            "-m statistic is possible with -j RMIRROR only [statistic]");
}

TEST(Rules, TakeDirectionsAsManyAsASetHas) {
  const auto complaint = [](const std::string& text) {
    const SourceText source(
        "p", InTable("-A PREROUTING -m set --match-set " + text + " -j DROP"));
    Diagnostics diagnostics;
    ReadPolicy(source, GeneratedSets(), &diagnostics);
    return diagnostics.HasErrors() ? diagnostics.Sorted()[0].what : "";
  };
  EXPECT_EQ(complaint("hosts src"), "");
  EXPECT_EQ(complaint("hosts src,dst"),
            "a set of type hash:ip takes one direction");
  EXPECT_EQ(complaint("services src"),
            "a set of type hash:ip,port takes two directions");
  EXPECT_EQ(complaint("hosts up"), "'up' is no direction");
  EXPECT_EQ(complaint("macs dst"), "Ethernet destinations are not supported");
  EXPECT_EQ(complaint("host src"), "there is no set host");
}

TEST(Rules, ReportAllErrorsOfAFileWithSuggestions) {
  EXPECT_EQ(
      Complaints("-A PREROUTING -p tpc -j DROP\n"
                 "-A PREROUTING -m comment --comment \"\xc3\xa9\" -j RMIRORR"),
      "p:2:18: error: protocol 'tpc' is unknown\n"
      "    -A PREROUTING -p tpc -j DROP\n"
      "                     ^~~\n"
      "    did you mean tcp?\n"
      "p:3:43: error: target 'RMIRORR' is not supported\n"
      "    -A PREROUTING -m comment --comment \"\xc3\xa9\" -j RMIRORR\n"
      "                                              ^~~~~~~\n"
      "    did you mean RMIRROR?\n");
}

TEST(Rules, ReadPoliciesOfChains) {
  const SourceText source("p", InTable(":PREROUTING DROP [1:2]\n:OUTPUT -"));
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  EXPECT_EQ(policy.chain_policies.at(Chain::kPrerouting), Verdict::kDrop);
  EXPECT_EQ(policy.chain_policies.at(Chain::kOutput), Verdict::kAccept);
  EXPECT_EQ(Complaint(":OUTPUT REJECT"),
            "'REJECT' is no policy of a chain [REJECT]");
}

RC_GTEST_PROP(Rules, NeverCrashOnAnyText, (const std::string& text)) {
  const SourceText source("p", InTable("-A OUTPUT " + text));
  Diagnostics diagnostics;
  ReadPolicy(source, {}, &diagnostics);
  Format(source, diagnostics);
}

RC_GTEST_PROP(Rules, NeverCrashOnAnyWords, ()) {
  const auto words = *rc::gen::container<std::vector<std::string>>(
      rc::gen::elementOf(std::vector<std::string>{"-A",
                                                  "OUTPUT",
                                                  "PREROUTING",
                                                  "!",
                                                  "-s",
                                                  "-d",
                                                  "-p",
                                                  "tcp",
                                                  "10.0.0.1",
                                                  "10.0.0.0/8,::1",
                                                  "/",
                                                  ",",
                                                  "--dport",
                                                  "80",
                                                  "1:",
                                                  ":",
                                                  "-m",
                                                  "mac",
                                                  "comment",
                                                  "--mac-source",
                                                  "02:00:00:00:00:05",
                                                  "-j",
                                                  "RMIRROR",
                                                  "ACCEPT",
                                                  "--target",
                                                  "192.0.2.9",
                                                  "--len",
                                                  "mtu",
                                                  "\"",
                                                  "\"x\"",
                                                  "-4",
                                                  "-6",
                                                  "--len=5",
                                                  "-i",
                                                  "eth0",
                                                  "[1:2]"}));
  std::string line;
  for (const std::string& word : words) {
    line += word + " ";
  }
  const SourceText source("p", InTable("-A OUTPUT " + line));
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  // What is accepted reads back as the same.
  if (!diagnostics.HasErrors()) {
    const SourceText again("q", FormatPolicy(policy));
    Diagnostics none;
    RC_ASSERT(FormatPolicy(ReadPolicy(again, {}, &none)) ==
              FormatPolicy(policy));
    RC_ASSERT(!none.HasErrors());
  }
}

}  // namespace
}  // namespace ovs_rmirror
