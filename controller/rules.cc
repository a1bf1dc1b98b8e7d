// SPDX-License-Identifier: Apache-2.0

#include "controller/rules.h"

#include <algorithm>
#include <set>

#include "controller/match_reader.h"
#include "controller/rule_text.h"
#include "controller/warnings.h"

namespace ovs_rmirror {

namespace {

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The one of the user's chains that `name` was meant to be, as a question, or
// `otherwise`.
std::string SuggestChain(std::string_view name,
                         const std::vector<std::string>& user_chains,
                         const std::string& otherwise) {
  std::vector<std::string_view> names(user_chains.begin(), user_chains.end());
  for (const Chain chain : kChains) {
    names.push_back(ChainName(chain));
  }
  const std::string_view nearest = Nearest(name, names);
  return nearest.empty() ? otherwise
                         : "did you mean " + std::string(nearest) + "?";
}

// Turns one parsed rule into a Rule.
class RuleBuilder {
 public:
  RuleBuilder(const ParsedRule& parsed, const Policy& policy,
              const IpSets& sets, Diagnostics* diagnostics)
      : parsed_(parsed),
        policy_(policy),
        diagnostics_(diagnostics),
        matches_(sets, diagnostics, &rule_.matches) {}

  Rule Build();

 private:
  void TakeChain();
  void TakeOption(const ParsedOption& option);
  void CheckInterface(const ParsedOption& option);
  void TakeComment(const ParsedOption& option);
  void TakeJump(const ParsedOption& option);
  void TakeMirrorOption(const ParsedOption& option);
  void TakeTarget(const Token& value);
  void TakeLength(const Token& value);
  void TakeBudgetOption(const ParsedOption& option);
  void FindBudget();

  bool Once(const ParsedOption& option);
  void ReportTwice(const ParsedOption& option);
  void RefuseNegation(const ParsedOption& option);
  void Error(const Location& where, std::string what, std::string instead) {
    diagnostics_->Error(where, std::move(what), std::move(instead));
  }

