// SPDX-License-Identifier: Apache-2.0

#include "controller/rules.h"

#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "controller/names.h"

namespace ovs_rmirror {

namespace {

// OpenFlow has 16 bytes for the name of a port, the last of them a NUL.
constexpr size_t kMaxPortName = 15;

// What iptables has and this language has not.
constexpr std::array<std::string_view, 3> kOtherChains = {"INPUT", "FORWARD",
                                                          "POSTROUTING"};

std::string Quoted(const Token& token) { return "'" + token.text + "'"; }

// Reads a decimal number, or a hexadecimal one that starts with 0x.
std::optional<uint64_t> ParseNumber(std::string_view text, uint64_t max) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size() ||
      number > max) {
    return std::nullopt;
  }
  return number;
}

// The part of `token` from byte `begin` on, `size` bytes.  Exact as long as the
// token has no quotes or escapes; else the whole token stands for its parts.
Location PartOf(const Token& token, size_t begin, size_t size) {
  if (token.kind == TokenKind::kString || size == 0) {
    return token.where;
  }
  return {token.where.line, token.where.offset + begin, size};
}

bool HasPorts(uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
         protocol == IPPROTO_SCTP;
}

// Turns one parsed rule into a Rule.
class RuleBuilder {
 public:
  RuleBuilder(const ParsedRule& parsed, Diagnostics* diagnostics)
      : parsed_(parsed), diagnostics_(diagnostics) {}

  Rule Build();

 private:
  void TakeChain();
  void TakeOption(const ParsedOption& option);
  void TakeAddresses(const ParsedOption& option,
                     std::optional<AddressMatch>* match);
  std::optional<Network> ReadNetwork(const Token& token, size_t begin,
                                     size_t size);
  void CheckMasks(const Token& token, const Network& network, bool negated);
  void TakeProtocol(const ParsedOption& option);
  void TakeInInterface(const ParsedOption& option);
  void TakeModule(const ParsedOption& option);
  void TakePorts(const ParsedOption& option, std::optional<PortMatch>* match);
  std::optional<uint16_t> ReadPort(const Token& token, size_t begin,
                                   size_t size);
  void TakeMacSource(const ParsedOption& option);
  void TakeComment(const ParsedOption& option);
  void TakeJump(const ParsedOption& option);
  void TakeMirrorOption(const ParsedOption& option);
  void TakeTarget(const Token& value);
  void TakeLength(const Token& value);
  void FindFamilies();

  bool Once(const ParsedOption& option);
  void RefuseNegation(const ParsedOption& option);
  void Error(const Location& where, std::string what, std::string instead) {
    diagnostics_->Error(where, std::move(what), std::move(instead));
  }

  const ParsedRule& parsed_;
  Diagnostics* const diagnostics_;
  Rule rule_;
  Mirror mirror_;
  bool has_jump_ = false;
  bool jumps_to_mirror_ = false;
  bool has_target_address_ = false;
  std::set<OptionId> seen_;
  std::set<std::string> modules_;
};

Rule RuleBuilder::Build() {
  rule_.where = parsed_.append.where;
  TakeChain();

  // -p first: it says what port names mean, wherever it stands.
  for (const ParsedOption& option : parsed_.options) {
    if (option.id == OptionId::kProtocol) {
      TakeOption(option);
    }
  }
  for (const ParsedOption& option : parsed_.options) {
    if (option.id != OptionId::kProtocol) {
      TakeOption(option);
    }
  }

  FindFamilies();
  if (!has_jump_) {
    Error(rule_.where, "the rule says not what to do with its packets",
          "end it with -j RMIRROR, ACCEPT, DROP or RETURN");
  } else if (jumps_to_mirror_ && !has_target_address_ &&
             !seen_.contains(OptionId::kTarget)) {
    Error(rule_.where, "-j RMIRROR needs --target",
          "write -j RMIRROR --target ADDRESS");
  }
  if (jumps_to_mirror_) {
    rule_.target = mirror_;
  }
  return std::move(rule_);
}

