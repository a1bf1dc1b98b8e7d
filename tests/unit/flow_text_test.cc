// SPDX-License-Identifier: Apache-2.0

#include "controller/flow_text.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "controller/ovs.h"
#include "tests/unit/generate.h"

namespace ovs_rmirror {
namespace {

Mirror MirrorTo(const std::string& target) {
  Mirror mirror;
  mirror.session.target = *ParseAddress(target);
  return mirror;
}

// What Open vSwitch prints for a flow that it reads: match and actions.
std::pair<std::string, std::string> PrintedByOvs(const std::string& flow) {
  struct ofputil_flow_mod fm;
  enum ofputil_protocol usable;
  char* error = parse_ofp_flow_mod_str(&fm, flow.c_str(), nullptr, nullptr,
                                       OFPFC_ADD, &usable);
  if (error) {
    const std::string text = error;
    free(error);
    return {"error: " + text, ""};
  }
  struct ds match = DS_EMPTY_INITIALIZER;
  minimatch_format(&fm.match, nullptr, nullptr, &match, OFP_DEFAULT_PRIORITY);
  struct ds actions = DS_EMPTY_INITIALIZER;
  struct ofpact_format_params params = {};
  params.s = &actions;
  ofpacts_format(fm.ofpacts, fm.ofpacts_len, &params);
  const std::pair<std::string, std::string> result = {ds_cstr(&match),
                                                      ds_cstr(&actions)};
  ds_destroy(&match);
  ds_destroy(&actions);
  minimatch_destroy(&fm.match);
  free(fm.ofpacts);
  return result;
}

TEST(FlowText, OfAMirrorLeavesDefaultsOut) {
  EXPECT_EQ(FormatMirror(MirrorTo("192.0.2.9")), "rmirror(target=192.0.2.9)");
}

TEST(FlowText, OfAMirrorHasItsFieldsInOrder) {
  Mirror mirror = MirrorTo("2001:db8::9");
  mirror.len.bytes = 96;
  mirror.session.key = 7;
  mirror.session.ttl = 64;
  mirror.session.tos = 0x20;
  mirror.session.df = true;
  EXPECT_EQ(FormatMirror(mirror),
            "rmirror(target=2001:db8::9,len=96,key=0x7,ttl=64,tos=0x20,"
            "df=true)");
  mirror.len.mtu = true;
  mirror.session.key = 0;
  mirror.session.tos = std::nullopt;
  EXPECT_EQ(FormatMirror(mirror),
            "rmirror(target=2001:db8::9,len=mtu,key=0,ttl=64,tos=inherit,"
            "df=true)");
}

TEST(FlowText, OfACopyHasItsLimitBehindTheSession) {
  Copy copy;
  copy.mirror = MirrorTo("192.0.2.9");
  copy.mirror.session.df = true;
  copy.meter = 0x1234;
  copy.probability = 0x40000000;
  EXPECT_EQ(FormatActions({copy}, 252, {{0x1234, 7}}),
            "rmirror(target=192.0.2.9,df=true,meter=7,probability=0.25)");
}

TEST(FlowText, OfAMeterIsWhatOvsOfctlTakes) {
  const std::string text = FormatMeter({0x1234, 10, 5}, 7);
  EXPECT_EQ(text, "meter=7 pktps burst bands=type=drop rate=10 burst_size=5");
  struct ofputil_meter_mod mod;
  enum ofputil_protocol usable;
  char* error =
      parse_ofp_meter_mod_str(&mod, text.c_str(), OFPMC13_ADD, &usable);
  ASSERT_EQ(error, nullptr) << error;
  EXPECT_EQ(mod.meter.meter_id, 7u);
  EXPECT_EQ(mod.meter.flags, OFPMF13_PKTPS | OFPMF13_BURST);
  ASSERT_EQ(mod.meter.n_bands, 1u);
  EXPECT_EQ(mod.meter.bands[0].rate, 10u);
  EXPECT_EQ(mod.meter.bands[0].burst_size, 5u);
  free(mod.meter.bands);
  EXPECT_EQ(FormatMeter({0x1234, 10, 5, true}, 7),
            "meter=7 kbps burst bands=type=drop rate=10 burst_size=5");
}

TEST(FlowText, OfAnEntryLoadsAndResubmits) {
  EXPECT_EQ(FormatActions({EnterStage{1}, EnterStage{0xabcdef01}}, 252),
            "load:0x1->NXM_NX_REG0[],resubmit(,252),"
            "load:0xabcdef01->NXM_NX_REG0[],resubmit(,252)");
}

TEST(FlowText, OfAWholeFlowIsWhatOvsOfctlTakes) {
  Flow flow;
  flow.priority = 5;
  flow.cookie = {Role::kVerdict, 0x1234};
  flow.match.stage = 0x10;
  flow.match.in_port = kPortLocal;
  EXPECT_EQ(FormatFlow(flow, TapTables()),
            "cookie=0x726d030000001234,table=252,priority=5,reg0=0x10,"
            "in_port=LOCAL,actions=drop");
}

TEST(FlowText, OfAnOutputIsBeforeThePacket) {
  FlowMatch match;
  match.actset_output = 7;
  match.family = Family::kIpv4;
  match.in_port = kPortLocal;
  EXPECT_EQ(FormatMatch(match), "actset_output=7,ip,reg0=0,in_port=LOCAL");
  match.actset_output = kPortLocal;
  EXPECT_EQ(FormatMatch(match), "actset_output=LOCAL,ip,reg0=0,in_port=LOCAL");
}

TEST(FlowText, IsForTheTableOfItsTap) {
  Flow flow;
  flow.tap = Tap::kEgress;
  flow.actions = {Progress::kContinue, EnterStage{1}};
  EXPECT_EQ(FormatFlow(flow, {10, 20}),
            "cookie=0x726d010000000000,table=20,priority=0,reg0=0,actions="
            "load:0->NXM_NX_REG1[0..1],load:0x1->NXM_NX_REG0[],resubmit(,20)");
}

TEST(FlowText, OfProtocolsUsesTheirWordsWhereThereAreAny) {
  FlowMatch match;
  match.family = Family::kIpv4;
  match.nw_proto = 58;
  EXPECT_EQ(FormatMatch(match), "ip,reg0=0,nw_proto=58");
  match.family = Family::kIpv6;
  EXPECT_EQ(FormatMatch(match), "icmp6,reg0=0");
  match.nw_proto = 132;
  EXPECT_EQ(FormatMatch(match), "sctp6,reg0=0");
}

// Masks with runs of zeros and ones between other bits, so that their texts
// have all forms: with "::" anywhere, with a dotted end, and first groups that
// look like a length.
Uint128 GenerateMask() {
  Uint128 mask = 0;
  for (int group = 0; group < 8; group++) {
    mask = mask << 16 | OneOf<uint16_t>({0, 0, 0xffff, 0xffff, 1, 0x64, 0x7fff,
                                         *rc::gen::arbitrary<uint16_t>()});
  }
  return mask;
}

struct in6_addr InNetworkOrder(Uint128 bits) {
  struct in6_addr address;
  for (int i = 15; i >= 0; i--) {
    address.s6_addr[i] = static_cast<uint8_t>(bits);
    bits >>= 8;
  }
  return address;
}

RC_GTEST_PROP(FlowText, OfAnyIpv6MaskIsReadAsThisMask, ()) {
  FlowMatch match;
  match.family = Family::kIpv6;
  for (Masked<Uint128>* bits : {&match.nw_src, &match.nw_dst}) {
    bits->mask = GenerateMask();
    bits->value = GenerateMask() & bits->mask;
  }
  const std::string text = FormatMatch(match);
  RC_LOG() << text;
  struct ofputil_flow_mod fm;
  enum ofputil_protocol usable;
  char* error = parse_ofp_flow_mod_str(&fm, (text + ",actions=drop").c_str(),
                                       nullptr, nullptr, OFPFC_ADD, &usable);
  RC_ASSERT(error == nullptr);
  struct match read;
  minimatch_expand(&fm.match, &read);
  minimatch_destroy(&fm.match);
  free(fm.ofpacts);
  const auto is = [](const struct in6_addr& found, Uint128 bits) {
    const struct in6_addr wanted = InNetworkOrder(bits);
    return std::memcmp(&found, &wanted, sizeof found) == 0;
  };
  RC_ASSERT(is(read.flow.ipv6_src, match.nw_src.value));
  RC_ASSERT(is(read.wc.masks.ipv6_src, match.nw_src.mask));
  RC_ASSERT(is(read.flow.ipv6_dst, match.nw_dst.value));
  RC_ASSERT(is(read.wc.masks.ipv6_dst, match.nw_dst.mask));
}

// Equal texts mean equal flows only if both sides write them the same way.
RC_GTEST_PROP(FlowText, IsTheTextThatOvsPrints, ()) {
  const Policy policy = GeneratePolicy();
  Diagnostics diagnostics;
  const TapFlows tap =
      CompileFlows(policy, BuildStages(policy, {}, &diagnostics),
                   GeneratedPorts(), kMaxFlows, &diagnostics);
  RC_PRE(!diagnostics.HasErrors());
  const MeterNumbers meters = NumberMeters(tap.meters);
  for (size_t i = 0; i < tap.flows.size() && i < 200; i++) {
    const Flow& flow = tap.flows[i];
    const auto [match, actions] =
        PrintedByOvs(FormatFlow(flow, TapTables(), meters));
    RC_LOG() << FormatFlow(flow, TapTables(), meters) << "\n"
             << match << "\n"
             << actions;
    RC_ASSERT(match == FormatMatch(flow.match));
    RC_ASSERT(actions ==
              FormatActions(flow.actions, TapTables().of(flow.tap), meters));
  }
}

}  // namespace
}  // namespace ovs_rmirror
