// SPDX-License-Identifier: Apache-2.0

#include "controller/ipset.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

// "FIRST-LAST" of all addresses of `text`'s only set, behind "PROTOCOL:PORTS "
// if it has ports.  Else what is wrong with it.
std::vector<std::string> Read(const std::string& text) {
  const SourceText source("sets", text);
  IpSets sets;
  Diagnostics diagnostics;
  ReadIpSets(source, &sets, &diagnostics);
  std::vector<std::string> result;
  for (const Diagnostic& d : diagnostics.Sorted()) {
    result.push_back(std::to_string(d.where.line) + ": " + d.what);
  }
  if (!result.empty() || sets.size() != 1) {
    return result;
  }
  const IpSet& set = *sets.begin()->second;
  for (const IpSetPart& part : set.parts) {
    const std::string ports =
        part.protocol ? std::to_string(*part.protocol) + ":" +
                            std::to_string(part.ports.first) + "-" +
                            std::to_string(part.ports.last) + " "
                      : "";
    for (const auto& range : part.addresses) {
      result.push_back(ports + FormatAddress({set.family, range.first}) + "-" +
                       FormatAddress({set.family, range.last}));
    }
  }
  return result;
}

using Texts = std::vector<std::string>;

TEST(IpSets, AreReadAsIpsetSavesThem) {
  EXPECT_EQ(
      Read("create web hash:ip family inet hashsize 1024 maxelem 65536 timeout "
           "60 counters comment bucketsize 12 initval 0x1234\n"
           "add web 10.0.0.2 timeout 0 packets 1 bytes 2 comment \"a b\"\n"
           "add web 10.0.0.1\n"
           "add web 10.0.0.8/30\n"
           "add web 10.0.1.0-10.0.1.7\n"),
      (Texts{"10.0.0.1-10.0.0.2", "10.0.0.8-10.0.0.11", "10.0.1.0-10.0.1.7"}));
  EXPECT_EQ(Read("create web hash:net family inet6 hashsize 1024\n"
                 "add web 2001:db8::/127\n"),
            Texts{"2001:db8::-2001:db8::1"});
  EXPECT_EQ(Read("create web hash:ip,port family inet\n"
                 "add web 10.0.0.1,tcp:80\n"
                 "add web 10.0.0.2,udp:53-54\n"
                 "add web 10.0.0.2,80\n"),
            (Texts{"6:80-80 10.0.0.1-10.0.0.2", "17:53-54 10.0.0.2-10.0.0.2"}));
}

TEST(IpSets, CutAddressesToTheirNetmask) {
  EXPECT_EQ(Read("create web hash:ip family inet netmask 24\n"
                 "add web 10.0.0.9\n"),
            Texts{"10.0.0.0-10.0.0.255"});
}

TEST(IpSets, LetTheSmallestNetworkDecide) {
  EXPECT_EQ(Read("create web hash:net\n"
                 "add web 10.0.0.3/32\n"
                 "add web 10.0.0.0/30 nomatch\n"
                 "add web 10.0.0.0/29\n"),
            Texts{"10.0.0.3-10.0.0.7"});
  EXPECT_EQ(Read("create web hash:net family inet6\n"
                 "add web ::/1\n"
                 "add web 8000::/1\n"
                 "add web ffff::/16 nomatch\n"),
            Texts{"::-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"});
}

TEST(IpSets, HoldExceptionsForEachPort) {
  EXPECT_EQ(Read("create web hash:net,port\n"
                 "add web 10.0.0.0/31,tcp:80\n"
                 "add web 10.0.0.0/31,tcp:81\n"
                 "add web 10.0.0.1/32,tcp:80 nomatch\n"),
            (Texts{"6:80-80 10.0.0.0-10.0.0.0", "6:81-81 10.0.0.0-10.0.0.1"}));
}

TEST(IpSets, ReportAllThatIsWrong) {
  EXPECT_EQ(Read("create web hash:ip family inet\n"
                 "create web hash:ip\n"
                 "create list list:set\n"
                 "add list web\n"
                 "add wbe 10.0.0.1\n"
                 "add web 10.0.0.1 timeout 60\n"
                 "add web 2001:db8::1\n"
                 "add web 10.0.0.1 nomatch\n"
                 "add web\n"
                 "flush web\n"
                 "add web 10.0.0.1,tcp:80\n"
                 "create v6 hash:ip family inet7\n"),
            (Texts{"2: set web appears twice",
                   "3: sets of type 'list:set' are not supported",
                   "5: set wbe was not created",
                   "6: an entry that expires is not supported",
                   "7: '2001:db8::1' is no IPv4 entry",
                   "8: option nomatch is not supported in this entry",
                   "9: add needs a set and an entry",
                   "10: 'flush' does not begin a line of a set",
                   "11: an entry of a set of type hash:ip has an address alone",
                   "12: there is no family 'inet7'"}));
  EXPECT_EQ(Read("create web hash:ip,port\n"
                 "add web 10.0.0.1,icmp:8\n"
                 "add web 10.0.0.1,tcp:65536\n"
                 "add web 10.0.0.1\n"),
            (Texts{"2: ports of protocol 'icmp' are not supported in sets",
                   "3: '65536' is no port of tcp",
                   "4: an entry of a set of type hash:ip,port has an address "
                   "and a port"}));
  EXPECT_EQ(Read("create web hash:net,port\n"
                 "add web 10.0.0.0/8,80-81\n"
                 "add web 10.0.0.0/9,80 nomatch\n"),
            Texts{"2: a set with nomatch entries has no ranges of ports"});
  EXPECT_EQ(Read("create macs hash:mac\nadd macs 1:2\n"),
            Texts{"2: '1:2' is no Ethernet address"});
}

TEST(IpSets, HaveAHeadThatMakesThemAgain) {
  const SourceText source("sets", "create a hash:mac\n"
                                  "create b hash:net,port family inet6\n"
                                  "create \"c\\\"\\\\\" hash:mac\n");
  IpSets sets;
  Diagnostics diagnostics;
  ReadIpSets(source, &sets, &diagnostics);
  EXPECT_EQ(FormatIpSetHead(*sets.at("a")), "create \"a\" hash:mac");
  EXPECT_EQ(FormatIpSetHead(*sets.at("b")),
            "create \"b\" hash:net,port family inet6");
  EXPECT_EQ(FormatIpSetHead(*sets.at("c\"\\")),
            "create \"c\\\"\\\\\" hash:mac");
}

}  // namespace
}  // namespace ovs_rmirror
