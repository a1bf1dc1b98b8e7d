// SPDX-License-Identifier: Apache-2.0

#include "controller/listing.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

// One chain with the rules of `rules`, each with the counters of its "[P:B]".
std::vector<ListedChain> ChainOf(
    const std::vector<std::pair<std::string, Counters>>& rules) {
  std::string text = "*rmirror\n";
  for (const auto& [rule, counters] : rules) {
    text += "-A PREROUTING " + rule + "\n";
  }
  const SourceText source("p", text + "COMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  ListedChain chain;
  chain.counters = {123456, 99999999};
  for (size_t i = 0; i < policy.rules.size(); i++) {
    chain.rules.push_back({policy.rules[i], rules[i].second, false});
  }
  return {chain};
}

// The rules with verdicts are what iptables 1.8.9 printed for them.
const std::vector<std::pair<std::string, Counters>> kRules = {
    {"-s 10.0.0.0/8 -p tcp --dport 80 -m comment --comment \"hello \\\"q\\\"\" "
     "-j ACCEPT",
     {1, 60}},
    {"! -s 10.0.0.0/255.0.255.0 -d 0.0.0.0/0 -i eth0 -p udp --sport 1000:2000 "
     "! --dport 53 -j DROP",
     {12345678, 99999999999}},
    {"-4 -m mac --mac-source 02:00:00:00:00:05 -j RETURN", {99999, 100000}},
    {"-s 0.0.0.0/0 -d 10.0.0.1 ! -p tcp -j DROP", {10, 10}},
    {"-6 -p sctp -j RMIRROR --target 192.0.2.9 --len 96 --key 7 --tos inherit "
     "--df",
     {10, 10}},
    {"-j RMIRROR --target 2001:db8::9 --len mtu", {0, 0}},
};

TEST(Listing, LooksLikeIptables) {
  EXPECT_EQ(
      FormatListing(ChainOf(kRules), {}),
      "Chain PREROUTING (policy ACCEPT)\n"
      "target     prot opt source               destination         \n"
      "ACCEPT     tcp  --  10.0.0.0/8           anywhere             tcp "
      "dpt:http /* hello \"q\" */\n"
      "DROP       udp  -- !10.0.0.0/255.0.255.0  0.0.0.0/0            udp "
      "spts:1000:2000 dpt:!domain\n"
      "RETURN     all  --  anywhere             anywhere             MAC "
      "02:00:00:00:00:05\n"
      "DROP      !tcp  --  0.0.0.0/0            10.0.0.1            \n"
      "RMIRROR    sctp --  anywhere             anywhere             RMIRROR "
      "target 192.0.2.9 len 96 key 7 tos inherit df\n"
      "RMIRROR    all  --  anywhere             anywhere             RMIRROR "
      "target 2001:db8::9 len mtu\n");
}

TEST(Listing, IsVerboseAndNumericLikeIptables) {
  EXPECT_EQ(
      FormatListing(ChainOf(kRules), {true, true, false}),
      "Chain PREROUTING (policy ACCEPT 123K packets, 100M bytes)\n"
      " pkts bytes target     prot opt in     out     source               "
      "destination         \n"
      "    1    60 ACCEPT     6    --  *      *       10.0.0.0/8           "
      "0.0.0.0/0            tcp dpt:80 /* hello \"q\" */\n"
      "  12M  100G DROP       17   --  eth0   *      !10.0.0.0/255.0.255.0  "
      "0.0.0.0/0            udp spts:1000:2000 dpt:!53\n"
      "99999  100K RETURN     0    --  *      *       0.0.0.0/0            "
      "0.0.0.0/0            MAC 02:00:00:00:00:05\n"
      "   10    10 DROP      !6    --  *      *       0.0.0.0/0            "
      "10.0.0.1            \n"
      "   10    10 RMIRROR    132  --  *      *       ::/0                 "
      "::/0                 RMIRROR target 192.0.2.9 len 96 key 7 tos inherit "
      "df\n"
      "    0     0 RMIRROR    0    --  *      *       anywhere             "
      "anywhere             RMIRROR target 2001:db8::9 len mtu\n");
}

TEST(Listing, ShowsExactCountersInWiderColumns) {
  EXPECT_EQ(
      FormatListing(ChainOf({kRules[1]}), {true, false, true}),
      "Chain PREROUTING (policy ACCEPT 123456 packets, 99999999 bytes)\n"
      "    pkts      bytes target     prot opt in     out     source      "
      "         destination         \n"
      "12345678 99999999999 DROP       udp  --  eth0   any    "
      "!10.0.0.0/255.0.255.0  0.0.0.0/0            udp spts:1000:2000 "
      "dpt:!domain\n");
}

TEST(Listing, MarksRulesWhosePortIsMissing) {
  std::vector<ListedChain> chains =
      ChainOf({{"-i eth7 -j RMIRROR --target 192.0.2.9", {}}});
  chains[0].rules[0].dormant = true;
  EXPECT_NE(FormatListing(chains, {})
                .find("RMIRROR target 192.0.2.9 [no port eth7]\n"),
            std::string::npos);
}

TEST(Listing, SeparatesChainsByAnEmptyLine) {
  ListedChain output;
  output.chain = "OUTPUT";
  output.policy = Verdict::kDrop;
  EXPECT_EQ(FormatListing({ListedChain(), output}, {}),
            "Chain PREROUTING (policy ACCEPT)\n"
            "target     prot opt source               destination         \n"
            "\n"
            "Chain OUTPUT (policy DROP)\n"
            "target     prot opt source               destination         \n");
}

std::vector<ListedChain> ListedWeb() {
  const SourceText source("p",
                          "*rmirror\n:WEB -\n-A PREROUTING -i eth+ -g WEB\n"
                          "-A WEB -p tcp -m multiport ! --dports 80,443 -j "
                          "RMIRROR --target 192.0.2.9\nCOMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, {}, &diagnostics);
  EXPECT_EQ(Format(source, diagnostics), "");
  ListedChain web;
  web.chain = "WEB";
  web.policy.reset();
  web.references = 1;
  web.rules = {{policy.rules[1], {3, 300}}};
  ListedChain prerouting;
  prerouting.counters = {7, 700};
  prerouting.rules = {{policy.rules[0], {4, 400}}};
  return {prerouting, web};
}

TEST(Listing, ShowsJumpsAndChainsOfTheUserWithLineNumbers) {
  ListingOptions options;
  options.verbose = options.numeric = options.line_numbers = true;
  EXPECT_EQ(
      FormatListing(ListedWeb(), options),
      "Chain PREROUTING (policy ACCEPT 7 packets, 700 bytes)\n"
      "num   pkts bytes target     prot opt in     out     source              "
      " destination         \n"
      "1        4   400 WEB        0    --  eth+   *       anywhere            "
      " anywhere             [goto]\n"
      "\n"
      "Chain WEB (1 references)\n"
      "num   pkts bytes target     prot opt in     out     source              "
      " destination         \n"
      "1        3   300 RMIRROR    6    --  *      *       anywhere            "
      " anywhere             multiport ! dports 80,443 RMIRROR target "
      "192.0.2.9\n");
}

TEST(Saved, IsAPolicyWithCounters) {
  EXPECT_EQ(FormatSaved(ListedWeb(), true),
            "*rmirror\n:PREROUTING ACCEPT [7:700]\n:WEB - [0:0]\n"
            "[4:400] -A PREROUTING -i eth+ -g WEB\n"
            "[3:300] -A WEB -p tcp -m multiport ! --dports 80,443 -j RMIRROR "
            "--target 192.0.2.9\nCOMMIT\n");
  EXPECT_EQ(FormatSaved(ListedWeb(), false),
            "*rmirror\n:PREROUTING ACCEPT [0:0]\n:WEB - [0:0]\n"
            "-A PREROUTING -i eth+ -g WEB\n"
            "-A WEB -p tcp -m multiport ! --dports 80,443 -j RMIRROR "
            "--target 192.0.2.9\nCOMMIT\n");
}

TEST(AbbreviateCounter, KeepsFiveDigitsAndRoundsTheRest) {
  EXPECT_EQ(AbbreviateCounter(0), "0");
  EXPECT_EQ(AbbreviateCounter(99999), "99999");
  EXPECT_EQ(AbbreviateCounter(100000), "100K");
  EXPECT_EQ(AbbreviateCounter(123456), "123K");
  EXPECT_EQ(AbbreviateCounter(123500), "124K");
  EXPECT_EQ(AbbreviateCounter(9999499), "9999K");
  EXPECT_EQ(AbbreviateCounter(9999500), "10M");
  EXPECT_EQ(AbbreviateCounter(99999999999), "100G");
  EXPECT_EQ(AbbreviateCounter(UINT64_MAX), "18446744T");
}

}  // namespace
}  // namespace ovs_rmirror