void RuleBuilder::TakeChain() {
  const Token& name = parsed_.chain;
  for (const Chain chain : kChains) {
    if (name.text == ChainName(chain)) {
      rule_.chain = chain;
      return;
    }
  }
  // Whether a built-in or a user's chain, the answer is the same.
  Error(name.where, "chain " + name.text + " is not supported yet",
        "possible: PREROUTING (packets entering by any port but LOCAL) and "
        "OUTPUT (entering by LOCAL)");
}

// Reports an option that appears twice.
bool RuleBuilder::Once(const ParsedOption& option) {
  if (option.id == OptionId::kMatch || seen_.insert(option.id).second) {
    return true;
  }
  Error(option.name.where, option.name.text + " appears twice in this rule",
        "write two rules, or one " + option.name.text);
  return false;
}

void RuleBuilder::RefuseNegation(const ParsedOption& option) {
  if (option.negation) {
    Error(option.negation->where,
          "'!' before " + option.name.text + " is not supported",
          "possible before: -s -d -p --sport --dport --mac-source");
  }
}

void RuleBuilder::TakeOption(const ParsedOption& option) {
  if (!Once(option)) {
    return;
  }
  switch (option.id) {
    case OptionId::kSource:
      TakeAddresses(option, &rule_.source);
      break;
    case OptionId::kDestination:
      TakeAddresses(option, &rule_.destination);
      break;
    case OptionId::kProtocol:
      TakeProtocol(option);
      break;
    case OptionId::kInInterface:
      TakeInInterface(option);
      break;
    case OptionId::kJump:
      TakeJump(option);
      break;
    case OptionId::kMatch:
      TakeModule(option);
      break;
    case OptionId::kIpv4:
      RefuseNegation(option);
      rule_.ipv6 = false;
      break;
    case OptionId::kIpv6:
      RefuseNegation(option);
      rule_.ipv4 = false;
      break;
    case OptionId::kSourcePort:
      TakePorts(option, &rule_.source_port);
      break;
    case OptionId::kDestinationPort:
      TakePorts(option, &rule_.destination_port);
      break;
    case OptionId::kMacSource:
      TakeMacSource(option);
      break;
    case OptionId::kComment:
      TakeComment(option);
      break;
    case OptionId::kTarget:
    case OptionId::kLen:
    case OptionId::kKey:
    case OptionId::kTtl:
    case OptionId::kTos:
    case OptionId::kDf:
      TakeMirrorOption(option);
      break;
  }
}

void RuleBuilder::TakeAddresses(const ParsedOption& option,
                                std::optional<AddressMatch>* match) {
  const Token& value = *option.value;
  AddressMatch addresses;
  addresses.negated = option.negation.has_value();
  size_t begin = 0;
  for (;;) {
    const size_t comma = value.text.find(',', begin);
    const size_t size =
        (comma == std::string::npos ? value.text.size() : comma) - begin;
    if (const std::optional<Network> network = ReadNetwork(value, begin, size);
        network &&
        std::find(addresses.networks.begin(), addresses.networks.end(),
                  *network) == addresses.networks.end()) {
      addresses.networks.push_back(*network);
    }
    if (comma == std::string::npos) {
      break;
    }
    begin = comma + 1;
  }
  if (addresses.negated && addresses.networks.size() > 1) {
    Error(option.negation->where,
          "'!' is not possible before several addresses",
          "write a RETURN rule for them before this one");
  }
  for (const Network& network : addresses.networks) {
    CheckMasks(value, network, addresses.negated);
    if (addresses.negated && network.bits.mask == 0) {
      diagnostics_->Warning(value.where,
                            "this rule can never match: no " +
                                std::string("address is outside ") +
                                FormatNetwork(network));
    }
  }
  *match = std::move(addresses);
}

