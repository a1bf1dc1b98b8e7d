// SPDX-License-Identifier: Apache-2.0

#include "controller/parser.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

// The structure of `text` in words, and what is wrong with it.
std::string ParseToText(const std::string& text) {
  const SourceText source("p", text);
  Diagnostics diagnostics;
  const ParsedPolicy policy = Parse(Scan(source, &diagnostics), &diagnostics);
  std::string s;
  for (const ParsedChain& chain : policy.chains) {
    s += "chain " + chain.name.text + " " + chain.policy.text + "\n";
  }
  for (const ParsedRule& rule : policy.rules) {
    s += "rule " + rule.chain.text;
    for (const ParsedOption& option : rule.options) {
      s += std::string(" ") + (option.negation ? "!" : "") + option.name.text +
           (option.value ? "=" + option.value->text : "");
    }
    s += "\n";
  }
  for (const Diagnostic& d : diagnostics.Sorted()) {
    s += std::to_string(d.where.line) + ":" +
         std::to_string(d.where.offset + 1) + ": " + d.what + "; " + d.instead +
         "\n";
  }
  return s;
}

const std::string kPossible =
    "possible: -s -d -p -i -4 -6 -f -j -g, --sport --dport --tcp-flags --syn "
    "--icmp-type --icmpv6-type, and -m MATCH with its options\n";

TEST(Parser, ReadsWhatIptablesSaveWrites) {
  EXPECT_EQ(
      ParseToText("# Generated\n"
                  "*rmirror\n"
                  ":PREROUTING ACCEPT [12:3456]\n"
                  ":OUTPUT DROP\n"
                  "[1:60] -A PREROUTING ! -s 10.0.0.0/8 -p tcp -m tcp --dport "
                  "80 -j RMIRROR --target 192.0.2.9 --df\n"
                  "--append OUTPUT -j ACCEPT\n"
                  "COMMIT\n"
                  "# Completed\n"),
      "chain PREROUTING ACCEPT\n"
      "chain OUTPUT DROP\n"
      "rule PREROUTING !-s=10.0.0.0/8 -p=tcp -m=tcp --dport=80 -j=RMIRROR "
      "--target=192.0.2.9 --df\n"
      "rule OUTPUT -j=ACCEPT\n");
}

TEST(Parser, KnowsLongNamesAndValuesBehindEqualsSigns) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X --src=1.2.3.4 --destination 5.6.7.8 "
                        "--proto=udp --source-port=1:2 --jump DROP\nCOMMIT\n"),
            "rule X --src=1.2.3.4 --destination=5.6.7.8 --proto=udp "
            "--source-port=1:2 --jump=DROP\n");
}

TEST(Parser, TakesQuotedValuesAsTheyAre) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X --comment \"! -j X\" -j DROP\nCOMMIT"),
            "rule X --comment=! -j X -j=DROP\n");
}

TEST(Parser, NeedsTheTableFirst) {
  EXPECT_EQ(ParseToText("-A X -j DROP\n-A Y -j DROP\nCOMMIT\n"),
            "rule X -j=DROP\nrule Y -j=DROP\n"
            "1:1: a policy starts with its table; write *rmirror in a line "
            "before this one\n");
}

TEST(Parser, RefusesOtherTablesAndASecondOne) {
  EXPECT_EQ(ParseToText("*filter\n*rmirror\nCOMMIT\n"),
            "1:1: there is no table 'filter'; the only table of a policy is "
            "*rmirror\n"
            "2:1: the table appears twice; write all rules between one "
            "*rmirror and one COMMIT\n");
}

TEST(Parser, RefusesAFileWithoutItsEnd) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X -j DROP\n"),
            "rule X -j=DROP\n"
            "2:13: the file ends without COMMIT; write COMMIT in a line after "
            "the last rule\n");
}

TEST(Parser, RefusesAnEmptyFile) {
  EXPECT_EQ(ParseToText("# nothing\n"),
            "1:1: there is no policy in this file; a policy is *rmirror, rules "
            "and COMMIT\n");
}

TEST(Parser, RefusesWhatFollowsTheEndOnce) {
  EXPECT_EQ(ParseToText("*rmirror\nCOMMIT\n-A X -j DROP\n-A Y\n"),
            "3:1: nothing may follow COMMIT; move COMMIT to the end of the "
            "file\n");
}

TEST(Parser, RefusesOtherCommands) {
  EXPECT_EQ(ParseToText("*rmirror\n-I X -j DROP\nCOMMIT\n"),
            "2:1: '-I' does not begin a line; possible: *rmirror, :CHAIN "
            "POLICY, -A CHAIN ..., COMMIT, # comment\n");
}

TEST(Parser, RefusesARuleWithoutChain) {
  EXPECT_EQ(ParseToText("*rmirror\n-A -j DROP\n-A\nCOMMIT\n"),
            "2:4: -A needs a chain; write -A PREROUTING, -A OUTPUT or -A and a "
            "chain of your own\n"
            "3:3: -A needs a chain; write -A PREROUTING, -A OUTPUT or -A and a "
            "chain of your own\n");
}

TEST(Parser, RefusesAChainWithoutPolicyAndWordsBehindIt) {
  EXPECT_EQ(ParseToText("*rmirror\n:OUTPUT\n:OUTPUT ACCEPT [0:0] x\nCOMMIT\n"),
            "chain OUTPUT ACCEPT\n"
            "2:8: the chain's policy is missing; write :OUTPUT ACCEPT [0:0]\n"
            "3:22: 'x' is too much here; end the line before it\n");
}

TEST(Parser, SuggestsTheNearestOption) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X --dprot 80 -j DROP\nCOMMIT\n"),
            "rule X -j=DROP\n"
            "2:6: option --dprot is unknown or not supported; did you mean "
            "--dport?\n");
}

TEST(Parser, GoesOnBehindAnUnknownOption) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X --foobar a b ! -q eth0 -j DROP\n"
                        "COMMIT\n"),
            "rule X -j=DROP\n"
            "2:6: option --foobar is unknown or not supported; " +
                kPossible + "2:21: option -q is unknown or not supported; " +
                kPossible);
}

TEST(Parser, TakesTwoValuesWhereAnOptionHasThem) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X --tcp-flags SYN,ACK SYN -j DROP\n"
                        "-A X --match-set web -j DROP\n"
                        "-A X --match-set web\nCOMMIT\n"),
            "rule X --tcp-flags=SYN,ACK -j=DROP\nrule X -j=DROP\nrule X\n"
            "3:22: --match-set needs two values; write --match-set NAME src\n"
            "4:21: --match-set needs two values; write --match-set NAME "
            "src\n");
}

TEST(Parser, WantsNegationBeforeTheOption) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X -s ! 1.2.3.4 -j DROP !\nCOMMIT\n"),
            "rule X -j=DROP\n"
            "2:9: '!' stands before the option; write ! -s VALUE\n"
            "2:27: '!' negates nothing; write it before an option: ! -s "
            "ADDRESS\n");
}

TEST(Parser, ReportsMissingAndSuperfluousValues) {
  EXPECT_EQ(ParseToText("*rmirror\n-A X -4=x -j\n-A X --df=true -j Y z\n"
                        "COMMIT\n"),
            "rule X\nrule X --df -j=Y\n"
            "2:6: option -4=x is unknown or not supported; " +
                kPossible +
                "2:13: -j needs a value; \n"
                "3:11: --df takes no value; write only --df\n"
                "3:21: 'z' belongs to no option; " +
                kPossible);
}

}  // namespace
}  // namespace ovs_rmirror