  const ParsedRule& parsed_;
  const Policy& policy_;
  Diagnostics* const diagnostics_;
  Rule rule_;
  MatchReader matches_;
  Mirror mirror_;
  bool has_jump_ = false;
  bool jumps_to_mirror_ = false;
  bool has_target_address_ = false;
  // Whether --limit belongs to -j RMIRROR, not to -m limit: to that of the two
  // that stands nearer before it.
  bool limits_session_ = false;
  const ParsedOption* budget_rate_ = nullptr;
  const ParsedOption* budget_burst_ = nullptr;
  std::set<OptionId> seen_;
};

Rule RuleBuilder::Build() {
  rule_.where = parsed_.append.where;
  TakeChain();

  // -p first: it says what port names mean, wherever it stands.
  for (const ParsedOption& option : parsed_.options) {
    if (option.id == OptionId::kProtocol && Once(option)) {
      matches_.TakeProtocol(option);
    }
  }
  for (const ParsedOption& option : parsed_.options) {
    if (option.id != OptionId::kProtocol) {
      TakeOption(option);
    }
  }

  matches_.FindFamilies(rule_.where);
  if (!has_jump_) {
    Error(rule_.where, "the rule says not what to do with its packets",
          "end it with -j RMIRROR, ACCEPT, DROP, RETURN or a chain");
  } else if (jumps_to_mirror_ && !has_target_address_ &&
             !seen_.contains(OptionId::kTarget)) {
    Error(rule_.where, "-j RMIRROR needs --target",
          "write -j RMIRROR --target ADDRESS");
  }
  if (has_jump_) {
    matches_.CheckLimits(jumps_to_mirror_);
  }
  if (jumps_to_mirror_) {
    FindBudget();
    rule_.target = mirror_;
  }
  return std::move(rule_);
}

void RuleBuilder::TakeChain() {
  const Token& name = parsed_.chain;
  rule_.chain = name.text;
  if (ChainByName(name.text) || Contains(policy_.user_chains, name.text)) {
    return;
  }
  Error(name.where, "there is no chain " + name.text,
        SuggestChain(name.text, policy_.user_chains,
                     "write :" + name.text + " - [0:0] in a line before"));
}

// Reports an option that appears twice, if one is enough.
bool RuleBuilder::Once(const ParsedOption& option) {
  switch (option.id) {
    case OptionId::kMatch:
    case OptionId::kMatchSet:
    case OptionId::kSourcePorts:
    case OptionId::kDestinationPorts:
    case OptionId::kPorts:
      return true;
    default:
      break;
  }
  if (seen_.insert(option.id).second) {
    return true;
  }
  ReportTwice(option);
  return false;
}

void RuleBuilder::ReportTwice(const ParsedOption& option) {
  Error(option.name.where, option.name.text + " appears twice in this rule",
        "write two rules, or one " + option.name.text);
}

void RuleBuilder::RefuseNegation(const ParsedOption& option) {
  if (option.negation) {
    Error(option.negation->where,
          "'!' before " + option.name.text + " is not supported",
          "only matches can be negated");
  }
}

void RuleBuilder::TakeOption(const ParsedOption& option) {
  if (limits_session_ &&
      (option.id == OptionId::kLimit || option.id == OptionId::kLimitBurst)) {
    TakeBudgetOption(option);
    return;
  }
  if (!Once(option)) {
    return;
  }
  switch (option.id) {
    case OptionId::kInInterface:
    case OptionId::kOutInterface:
      CheckInterface(option);
      break;
    case OptionId::kJump:
    case OptionId::kGoto:
      TakeJump(option);
      break;
    case OptionId::kComment:
      TakeComment(option);
      break;
    case OptionId::kMatch:
      limits_session_ = limits_session_ && option.value->text != "limit";
      matches_.Take(option);
      break;
    case OptionId::kTarget:
    case OptionId::kLen:
    case OptionId::kKey:
    case OptionId::kTtl:
    case OptionId::kTos:
    case OptionId::kDf:
      TakeMirrorOption(option);
      break;
    default:
      matches_.Take(option);
      break;
  }
}

// Reads -i or -o where iptables knows the port.  In a chain of the user any
// port may be asked for; the one by which a packet leaves is none at ingress.
void RuleBuilder::CheckInterface(const ParsedOption& option) {
  const std::optional<Chain> chain = ChainByName(rule_.chain);
  const bool in = option.id == OptionId::kInInterface;
  const char* why = nullptr;
  if (in && chain == Chain::kOutput) {
    why =
        "packets in OUTPUT all enter by LOCAL; use PREROUTING for other ports";
  } else if (in && chain == Chain::kPostrouting) {
    why =
        "use FORWARD for packets that enter by another port than LOCAL, or a "
        "chain of your own to which POSTROUTING jumps";
  } else if (!in && chain == Chain::kPrerouting) {
    why =
        "where a packet leaves is not known when it enters; use FORWARD or "
        "POSTROUTING";
  } else if (!in && chain == Chain::kOutput) {
    why =
        "where a packet leaves is not known when it enters; use POSTROUTING, "
        "which sees what the host sends, too";
  } else if (!in && chain == Chain::kInput) {
    why = "packets in INPUT all leave by LOCAL; use FORWARD or POSTROUTING";
  }
  if (why) {
    Error(option.name.where,
          option.name.text + " is not possible in " + rule_.chain, why);
  } else {
    matches_.Take(option);
  }
}

void RuleBuilder::TakeComment(const ParsedOption& option) {
  RefuseNegation(option);
  if (!matches_.HasModule("comment")) {
    Error(option.name.where, "--comment needs -m comment before it",
          "write -m comment --comment TEXT");
  }
  rule_.comment = option.value->text;
}

void RuleBuilder::TakeJump(const ParsedOption& option) {
  const Token& value = *option.value;
  const bool is_goto = option.id == OptionId::kGoto;
  RefuseNegation(option);
  if (has_jump_) {
    Error(option.name.where, "the rule has two targets",
          "write one -j or -g, and two rules for two targets");
    return;
  }
  has_jump_ = true;
  if (Contains(policy_.user_chains, value.text)) {
    rule_.target = Jump{value.text, is_goto};
    return;
  }
  if (is_goto) {
    Error(value.where, "there is no chain " + value.text + " to go to",
          SuggestChain(value.text, policy_.user_chains,
                       "write :" + value.text + " - [0:0] in a line before"));
    return;
  }
  if (value.text == "RMIRROR") {
    jumps_to_mirror_ = true;
    limits_session_ = true;
    return;
  }
  for (const Verdict verdict :
       {Verdict::kAccept, Verdict::kDrop, Verdict::kReturn}) {
    if (value.text == VerdictName(verdict)) {
      rule_.target = verdict;
      return;
    }
  }
  std::vector<std::string_view> names(policy_.user_chains.begin(),
                                      policy_.user_chains.end());
  names.insert(names.end(), {"RMIRROR", "ACCEPT", "DROP", "RETURN"});
  const std::string_view nearest = Nearest(value.text, names);
  Error(value.where, "target " + Quoted(value) + " is not supported",
        nearest.empty() ? "possible: RMIRROR, ACCEPT, DROP, RETURN, and chains "
                          "that a line :NAME - [0:0] declares"
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
  if (!v4 && bits >> 32 == 0xffff) {
    Error(value.where, Quoted(value) + " is an IPv4 address mapped to IPv6",
          "write " + FormatAddress({Family::kIpv4, bits & 0xffffffff}));
    return;
  }
  mirror_.session.target = *address;
  rule_.target_where = value.where;
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

void RuleBuilder::TakeBudgetOption(const ParsedOption& option) {
  RefuseNegation(option);
  const ParsedOption*& place =
      option.id == OptionId::kLimit ? budget_rate_ : budget_burst_;
  if (place) {
    ReportTwice(option);
  }
  place = &option;
}

// The burst is in the unit of the rate, wherever it stands.
void RuleBuilder::FindBudget() {
  if (!budget_rate_) {
    if (budget_burst_) {
      Error(budget_burst_->name.where, "--limit-burst needs --limit",
            "write --limit 1000/second --limit-burst 500");
    }
    return;
  }
  Budget budget;
  const Token& rate = *budget_rate_->value;
  RateError error = ParseBudget(rate.text, &budget);
  if (!error.what.empty()) {
    Error(rate.where, error.what, error.instead);
    return;
  }
  if (budget_burst_) {
    const Token& burst = *budget_burst_->value;
    error = ParseBudgetBurst(burst.text, &budget);
    if (!error.what.empty()) {
      Error(burst.where, error.what, error.instead);
      return;
    }
  }
  mirror_.budget = budget;
  rule_.budget_where = budget_rate_->name.where;
}

// Gives each session the budget that one of its rules names.
class BudgetFinder {
 public:
  BudgetFinder(Policy* policy, Diagnostics* diagnostics)
      : policy_(*policy), diagnostics_(*diagnostics) {}

  void Find() {
    for (const Rule& rule : policy_.rules) {
      Note(rule);
    }
    for (Rule& rule : policy_.rules) {
      Share(&rule);
    }
  }

 private:
  // "192.0.2.9 --key 7 has --limit 1000/sec, in line 2".
  static std::string Describe(const Rule& rule) {
    return NameOf(rule) + " has " + FormatBudget(*rule.mirror()->budget) +
           ", in line " + std::to_string(rule.budget_where->line);
  }

  static std::string NameOf(const Rule& rule) {
    const Session& session = rule.mirror()->session;
    return FormatAddress(session.target) + FormatSessionOptions(session);
  }

  void Note(const Rule& rule) {
    if (!rule.budget_where) {
      return;
    }
    const auto [first, is_first] = budgets_.emplace(NameOf(rule), &rule);
    if (!is_first && rule.mirror()->budget != first->second->mirror()->budget) {
      diagnostics_.Error(
          *rule.budget_where,
          "another limit of the same session: " + Describe(*first->second),
          "write the same here, or leave it out: one rule of a "
          "session names the limit for all");
    }
  }

  void Share(Rule* rule) {
    if (!rule->mirror()) {
      return;
    }
    const auto found = budgets_.find(NameOf(*rule));
    if (found == budgets_.end()) {
      return;
    }
    if (rule->matches.limit) {
      diagnostics_.Error(rule->where,
                         "this rule has -m limit, and its session a limit, "
                         "too: " +
                             Describe(*found->second),
                         "leave one of the two out, or give the rule a session "
                         "of its own by --key: a switch limits a copy once");
    }
    std::get<Mirror>(rule->target).budget = found->second->mirror()->budget;
  }

  Policy& policy_;
  Diagnostics& diagnostics_;
  std::map<std::string, const Rule*> budgets_;  // By NameOf().
};

void TakeChainLine(const ParsedChain& parsed, Policy* policy,
                   Diagnostics* diagnostics) {
  const std::string& name = parsed.name.text;
  const std::string& word = parsed.policy.text;
  if (const std::optional<Chain> chain = ChainByName(name)) {
    if (word == "ACCEPT" || word == "-") {
      policy->chain_policies[*chain] = Verdict::kAccept;
    } else if (word == "DROP") {
      policy->chain_policies[*chain] = Verdict::kDrop;
    } else {
      diagnostics->Error(parsed.policy.where,
                         Quoted(parsed.policy) + " is no policy of a chain",
                         "possible: ACCEPT, DROP");
    }
  } else if (Contains(policy->user_chains, name)) {
    diagnostics->Error(parsed.name.where, "chain " + name + " appears twice",
                       "declare it once");
  } else if (name == "RMIRROR" || name == "ACCEPT" || name == "DROP" ||
             name == "RETURN") {
    diagnostics->Error(parsed.name.where,
                       name + " is a target and cannot be a chain",
                       "give the chain another name");
  } else if (name.empty() || name.size() > kMaxChainName || name[0] == '-' ||
             name[0] == '!' || name[0] == '[' ||
             name.find_first_of(" \t\"\\") != std::string::npos) {
    diagnostics->Error(parsed.name.where,
                       Quoted(parsed.name) + " cannot be the name of a chain",
                       "use 1 to 28 characters, none of them a blank, quote or "
                       "backslash, and the first no -, ! or [");
  } else {
    if (word != "-") {
      diagnostics->Error(parsed.policy.where,
                         "a chain of your own has no policy",
                         "write :" + name + " - [0:0]");
    }
    policy->user_chains.push_back(name);
  }
}

// Finds jumps that lead back to where they came from.
class LoopFinder {
 public:
  LoopFinder(const Policy& policy, Diagnostics* diagnostics)
      : policy_(policy), diagnostics_(diagnostics) {
    for (const Rule& rule : policy.rules) {
      rules_[rule.chain].push_back(&rule);
    }
  }

  void Find() {
    for (const Chain chain : kChains) {
      Visit(std::string(ChainName(chain)));
    }
    for (const std::string& chain : policy_.user_chains) {
      Visit(chain);
    }
  }

 private:
  // Returns how deep the jumps of `chain` are nested.
  size_t Visit(const std::string& chain) {
    const auto known = depths_.find(chain);
    if (known != depths_.end()) {
      return known->second;
    }
    path_.push_back(chain);
    size_t depth = 0;
    for (const Rule* rule : rules_[chain]) {
      const Jump* jump = rule->jump();
      if (!jump) {
        continue;
      }
      if (Contains(path_, jump->chain)) {
        ReportLoop(*rule, jump->chain);
        continue;
      }
      depth = std::max(depth, Visit(jump->chain) + 1);
      if (depth == kMaxJumps + 1) {
        diagnostics_->Error(rule->where,
                            "jumps are nested more than " +
                                std::to_string(kMaxJumps) +
                                " deep from here on",
                            "let some of the chains end where others begin");
      }
    }
    path_.pop_back();
    depths_[chain] = depth;
    return depth;
  }

  void ReportLoop(const Rule& rule, const std::string& chain) {
    std::string way;
    for (auto it = std::find(path_.begin(), path_.end(), chain);
         it != path_.end(); ++it) {
      way += *it + " -> ";
    }
    diagnostics_->Error(rule.where, "this jump makes a loop: " + way + chain,
                        "take one of these jumps out");
  }

  const Policy& policy_;
  Diagnostics* const diagnostics_;
  std::map<std::string, std::vector<const Rule*>> rules_;
  std::map<std::string, size_t> depths_;
  std::vector<std::string> path_;
};

}  // namespace

std::string_view ChainName(Chain chain) {
  switch (chain) {
    case Chain::kPrerouting:
      return "PREROUTING";
    case Chain::kInput:
      return "INPUT";
    case Chain::kForward:
      return "FORWARD";
    case Chain::kOutput:
      return "OUTPUT";
    case Chain::kPostrouting:
      return "POSTROUTING";
  }
  return "";
}

Tap TapOf(Chain chain) {
  return chain == Chain::kPrerouting || chain == Chain::kOutput ? Tap::kIngress
                                                                : Tap::kEgress;
}

Verdict Policy::PolicyOf(Chain chain) const {
  const auto it = chain_policies.find(chain);
  return it == chain_policies.end() ? Verdict::kAccept : it->second;
}

std::optional<Chain> ChainByName(std::string_view name) {
  for (const Chain chain : kChains) {
    if (ChainName(chain) == name) {
      return chain;
    }
  }
  return std::nullopt;
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

bool Policy::Uses(Tap tap) const {
  return std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) {
    const std::optional<Chain> chain = ChainByName(rule.chain);
    return chain && TapOf(*chain) == tap;
  });
}

Policy BuildRules(const ParsedPolicy& parsed, const IpSets& sets,
                  Diagnostics* diagnostics) {
  Policy policy;
  for (const ParsedChain& chain : parsed.chains) {
    TakeChainLine(chain, &policy, diagnostics);
  }
  policy.rules.reserve(parsed.rules.size());
  for (const ParsedRule& rule : parsed.rules) {
    policy.rules.push_back(
        RuleBuilder(rule, policy, sets, diagnostics).Build());
  }
  LoopFinder(policy, diagnostics).Find();
  BudgetFinder(&policy, diagnostics).Find();
  if (!diagnostics->HasErrors()) {
    WarnOfShadowedRules(&policy, diagnostics);
  }
  return policy;
}

Policy ReadPolicy(const SourceText& source, const IpSets& sets,
                  Diagnostics* diagnostics) {
  return BuildRules(Parse(Scan(source, diagnostics), diagnostics), sets,
                    diagnostics);
}

}  // namespace ovs_rmirror