// Reads ADDRESS, ADDRESS/LENGTH or ADDRESS/MASK.  Host bits are cleared, as
// iptables does.
std::optional<Network> RuleBuilder::ReadNetwork(const Token& token,
                                                size_t begin, size_t size) {
  const std::string_view text =
      std::string_view(token.text).substr(begin, size);
  const size_t slash = text.find('/');
  const std::string_view base = text.substr(0, slash);
  const std::optional<Address> address = ParseAddress(base);
  if (!address) {
    Error(PartOf(token, begin, base.size()),
          "'" + std::string(base) + "' is no IP address",
          "write it like 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32; host names "
          "are not looked up");
    return std::nullopt;
  }

  const Family family = address->family;
  Uint128 mask = PrefixMask(family, AddressWidth(family));
  if (slash != std::string_view::npos) {
    const std::string_view written = text.substr(slash + 1);
    const std::optional<uint64_t> length =
        ParseNumber(written, static_cast<uint64_t>(AddressWidth(family)));
    const std::optional<Address> dotted = ParseAddress(written);
    if (length) {
      mask = PrefixMask(family, static_cast<int>(*length));
    } else if (dotted && dotted->family == family) {
      mask = dotted->bits;
    } else {
      Error(PartOf(token, begin + slash + 1, written.size()),
            "'" + std::string(written) + "' is no mask of an " +
                (family == Family::kIpv4 ? "IPv4" : "IPv6") + " address",
            family == Family::kIpv4
                ? "write a length from 0 to 32 or a mask like 255.255.0.0"
                : "write a length from 0 to 128 or a mask like ffff::");
      return std::nullopt;
    }
  }
  return Network{family, {address->bits & mask, mask}};
}

// Refuses masks that no flow can have.
void RuleBuilder::CheckMasks(const Token& token, const Network& network,
                             bool negated) {
  std::vector<Masked<Uint128>> matches = {network.bits};
  if (negated) {
    matches = Complement(network.bits, AddressWidth(network.family));
  }
  for (const Masked<Uint128>& match : matches) {
    if (!IsReadableMask(network.family, match.mask)) {
      Error(token.where,
            "Open vSwitch cannot match the mask of " + FormatNetwork(network),
            "use a length, or a mask that begins with ffff or ::");
      return;
    }
  }
}

void RuleBuilder::TakeProtocol(const ParsedOption& option) {
  const Token& value = *option.value;
  std::string name = value.text;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  std::optional<uint64_t> number = ParseNumber(name, 255);
  if (name == "all") {
    number = 0;
  } else if (!number) {
    number = ProtocolByName(name);
  }
  if (!number) {
    const std::string_view nearest =
        Nearest(name, {"tcp", "udp", "sctp", "icmp", "ipv6-icmp", "icmpv6",
                       "esp", "ah", "gre", "all"});
    Error(value.where, "protocol " + Quoted(value) + " is unknown",
          nearest.empty()
              ? "write a name like tcp, a number from 0 to 255, or all"
              : "did you mean " + std::string(nearest) + "?");
  } else if (*number == 0 && option.negation) {
    Error(option.negation->where,
          "a rule that excludes every protocol can "
          "never match",
          "leave -p out to match every protocol");
  } else if (*number != 0) {
    rule_.protocol = {option.negation.has_value(),
                      static_cast<uint8_t>(*number)};
  }
}

void RuleBuilder::TakeInInterface(const ParsedOption& option) {
  const Token& value = *option.value;
  RefuseNegation(option);
  if (rule_.chain == Chain::kOutput) {
    Error(option.name.where, "-i is not possible in OUTPUT",
          "packets in OUTPUT all enter by LOCAL; use PREROUTING for other "
          "ports");
  } else if (value.text.empty()) {
    Error(value.where, "a port of the bridge has a name",
          "write the name that ovs-vsctl list-ports shows");
  } else if (value.text.size() > kMaxPortName) {
    Error(value.where,
          "OpenFlow cuts names of ports to " + std::to_string(kMaxPortName) +
              " characters",
          "give the port a shorter name");
  } else if (value.text.ends_with('+')) {
    Error(value.where, "a '+' for many ports is not supported yet",
          "write one rule for each port");
  } else if (value.text == "LOCAL") {
    Error(value.where, "no packet enters PREROUTING by LOCAL",
          "write the rule for chain OUTPUT, without -i");
  } else {
    rule_.in_interface = value.text;
  }
}

