// SPDX-License-Identifier: Apache-2.0

#include "controller/clauses.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "controller/flow_text.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

Matches Read(const std::string& text, const char* chain = "FORWARD") {
  const SourceText source("p", std::string("*rmirror\n-A ") + chain + " " +
                                   text + " -j DROP\nCOMMIT\n");
  Diagnostics diagnostics;
  const Policy policy = ReadPolicy(source, GeneratedSets(), &diagnostics);
  EXPECT_FALSE(diagnostics.HasErrors()) << Format(source, diagnostics);
  return policy.rules.at(0).matches;
}

RuleClauses Find(const std::string& text,
                 const PortNumbers& ports = GeneratedPorts()) {
  return FindClauses(Read(text), Tap::kEgress, ports);
}

// The numbers of alternatives of the clauses of a rule for one family.
std::vector<size_t> SizesOf(const std::string& text) {
  const RuleClauses clauses = Find(text);
  EXPECT_EQ(clauses.variants.size(), 1u);
  std::vector<size_t> sizes;
  for (const auto& clause : clauses.variants.at(0).clauses) {
    sizes.push_back(clause.size());
  }
  return sizes;
}

using Sizes = std::vector<size_t>;

TEST(Clauses, HoldWhatIsOneAlternativeInTheirBase) {
  const RuleClauses clauses =
      Find("-p tcp -s 10.0.0.1 --dport 80 -i one -o two");
  ASSERT_EQ(clauses.variants.size(), 1u);
  EXPECT_EQ(FormatMatch(clauses.variants[0].base),
            "actset_output=2,tcp,reg0=0,in_port=1,nw_src=10.0.0.1,"
            "nw_frag=not_later,tp_dst=80");
  EXPECT_TRUE(clauses.variants[0].clauses.empty());
  EXPECT_TRUE(clauses.exceptions.empty());
}

TEST(Clauses, AreOneForEachList) {
  EXPECT_EQ(SizesOf("-p tcp -s 10.0.0.1,10.0.0.3,10.0.0.5 -m multiport "
                    "--dports 1,3"),
            (Sizes{3, 2}));
  // Either side: one clause.
  EXPECT_EQ(SizesOf("-4 -p tcp -m multiport --ports 1,3"), Sizes{4});
  // Neither side: two.
  EXPECT_EQ(SizesOf("-4 -p tcp -m multiport ! --ports 80"), (Sizes{16, 16}));
}

TEST(Clauses, AreForEachFamilyOrForAllFrames) {
  EXPECT_EQ(Find("-p tcp").variants.size(), 2u);
  EXPECT_EQ(Find("-6 -p tcp").variants.size(), 1u);
  EXPECT_EQ(Find("-i one").variants.size(), 1u);
  EXPECT_FALSE(Find("-i one").variants[0].base.family);
}

TEST(Clauses, AreNoneIfNothingCanMatch) {
  EXPECT_TRUE(Find("-i absent").variants.empty());
  EXPECT_TRUE(Find("-o absent").variants.empty());
  EXPECT_TRUE(Find("-o br0").variants.empty());
  EXPECT_TRUE(
      Find("-p tcp -m multiport --dports 1,3 --dport 2").variants.empty());
}

TEST(Clauses, OfAnOutputAreNoneAtIngress) {
  EXPECT_TRUE(FindClauses(Read("-o one"), Tap::kIngress, GeneratedPorts())
                  .variants.empty());
  const RuleClauses negated =
      FindClauses(Read("! -o one"), Tap::kIngress, GeneratedPorts());
  EXPECT_EQ(negated.variants.size(), 1u);
  EXPECT_TRUE(negated.exceptions.empty());
}

TEST(Clauses, HoldAPrefixOfPortNamesAsItsPorts) {
  const PortNumbers ports = {
      {"vnet1", 4}, {"vnet2", 7}, {"eth0", 1}, {"vbr", kPortLocal}};
  const RuleClauses clauses = Find("-o v+", ports);
  ASSERT_EQ(clauses.variants[0].clauses.size(), 1u);
  EXPECT_EQ(clauses.variants[0].clauses[0].size(), 2u);
  EXPECT_EQ(Find("! -i v+", ports).exceptions.size(), 2u);
}

RC_GTEST_PROP(Clauses, OfARangeOfPortsAreAtMost30, ()) {
  const auto a = *rc::gen::arbitrary<uint16_t>();
  const auto b = *rc::gen::arbitrary<uint16_t>();
  const RuleClauses clauses =
      Find("-4 -p tcp --dport " + std::to_string(std::min(a, b)) + ":" +
           std::to_string(std::max(a, b)));
  for (const auto& clause : clauses.variants.at(0).clauses) {
    RC_ASSERT(clause.size() <= 30u);
  }
}

TEST(Clauses, OfTheLongestRangeOfPortsAre30) {
  EXPECT_EQ(SizesOf("-4 -p tcp --dport 1:65534"), Sizes{30});
}

