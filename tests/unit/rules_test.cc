// SPDX-License-Identifier: Apache-2.0

#include "controller/rules.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "controller/rule_text.h"

namespace ovs_rmirror {
namespace {

std::string InTable(const std::string& rules) {
  return "*rmirror\n" + rules + "\nCOMMIT\n";
}

// The only rule of a policy in which nothing is wrong.
Rule ReadRule(const std::string& line) {
  const SourceText source("p", InTable(line));
  Diagnostics diagnostics;
  Policy policy = ReadPolicy(source, &diagnostics);
  EXPECT_EQ(Format(source, diagnostics), "");
  EXPECT_EQ(policy.rules.size(), 1u);
  return policy.rules.empty() ? Rule() : policy.rules[0];
}

// Everything that is said about the rules in `rules`.
std::string Complaints(const std::string& rules) {
  const SourceText source("p", InTable(rules));
  Diagnostics diagnostics;
  ReadPolicy(source, &diagnostics);
  return Format(source, diagnostics);
}

// The complaint's first line and, in brackets, the piece that it points at.
std::string Complaint(const std::string& rule) {
  const SourceText source("p", InTable(rule));
  Diagnostics diagnostics;
  ReadPolicy(source, &diagnostics);
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
  EXPECT_FALSE(rule.MatchesLayer3());
}

TEST(Rules, TakeEveryOptionOfTheTarget) {
  const Rule rule = ReadRule(
      "-A OUTPUT -j RMIRROR --target 2001:db8::9 --len 65535 --key 0xffffffff "
      "--ttl 1 --tos 0x20 --df");
  const Mirror& mirror = *rule.mirror();
  EXPECT_EQ(rule.chain, Chain::kOutput);
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
  EXPECT_TRUE(v4.ipv4 && !v4.ipv6 && v4.MatchesLayer3());
  const Rule v6 = ReadRule("-A OUTPUT -s ::/0 -j DROP");
  EXPECT_TRUE(!v6.ipv4 && v6.ipv6);
  const Rule both = ReadRule("-A OUTPUT -s 10.0.0.1,2001:db8::1 -j DROP");
  EXPECT_TRUE(both.ipv4 && both.ipv6 && both.MatchesLayer3());
  const Rule restricted = ReadRule("-A OUTPUT -6 -j DROP");
  EXPECT_TRUE(!restricted.ipv4 && restricted.ipv6);
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
  EXPECT_EQ(ReadRule("-A OUTPUT -p TCP -j DROP").protocol->protocol, 6);
  EXPECT_EQ(ReadRule("-A OUTPUT -p ipv6-icmp -j DROP").protocol->protocol, 58);
  EXPECT_EQ(ReadRule("-A OUTPUT ! -p 89 -j DROP").protocol->protocol, 89);
  EXPECT_TRUE(ReadRule("-A OUTPUT ! -p 89 -j DROP").protocol->negated);
}

TEST(Rules, TakeProtocolAllAsNoMatch) {
  EXPECT_FALSE(ReadRule("-A OUTPUT -p all -j DROP").MatchesLayer3());
  EXPECT_FALSE(ReadRule("-A OUTPUT -p 0 -j DROP").MatchesLayer3());
  EXPECT_EQ(Complaint("-A OUTPUT ! -p all -j DROP"),
            "a rule that excludes every protocol can never match [!]");
}

TEST(Rules, ReadPortsRangesAndServices) {
  const auto ports = [](const std::string& value) {
    return ReadRule("-A OUTPUT -p tcp --dport " + value + " -j DROP")
        .destination_port;
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
  EXPECT_EQ(ReadRule("-A OUTPUT --sport 53 -p udp -j DROP").source_port->first,
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
  for (const std::string p : {"", "-p icmp ", "! -p tcp ", "-p udplite "}) {
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
  EXPECT_TRUE(rule.mac_source->negated);
  EXPECT_EQ(rule.mac_source->mac, 0x020000000005u);
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

TEST(Rules, RefuseInterfacesInOutputAsIptablesDoes) {
  EXPECT_EQ(Complaint("-A OUTPUT -i eth0 -j DROP"),
            "-i is not possible in OUTPUT [-i]");
}

TEST(Rules, RefuseInterfacesThatCannotBeOne) {
  EXPECT_EQ(Complaint("-A PREROUTING -i eth+ -j DROP"),
            "a '+' for many ports is not supported yet [eth+]");
  EXPECT_EQ(Complaint("-A PREROUTING -i LOCAL -j DROP"),
            "no packet enters PREROUTING by LOCAL [LOCAL]");
  EXPECT_EQ(Complaint("-A PREROUTING -i averylongport0000 -j DROP"),
            "OpenFlow cuts names of ports to 15 characters "
            "[averylongport0000]");
  EXPECT_EQ(Complaint("-A PREROUTING ! -i eth0 -j DROP"),
            "'!' before -i is not supported [!]");
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

TEST(Rules, RefuseMasksThatOpenVswitchTakesForLengths) {
  EXPECT_EQ(Complaint("-A OUTPUT -s ::1/8000::1 -j DROP"),
            "Open vSwitch cannot match the mask of ::1/8000::1 "
            "[::1/8000::1]");
  // The mask is readable, but not one that its negation needs.
  EXPECT_EQ(Complaint("-A OUTPUT -s ::1/::80:1:1:1:1:1 -j DROP"), "");
  EXPECT_EQ(Complaint("-A OUTPUT ! -s ::1/::80:1:1:1:1:1 -j DROP"),
            "Open vSwitch cannot match the mask of ::1/::80:1:1:1:1:1 "
            "[::1/::80:1:1:1:1:1]");
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
  EXPECT_EQ(Complaints(":FORWARD ACCEPT [0:0]\n:WEB - [0:0]\n"
                       "-A INPUT -j DROP"),
            "p:2:1: error: chain FORWARD is not supported yet\n"
            "    :FORWARD ACCEPT [0:0]\n"
            "    ^~~~~~~~\n"
            "    possible: PREROUTING and OUTPUT\n"
            "p:3:1: error: user chain WEB is not supported yet\n"
            "    :WEB - [0:0]\n"
            "    ^~~~\n"
            "    possible: PREROUTING and OUTPUT\n"
            "p:4:4: error: chain INPUT is not supported yet\n"
            "    -A INPUT -j DROP\n"
            "       ^~~~~\n"
            "    possible: PREROUTING (packets entering by any port but LOCAL) "
            "and OUTPUT (entering by LOCAL)\n");
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
  const Policy policy = ReadPolicy(source, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors());
  EXPECT_EQ(policy.chain_policies.at(Chain::kPrerouting), Verdict::kDrop);
  EXPECT_EQ(policy.chain_policies.at(Chain::kOutput), Verdict::kAccept);
  EXPECT_EQ(Complaint(":OUTPUT REJECT"),
            "'REJECT' is no policy of a chain [REJECT]");
}

RC_GTEST_PROP(Rules, NeverCrashOnAnyText, (const std::string& text)) {
  const SourceText source("p", InTable("-A OUTPUT " + text));
  Diagnostics diagnostics;
  ReadPolicy(source, &diagnostics);
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
  const Policy policy = ReadPolicy(source, &diagnostics);
  // What is accepted reads back as the same.
  if (!diagnostics.HasErrors()) {
    const SourceText again("q", FormatPolicy(policy));
    Diagnostics none;
    RC_ASSERT(FormatPolicy(ReadPolicy(again, &none)) == FormatPolicy(policy));
    RC_ASSERT(!none.HasErrors());
  }
}

}  // namespace
}  // namespace ovs_rmirror