void RuleBuilder::TakeModule(const ParsedOption& option) {
  static const std::vector<std::string_view> kModules = {"tcp", "udp", "sctp",
                                                         "mac", "comment"};
  const Token& value = *option.value;
  RefuseNegation(option);
  if (std::find(kModules.begin(), kModules.end(), value.text) ==
      kModules.end()) {
    const std::string_view nearest = Nearest(value.text, kModules);
    Error(value.where, "match " + Quoted(value) + " is not supported",
          nearest.empty() ? "possible: tcp, udp, sctp, mac, comment"
                          : "did you mean " + std::string(nearest) + "?");
    // Its own options were reported, too, if it has any.
    return;
  }
  modules_.insert(value.text);
  if (value.text != "mac" && value.text != "comment" &&
      (!rule_.protocol || rule_.protocol->negated ||
       rule_.protocol->protocol != ProtocolByName(value.text))) {
    Error(value.where, "-m " + value.text + " needs -p " + value.text,
          "write -p " + value.text + " -m " + value.text);
  }
}

void RuleBuilder::TakePorts(const ParsedOption& option,
                            std::optional<PortMatch>* match) {
  const Token& value = *option.value;
  if (!rule_.protocol || rule_.protocol->negated ||
      !HasPorts(rule_.protocol->protocol)) {
    Error(option.name.where, option.name.text + " needs a protocol with ports",
          "write -p tcp, -p udp or -p sctp");
    return;
  }
  PortMatch ports;
  ports.negated = option.negation.has_value();
  const size_t colon = value.text.find(':');
  std::optional<uint16_t> first, last;
  if (colon == std::string::npos) {
    first = last = ReadPort(value, 0, value.text.size());
  } else {
    first = colon == 0 ? 0 : ReadPort(value, 0, colon);
    last = colon + 1 == value.text.size()
               ? 65535
               : ReadPort(value, colon + 1, value.text.size() - colon - 1);
  }
  if (!first || !last) {
    return;
  }
  if (*first > *last) {
    Error(value.where, "this range of ports is empty",
          "write the lower port first: " + std::to_string(*last) + ":" +
              std::to_string(*first));
    return;
  }
  ports.first = *first;
  ports.last = *last;
  if (ports.negated && ports.first == 0 && ports.last == 65535) {
    diagnostics_->Warning(value.where,
                          "this rule can never match: no port is "
                          "outside 0:65535");
  }
  *match = ports;
}

std::optional<uint16_t> RuleBuilder::ReadPort(const Token& token, size_t begin,
                                              size_t size) {
  const std::string text = token.text.substr(begin, size);
  if (const std::optional<uint64_t> number = ParseNumber(text, 65535)) {
    return static_cast<uint16_t>(*number);
  }
  const uint8_t protocol = rule_.protocol->protocol;
  if (const std::optional<uint16_t> port = ServiceByName(text, protocol)) {
    return port;
  }
  Error(PartOf(token, begin, size),
        "'" + text + "' is no port of " + ProtocolName(protocol),
        "write a number from 0 to 65535, a range like 1024:2047, or a service "
        "of /etc/services");
  return std::nullopt;
}

void RuleBuilder::TakeMacSource(const ParsedOption& option) {
  const Token& value = *option.value;
  if (!modules_.contains("mac")) {
    Error(option.name.where, "--mac-source needs -m mac before it",
          "write -m mac --mac-source ADDRESS");
  }
  const std::optional<uint64_t> mac = ParseMac(value.text);
  if (!mac) {
    Error(value.where, Quoted(value) + " is no Ethernet address",
          "write it like 02:00:00:00:00:05");
    return;
  }
  rule_.mac_source = {option.negation.has_value(), *mac};
}

void RuleBuilder::TakeComment(const ParsedOption& option) {
  RefuseNegation(option);
  if (!modules_.contains("comment")) {
    Error(option.name.where, "--comment needs -m comment before it",
          "write -m comment --comment TEXT");
  }
  rule_.comment = option.value->text;
}