TEST(Clauses, OfANegatedAddressAreAsManyAsItsMaskHasBits) {
  EXPECT_EQ(SizesOf("! -s 10.0.0.1"), Sizes{32});
  EXPECT_EQ(SizesOf("! -s 10.0.0.0/8"), Sizes{8});
  EXPECT_EQ(SizesOf("! -d 2001:db8::1 -p tcp --dport 80"), Sizes{128});
}

TEST(Clauses, OfWhatHasNoShortComplementAreExceptions) {
  for (const char* text :
       {"! -p tcp", "! -i one", "! -o one", "-p icmp ! --icmp-type 8",
        "-m set ! --match-set services src,dst",
        "-m set ! --match-set macs src"}) {
    EXPECT_TRUE(NeedsExceptions(Read(text))) << text;
    EXPECT_FALSE(Find(text).exceptions.empty()) << text;
  }
  for (const char* text :
       {"! -s 10.0.0.1", "-p tcp ! --dport 80", "-p tcp ! --syn",
        "-m mac ! --mac-source 02:00:00:00:00:01", "-m vlan ! --vlan-id 7",
        "-m set ! --match-set nets src"}) {
    EXPECT_FALSE(NeedsExceptions(Read(text))) << text;
    EXPECT_TRUE(Find(text).exceptions.empty()) << text;
  }
}

// As in iptables, where a list of types is a mask of them.
TEST(Clauses, OfSeveralTypesOfDestinationsAreForAnyOfThem) {
  const auto matches = [](const std::string& types, uint32_t address) {
    for (const Clauses& variant : Find("-4 -m addrtype " + types).variants) {
      std::vector<FlowMatch> alternatives = {variant.base};
      for (const auto& clause : variant.clauses) {
        alternatives = clause;
      }
      for (const FlowMatch& alternative : alternatives) {
        if (alternative.nw_dst.Matches(address)) {
          return true;
        }
      }
    }
    return false;
  };
  constexpr uint32_t kUnicast = 0x0a000001, kMulticast = 0xe0000001,
                     kBroadcast = 0xffffffff;
  const std::string two = "--dst-type BROADCAST,MULTICAST";
  EXPECT_FALSE(matches(two, kUnicast));
  EXPECT_TRUE(matches(two, kMulticast));
  EXPECT_TRUE(matches(two, kBroadcast));
  EXPECT_TRUE(matches("! " + two, kUnicast));
  EXPECT_FALSE(matches("! " + two, kMulticast));
  EXPECT_FALSE(matches("! " + two, kBroadcast));
}

TEST(FindMissingPort, IsWhatKeepsARuleAsleep) {
  const auto missing = [](const std::string& text) {
    const Matches matches = Read(text);
    const InterfaceMatch* match = FindMissingPort(matches, GeneratedPorts());
    return match ? match->name : "";
  };
  EXPECT_EQ(missing("-i one -o two"), "");
  EXPECT_EQ(missing("-i one -o absent"), "absent");
  EXPECT_EQ(missing("-i x+ -o two"), "x");
  EXPECT_EQ(missing("-o br0"), "br0");
  EXPECT_EQ(missing("! -i absent ! -o x+"), "");
}

TEST(AreDisjoint, KnowsPortsOfTheBridge) {
  const auto disjoint = [](const char* a, const char* b) {
    return AreDisjoint(Read(a), Read(b)) && AreDisjoint(Read(b), Read(a));
  };
  EXPECT_TRUE(disjoint("-i one", "-i two"));
  EXPECT_TRUE(disjoint("-o one", "-o two"));
  EXPECT_TRUE(disjoint("-o one", "-o t+"));
  EXPECT_TRUE(disjoint("-o o+", "-o t+"));
  EXPECT_FALSE(disjoint("-o one", "-o o+"));
  EXPECT_FALSE(disjoint("-o on+", "-o o+"));
  EXPECT_FALSE(disjoint("-i one", "-o two"));
  EXPECT_FALSE(disjoint("-i one", "! -i two"));
}

// No packet matches two rules that exclude each other.
RC_GTEST_PROP(AreDisjoint, IsCertain, ()) {
  Policy policy;
  for (int i = 0; i < 8; i++) {
    Rule rule = GenerateRule("POSTROUTING", {});
    rule.matches.out_interface = GenerateInterface();
    Mirror mirror;
    mirror.session.target = *ParseAddress("192.0.2.9");
    mirror.session.key = static_cast<uint32_t>(i);
    rule.target = mirror;
    policy.rules.push_back(rule);
  }
  for (int i = 0; i < 30; i++) {
    const Trip trip = {GeneratePacket(), {GeneratePortNumber()}};
    const Tally tally = FollowRules(policy, GeneratedPorts(), trip);
    for (const size_t a : tally.hits) {
      for (const size_t b : tally.hits) {
        RC_ASSERT(
            !AreDisjoint(policy.rules[a].matches, policy.rules[b].matches));
      }
    }
  }
}

}  // namespace
}  // namespace ovs_rmirror