void RuleBuilder::TakeJump(const ParsedOption& option) {
  const Token& value = *option.value;
  RefuseNegation(option);
  has_jump_ = true;
  if (value.text == "RMIRROR") {
    jumps_to_mirror_ = true;
    return;
  }
  for (const Verdict verdict :
       {Verdict::kAccept, Verdict::kDrop, Verdict::kReturn}) {
    if (value.text == VerdictName(verdict)) {
      rule_.target = verdict;
      return;
    }
  }
  const std::string_view nearest =
      Nearest(value.text, {"RMIRROR", "ACCEPT", "DROP", "RETURN"});
  Error(value.where, "target " + Quoted(value) + " is not supported",
        nearest.empty() ? "possible: RMIRROR, ACCEPT, DROP, RETURN; jumps to "
                          "chains are not supported yet"
                        : "did you mean " + std::string(nearest) + "?");
}

void RuleBuilder::TakeMirrorOption(const ParsedOption& option) {
  RefuseNegation(option);
  if (!jumps_to_mirror_) {
    // A misspelt target was reported already.
    if (!has_jump_ || rule_.verdict()) {
      Error(option.name.where, option.name.text + " needs -j RMIRROR before it",
            "write -j RMIRROR --target ADDRESS, then the other options");
    }
    return;
  }
  Session& session = mirror_.session;
  switch (option.id) {
    case OptionId::kTarget:
      TakeTarget(*option.value);
      break;
    case OptionId::kLen:
      TakeLength(*option.value);
      break;
    case OptionId::kKey:
      if (const auto key = ParseNumber(option.value->text, UINT32_MAX)) {
        session.key = static_cast<uint32_t>(*key);
      } else {
        Error(option.value->where, Quoted(*option.value) + " is no GRE key",
              "write a number from 0 to 4294967295");
      }
      break;
    case OptionId::kTtl:
      if (const auto ttl = ParseNumber(option.value->text, 255);
          ttl && *ttl > 0) {
        session.ttl = static_cast<uint8_t>(*ttl);
      } else {
        Error(option.value->where, Quoted(*option.value) + " is no TTL",
              "write a number from 1 to 255");
      }
      break;
    case OptionId::kTos:
      if (const auto tos = ParseNumber(option.value->text, 255)) {
        session.tos = static_cast<uint8_t>(*tos);
      } else if (option.value->text == "inherit") {
        session.tos = std::nullopt;
      } else {
        Error(option.value->where, Quoted(*option.value) + " is no TOS",
              "write a number from 0 to 255 (0x00 to 0xff) or inherit");
      }
      break;
    case OptionId::kDf:
      session.df = true;
      break;
    default:
      break;
  }
}

void RuleBuilder::TakeTarget(const Token& value) {
  const std::optional<Address> address = ParseAddress(value.text);
  if (!address) {
    Error(value.where, Quoted(value) + " is no IP address",
          "write the collector's address, like 192.0.2.9 or 2001:db8::9; host "
          "names are not looked up");
    return;
  }
  const bool v4 = address->family == Family::kIpv4;
  const Uint128 bits = address->bits;
  const char* kind = nullptr;
  if (bits == 0) {
    kind = "the unspecified";
  } else if (v4 ? bits >> 24 == 127 : bits == 1) {
    kind = "a loopback";
  } else if (v4 ? bits >> 28 == 0xe : bits >> 120 == 0xff) {
    kind = "a multicast";
  } else if (v4 && bits == 0xffffffff) {
    kind = "the broadcast";
  }
  if (kind) {
    Error(value.where,
          Quoted(value) + " is " + kind + " address, which no collector has",
          "write a unicast address");
    return;
  }
  mirror_.session.target = *address;
  has_target_address_ = true;
}

void RuleBuilder::TakeLength(const Token& value) {
  if (value.text == "mtu") {
    mirror_.len.mtu = true;
    return;
  }
  const std::optional<uint64_t> bytes =
      ParseNumber(value.text, RMIRROR_LEN_MAX);
  if (!bytes) {
    Error(value.where, Quoted(value) + " is no length",
          "write a number of bytes from 14 to 65535, 0 for whole frames, or "
          "mtu");
  } else if (*bytes != RMIRROR_LEN_ALL && *bytes < RMIRROR_LEN_MIN) {
    Error(value.where,
          "a copy of " + value.text + " bytes has no whole Ethernet header",
          "write 14 or more, or 0 for whole frames");
  } else {
    mirror_.len.bytes = static_cast<uint16_t>(*bytes);
  }
}

// Addresses imply a family; all that a rule says of families must agree.
void RuleBuilder::FindFamilies() {
  const bool v4 = rule_.ipv4, v6 = rule_.ipv6;
  if (!v4 && !v6) {
    Error(rule_.where, "-4 and -6 exclude each other",
          "leave both out to match both families");
    return;
  }
  for (const auto* match : {&rule_.source, &rule_.destination}) {
    if (!*match || (*match)->networks.empty()) {
      continue;
    }
    const auto has = [&](Family family) {
      return std::any_of((*match)->networks.begin(), (*match)->networks.end(),
                         [&](const Network& n) { return n.family == family; });
    };
    rule_.ipv4 &= has(Family::kIpv4);
    rule_.ipv6 &= has(Family::kIpv6);
  }
  if (!rule_.ipv4 && !rule_.ipv6) {
    Error(rule_.where,
          v4 && v6 ? "one address is IPv4 and the other IPv6: the rule can "
                     "never match"
                   : "the addresses are not of the family that the rule is "
                     "restricted to",
          "write one rule for each family");
    return;
  }
  // A list of both families keeps what the rest of the rule leaves possible.
  for (auto* match : {&rule_.source, &rule_.destination}) {
    if (*match && std::erase_if((*match)->networks, [&](const Network& n) {
          return n.family == Family::kIpv4 ? !rule_.ipv4 : !rule_.ipv6;
        })) {
      diagnostics_->Warning(rule_.where,
                            std::string("this rule can match ") +
                                (rule_.ipv4 ? "IPv4" : "IPv6") +
                                " only: the other addresses have no effect");
    }
  }
}

void CheckChain(const ParsedChain& parsed, Policy* policy,
                Diagnostics* diagnostics) {
  const auto chain = std::find_if(kChains.begin(), kChains.end(), [&](Chain c) {
    return ChainName(c) == parsed.name.text;
  });
  if (chain == kChains.end()) {
    const bool built_in = std::find(kOtherChains.begin(), kOtherChains.end(),
                                    parsed.name.text) != kOtherChains.end();
    diagnostics->Error(parsed.name.where,
                       std::string(built_in ? "chain " : "user chain ") +
                           parsed.name.text + " is not supported yet",
                       "possible: PREROUTING and OUTPUT");
  } else if (parsed.policy.text == "ACCEPT" || parsed.policy.text == "-") {
    policy->chain_policies[*chain] = Verdict::kAccept;
  } else if (parsed.policy.text == "DROP") {
    policy->chain_policies[*chain] = Verdict::kDrop;
  } else {
    diagnostics->Error(parsed.policy.where,
                       Quoted(parsed.policy) + " is no policy of a chain",
                       "possible: ACCEPT, DROP");
  }
}

}  // namespace

std::string_view ChainName(Chain chain) {
  return chain == Chain::kPrerouting ? "PREROUTING" : "OUTPUT";
}

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAccept:
      return "ACCEPT";
    case Verdict::kDrop:
      return "DROP";
    case Verdict::kReturn:
      return "RETURN";
  }
  return "";
}

Policy BuildRules(const ParsedPolicy& parsed, Diagnostics* diagnostics) {
  Policy policy;
  for (const ParsedChain& chain : parsed.chains) {
    CheckChain(chain, &policy, diagnostics);
  }
  for (const ParsedRule& rule : parsed.rules) {
    policy.rules.push_back(RuleBuilder(rule, diagnostics).Build());
  }
  return policy;
}

Policy ReadPolicy(const SourceText& source, Diagnostics* diagnostics) {
  return BuildRules(Parse(Scan(source, diagnostics), diagnostics), diagnostics);
}

}  // namespace ovs_rmirror
