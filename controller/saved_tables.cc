// SPDX-License-Identifier: Apache-2.0

#include "controller/saved_tables.h"

#include <algorithm>
#include <set>

#include "controller/match_reader.h"
#include "controller/rules.h"
#include "controller/scanner.h"

namespace ovs_rmirror {

namespace {

// The chains that each table has by itself.
const std::map<std::string_view, std::vector<std::string_view>>&
BuiltInChains() {
  static const std::map<std::string_view, std::vector<std::string_view>>
      chains = {
          {"raw", {"PREROUTING", "OUTPUT"}},
          {"mangle",
           {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}},
          {"nat", {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}},
          {"filter", {"INPUT", "FORWARD", "OUTPUT"}},
          {"security", {"INPUT", "FORWARD", "OUTPUT"}},
      };
  return chains;
}

struct KnownTarget {
  std::variant<SavedVerdict, SavedContinue> effect;
  PacketChange changes = PacketChange::kNone;
};

// Targets of iptables and of xtables-addons, by what they do to the evaluation.
const std::map<std::string_view, KnownTarget>& KnownTargets() {
  constexpr SavedContinue kContinue;
  constexpr SavedVerdict kAccept = SavedVerdict::kAccept;
  constexpr SavedVerdict kDrop = SavedVerdict::kDrop;
  static const std::map<std::string_view, KnownTarget> targets = {
      {"ACCEPT", {kAccept}},
      {"DROP", {kDrop}},
      {"RETURN", {SavedVerdict::kReturn}},
      // They take the packet away.
      {"REJECT", {kDrop}},
      {"DELUDE", {kDrop}},
      {"ECHO", {kDrop}},
      {"STEAL", {kDrop}},
      {"SYNPROXY", {kDrop}},
      {"TARPIT", {kDrop}},
      // They end the table.
      {"DNAT", {kAccept, PacketChange::kAddresses}},
      {"MASQUERADE", {kAccept, PacketChange::kAddresses}},
      {"NETMAP", {kAccept, PacketChange::kAddresses}},
      {"REDIRECT", {kAccept, PacketChange::kAddresses}},
      {"SAME", {kAccept, PacketChange::kAddresses}},
      {"SNAT", {kAccept, PacketChange::kAddresses}},
      {"NFQUEUE", {kAccept}},
      {"QUEUE", {kAccept}},
      {"TPROXY", {kAccept}},
      // The packet goes on.
      {"ACCOUNT", {kContinue}},
      {"AUDIT", {kContinue}},
      {"CHECKSUM", {kContinue}},
      {"CLASSIFY", {kContinue}},
      {"CLUSTERIP", {kContinue}},
      {"CONNMARK", {kContinue, PacketChange::kMark}},
      {"CONNSECMARK", {kContinue}},
      {"CT", {kContinue}},
      {"DNPT", {kContinue, PacketChange::kAddresses}},
      {"DSCP", {kContinue, PacketChange::kDscp}},
      {"ECN", {kContinue}},
      {"FLOWOFFLOAD", {kContinue}},
      {"HL", {kContinue}},
      {"HMARK", {kContinue, PacketChange::kMark}},
      {"IDLETIMER", {kContinue}},
      {"IPMARK", {kContinue, PacketChange::kMark}},
      {"LED", {kContinue}},
      {"LOG", {kContinue}},
      {"LOGMARK", {kContinue}},
      {"MARK", {kContinue, PacketChange::kMark}},
      {"NFLOG", {kContinue}},
      {"NOTRACK", {kContinue}},
      {"RATEEST", {kContinue}},
      {"RAWDNAT", {kContinue, PacketChange::kAddresses}},
      {"RAWSNAT", {kContinue, PacketChange::kAddresses}},
      {"SECMARK", {kContinue}},
      {"SET", {kContinue}},
      {"SNPT", {kContinue, PacketChange::kAddresses}},
      {"TCPMSS", {kContinue}},
      {"TCPOPTSTRIP", {kContinue}},
      {"TEE", {kContinue}},
      {"TOS", {kContinue, PacketChange::kDscp}},
      {"TRACE", {kContinue}},
      {"TTL", {kContinue}},
      {"ULOG", {kContinue}},
  };
  return targets;
}

bool IsOption(const Token& token) {
  return token.kind == TokenKind::kWord && token.text.size() > 1 &&
         token.text[0] == '-';
}

bool IsOneOf(std::string_view word, std::initializer_list<const char*> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// `token` as it is written in a file.
std::string Spell(const Token& token) {
  if (token.kind == TokenKind::kCounters) {
    return "[" + token.text + "]";
  } else if (token.kind != TokenKind::kString) {
    return token.text;
  }
  std::string s = "\"";
  for (const char c : token.text) {
    if (c == '"' || c == '\\') {
      s += '\\';
    }
    s += c;
  }
  return s + "\"";
}

// "[!] NAME VALUE..."
struct Option {
  bool negated = false;
  Token name;
  std::vector<Token> values;
  std::string module;  // Of -m, if it stands behind one.
  Location where;      // From its first word to its last.

  std::string Text() const {
    std::string s = (negated ? " ! " : " ") + name.text;
    for (const Token& value : values) {
      s += " " + Spell(value);
    }
    return s;
  }
};

// Of options of one rule, those of one -m, or a single one that has none.
struct Group {
  std::string module;
  std::vector<Option> options;  // The -m first, if there is one.
};

// Reads the options of one rule.
class RuleReader {
 public:
  RuleReader(Family family, const IpSets& sets, Diagnostics* diagnostics)
      : family_(family), sets_(sets), diagnostics_(diagnostics) {}

  // `next` is the index in `line` behind the name of the chain.
  SavedRule Read(const TokenLine& line, size_t next);

 private:
  std::optional<Option> ReadOption(const TokenLine& line, size_t* next);
  void TakeOption(Option option);
  void TakeInterface(const Option& option,
                     std::optional<InterfaceMatch>* match);
  void TakeTarget();
  void TakeMirror();
  void TakeMatches();
  void TakeGroup(const Group& group);
  std::optional<Diagnostic> Try(const std::string& words) const;
  void Leave(const Location& where, const Diagnostic& why);

  const Family family_;
  const IpSets& sets_;
  Diagnostics* const diagnostics_;
  SavedRule rule_;
  std::optional<Option> jump_;          // -j or -g.
  std::vector<Option> target_options_;  // What follows it.
  std::vector<Group> groups_;
  bool in_target_ = false;
  std::string module_;
};

SavedRule RuleReader::Read(const TokenLine& line, size_t next) {
  while (next < line.size()) {
    if (std::optional<Option> option = ReadOption(line, &next)) {
      TakeOption(*std::move(option));
    }
  }
  TakeTarget();
  if (!std::holds_alternative<SavedContinue>(rule_.target)) {
    TakeMatches();
  }
  return std::move(rule_);
}

// Returns nothing, and has said why, if there is none.
std::optional<Option> RuleReader::ReadOption(const TokenLine& line,
                                             size_t* next) {
  Option option;
  const Location first = line[*next].where;
  if (line[*next].kind == TokenKind::kNot) {
    option.negated = true;
    (*next)++;
  }
  if (*next == line.size() || !IsOption(line[*next])) {
    diagnostics_->Error(
        first,
        (*next == line.size() ? std::string("this") : Quoted(line[*next])) +
            " belongs to no option",
        "give the output of iptables-save as it is");
    *next += *next < line.size();
    return std::nullopt;
  }
  option.name = line[(*next)++];
  const std::string& name = option.name.text;
  // How many words follow, where it is certain: they may look like options.
  const bool has_one = IsOneOf(name, {"-s",
                                      "--source",
                                      "--src",
                                      "-d",
                                      "--destination",
                                      "--dst",
                                      "-p",
                                      "--protocol",
                                      "--proto",
                                      "-i",
                                      "--in-interface",
                                      "-o",
                                      "--out-interface",
                                      "-j",
                                      "--jump",
                                      "-g",
                                      "--goto",
                                      "-m",
                                      "--match",
                                      "--comment",
                                      "--log-prefix",
                                      "--nflog-prefix",
                                      "--ulog-prefix",
                                      "--string",
                                      "--hex-string"});
  // "-s ! ADDRESS", as old versions wrote it.
  if (*next + 1 < line.size() && line[*next].kind == TokenKind::kNot &&
      !IsOption(line[*next + 1])) {
    option.negated = true;
    (*next)++;
  }
  while (*next < line.size() && line[*next].kind != TokenKind::kNot &&
         (has_one ? option.values.empty() : !IsOption(line[*next]))) {
    option.values.push_back(line[(*next)++]);
  }
  if (has_one && option.values.empty()) {
    diagnostics_->Error(option.name.where, name + " needs a value",
                        "give the output of iptables-save as it is");
    return std::nullopt;
  }
  const Location& last = line[*next - 1].where;
  option.where = {first.line, first.offset,
                  last.offset + last.length - first.offset};
  return option;
}

void RuleReader::TakeOption(Option option) {
  const std::string& name = option.name.text;
  if (IsOneOf(name, {"-4", "--ipv4", "-6", "--ipv6"})) {
    // The program that wrote the rule is for one family.
  } else if (IsOneOf(name, {"-j", "--jump", "-g", "--goto"})) {
    if (jump_) {
      diagnostics_->Error(option.name.where, "the rule has two targets");
      target_options_.clear();
    }
    jump_ = std::move(option);
    in_target_ = true;
  } else if (IsOneOf(name, {"-i", "--in-interface"})) {
    TakeInterface(option, &rule_.in_interface);
  } else if (IsOneOf(name, {"-o", "--out-interface"})) {
    TakeInterface(option, &rule_.out_interface);
  } else if (IsOneOf(name,
                     {"-s", "--source", "--src", "-d", "--destination", "--dst",
                      "-p", "--protocol", "--proto", "-f", "--fragment"})) {
    groups_.push_back({"", {std::move(option)}});
  } else if (IsOneOf(name, {"-m", "--match"})) {
    in_target_ = false;
    module_ = option.values[0].text;
    groups_.push_back({module_, {std::move(option)}});
  } else if (in_target_) {
    target_options_.push_back(std::move(option));
  } else {
    // To the last -m, or by itself: -p tcp --dport 80.
    const auto group =
        std::find_if(groups_.rbegin(), groups_.rend(),
                     [&](const Group& g) { return !g.module.empty(); });
    if (group == groups_.rend()) {
      groups_.push_back({"", {std::move(option)}});
    } else {
      group->options.push_back(std::move(option));
    }
  }
}

void RuleReader::TakeInterface(const Option& option,
                               std::optional<InterfaceMatch>* match) {
  // Both directions take the same names.
  const std::string name = Spell(option.values[0]);
  if (const auto why = Try((option.negated ? " ! -i " : " -i ") + name)) {
    Leave(option.where, *why);
    return;
  }
  InterfaceMatch interface { option.negated, option.values[0].text, false };
  if (interface.name.ends_with('+')) {
    interface.name.pop_back();
    interface.prefix = true;
  }
  if (!interface.name.empty() || interface.negated) {
    *match = interface;
  }
}

void RuleReader::TakeTarget() {
  if (!jump_) {
    return;  // A rule that only counts.
  }
  const std::string& name = jump_->values[0].text;
  rule_.target_name = name;
  const bool is_goto = IsOneOf(jump_->name.text, {"-g", "--goto"});
  const auto known = KnownTargets().find(name);
  if (name == "RMIRROR" && !is_goto) {
    TakeMirror();
  } else if (known != KnownTargets().end() && !is_goto) {
    std::visit([&](const auto& effect) { rule_.target = effect; },
               known->second.effect);
    rule_.changes = known->second.changes;
  } else {
    rule_.target = SavedJump{name, is_goto};
  }
}

void RuleReader::TakeMirror() {
  SavedMirror mirror;
  rule_.target = mirror;
  for (Option& option : target_options_) {
    // The iptables target took any length, but a copy has an Ethernet header.
    const uint64_t length =
        option.name.text == "--len" && option.values.size() == 1
            ? ParseNumber(option.values[0].text, RMIRROR_LEN_MAX).value_or(0)
            : 0;
    if (length > 0 && length < RMIRROR_LEN_MIN) {
      diagnostics_->Warning(
          option.where,
          "a copy has at least its Ethernet header: the length becomes " +
              std::to_string(RMIRROR_LEN_MIN));
      option.values[0].text = std::to_string(RMIRROR_LEN_MIN);
    }
    mirror.options += option.Text();
  }
  rule_.target = mirror;
  const SourceText source(
      "", "*rmirror\n-A OUTPUT -j RMIRROR" + mirror.options + "\nCOMMIT\n");
  Diagnostics diagnostics;
  ReadPolicy(source, {}, &diagnostics);
  if (diagnostics.HasErrors()) {
    const Diagnostic why = diagnostics.Sorted().front();
    Location where = jump_->where;
    if (!target_options_.empty()) {
      const Location& last = target_options_.back().where;
      where.length = last.offset + last.length - where.offset;
    }
    diagnostics_->Error(where, why.what, why.instead);
  }
}

// Returns what is wrong with `words` as matches of the rule, if anything is.
std::optional<Diagnostic> RuleReader::Try(const std::string& words) const {
  const SavedMirror* mirror = rule_.mirror();
  const SourceText source(
      "", std::string("*rmirror\n:T - [0:0]\n-A T ") +
              (family_ == Family::kIpv4 ? "-4" : "-6") + words + " -j " +
              (mirror ? "RMIRROR --target 192.0.2.1" : "RETURN") +
              "\nCOMMIT\n");
  Diagnostics diagnostics;
  ReadPolicy(source, sets_, &diagnostics);
  if (!diagnostics.HasErrors()) {
    return std::nullopt;
  }
  const std::vector<Diagnostic> all = diagnostics.Sorted();
  return *std::find_if(all.begin(), all.end(), [](const Diagnostic& d) {
    return d.severity == Severity::kError;
  });
}

void RuleReader::Leave(const Location& where, const Diagnostic& why) {
  rule_.untranslated.push_back({where, why.what, why.instead});
}

void RuleReader::TakeMatches() {
  // -p first: other options need it.
  std::stable_partition(groups_.begin(), groups_.end(), [](const Group& g) {
    return IsOneOf(g.options[0].name.text, {"-p", "--protocol", "--proto"});
  });
  std::string all;
  for (const Group& group : groups_) {
    for (const Option& option : group.options) {
      (group.module == "comment" ? rule_.comment : all) += option.Text();
    }
  }
  if (!rule_.comment.empty() && Try(rule_.comment)) {
    rule_.comment.clear();
  }
  if (!Try(all)) {
    rule_.matches = all;
    return;
  }
  for (const Group& group : groups_) {
    if (group.module != "comment") {
      TakeGroup(group);
    }
  }
}

// Takes what can be said: the whole group, or some of its options.
void RuleReader::TakeGroup(const Group& group) {
  std::string words;
  for (const Option& option : group.options) {
    words += option.Text();
  }
  const std::optional<Diagnostic> why = Try(rule_.matches + words);
  if (!why) {
    rule_.matches += words;
    return;
  }
  const Option& first = group.options.front();
  if (group.options.size() == 1 || Try(rule_.matches + first.Text())) {
    Location where = first.where;
    const Location& last = group.options.back().where;
    where.length = last.offset + last.length - where.offset;
    Leave(where, *why);
    return;
  }
  rule_.matches += first.Text();
  for (size_t i = 1; i < group.options.size(); i++) {
    const Option& option = group.options[i];
    if (const auto problem = Try(rule_.matches + option.Text())) {
      Leave(option.where, *problem);
    } else {
      rule_.matches += option.Text();
    }
  }
}

// Gives targets that are no chains a meaning, and finds jumps that lead back to
// where they came from.
class JumpChecker {
 public:
  JumpChecker(SavedTable* table, Diagnostics* diagnostics)
      : table_(*table), diagnostics_(diagnostics) {}

  void Check() {
    for (auto& [name, chain] : table_) {
      for (SavedRule& rule : chain.rules) {
        Resolve(&rule);
      }
    }
    for (const auto& [name, chain] : table_) {
      Visit(chain);
    }
  }

 private:
  // What an unknown target does is open: perhaps it ends the table.
  void Resolve(SavedRule* rule) {
    const SavedJump* jump = rule->jump();
    if (!jump) {
      return;
    }
    const auto to = table_.find(jump->chain);
    if (to == table_.end() || to->second.built_in) {
      rule->untranslated.push_back(
          {rule->where, "target " + jump->chain + " is unknown", ""});
      rule->target = SavedVerdict::kAccept;
    }
  }

  // Returns how deep the jumps of `chain` are nested.
  size_t Visit(const SavedChain& chain) {
    if (const auto known = depths_.find(&chain); known != depths_.end()) {
      return known->second;
    }
    on_path_.insert(&chain);
    size_t depth = 0;
    for (const SavedRule& rule : chain.rules) {
      const SavedJump* jump = rule.jump();
      if (!jump) {
        continue;
      }
      const SavedChain& to = table_.at(jump->chain);
      if (on_path_.contains(&to)) {
        diagnostics_->Error(rule.where, "the jump to " + jump->chain +
                                            " leads back to where it is");
      } else if (on_path_.size() > kMaxJumps) {
        diagnostics_->Error(rule.where, "jumps are nested more than " +
                                            std::to_string(kMaxJumps) +
                                            " deep");
      } else {
        depth = std::max(depth, Visit(to) + 1);
      }
    }
    on_path_.erase(&chain);
    depths_[&chain] = depth;
    return depth;
  }

  SavedTable& table_;
  Diagnostics* const diagnostics_;
  std::map<const SavedChain*, size_t> depths_;
  std::set<const SavedChain*> on_path_;
};

// The family whose program says in a comment that it wrote what follows.
std::optional<Family> FamilyOfComment(std::string_view line) {
  if (!line.starts_with('#') ||
      line.find("Generated by") == std::string_view::npos ||
      line.find("-save") == std::string_view::npos) {
    return std::nullopt;
  } else if (line.find("ip6tables") != std::string_view::npos) {
    return Family::kIpv6;
  }
  return line.find("iptables") != std::string_view::npos
             ? std::optional(Family::kIpv4)
             : std::nullopt;
}

// The family of the first address of a rule, IPv4 if there is none.
Family FamilyOfAddresses(const std::vector<TokenLine>& lines) {
  for (const TokenLine& line : lines) {
    for (size_t i = 0; i + 1 < line.size(); i++) {
      if (!IsOneOf(line[i].text, {"-s", "-d"})) {
        continue;
      }
      const std::string_view address = line[i + 1].text;
      if (const auto a = ParseAddress(address.substr(0, address.find('/')))) {
        return a->family;
      }
    }
  }
  return Family::kIpv4;
}

class TablesReader {
 public:
  TablesReader(const IpSets& sets, Diagnostics* diagnostics)
      : sets_(sets), diagnostics_(diagnostics) {}

  void ReadLine(Family family, const TokenLine& line);
  void Finish(const SourceText& source);
  std::map<Family, SavedTables> Take() { return std::move(tables_); }

 private:
  void ReadTable(Family family, const Token& name);
  void ReadChain(const TokenLine& line);
  void ReadRule(const TokenLine& line);

  const IpSets& sets_;
  Diagnostics* const diagnostics_;
  std::map<Family, SavedTables> tables_;
  Family family_ = Family::kIpv4;
  SavedTable* table_ = nullptr;  // The one being read.
  bool misplaced_ = false;       // Lines outside of tables were reported.
};

void TablesReader::ReadLine(Family family, const TokenLine& line) {
  const Token& first = line.front();
  if (first.kind == TokenKind::kTable) {
    ReadTable(family, first);
  } else if (!table_) {
    if (!misplaced_) {
      diagnostics_->Error(first.where, "this is not in a table",
                          "give the output of iptables-save as it is: "
                          "*filter, chains, rules, COMMIT");
    }
    misplaced_ = true;
  } else if (first.kind == TokenKind::kChain) {
    ReadChain(line);
  } else if (first.kind == TokenKind::kWord && first.text == "COMMIT") {
    JumpChecker(table_, diagnostics_).Check();
    table_ = nullptr;
  } else {
    ReadRule(line);
  }
}

void TablesReader::ReadTable(Family family, const Token& name) {
  if (table_) {
    diagnostics_->Error(name.where, "the table before has no COMMIT",
                        "give the output of iptables-save as it is");
  }
  const auto known = BuiltInChains().find(name.text);
  if (known == BuiltInChains().end()) {
    diagnostics_->Error(name.where,
                        "there is no table '" + name.text + "' in iptables",
                        "possible: raw, mangle, nat, filter, security");
  } else if (tables_[family].contains(name.text)) {
    diagnostics_->Error(name.where, "table " + name.text + " appears twice",
                        "give the output of one iptables-save, and if need "
                        "be of one ip6tables-save behind it");
  }
  family_ = family;
  table_ = &tables_[family][name.text];
  *table_ = {};
  if (known != BuiltInChains().end()) {
    for (const std::string_view chain : known->second) {
      (*table_)[std::string(chain)].built_in = true;
    }
  }
}

// ":NAME POLICY [PACKETS:BYTES]"
void TablesReader::ReadChain(const TokenLine& line) {
  const Token& name = line[0];
  SavedChain& chain = (*table_)[name.text];
  chain.where = name.where;
  if (line.size() < 2 || !IsOneOf(line[1].text, {"ACCEPT", "DROP", "-"})) {
    diagnostics_->Error(name.where, "chain " + name.text + " has no policy",
                        "possible: ACCEPT, DROP, or - for a chain of your own");
    return;
  }
  chain.policy_drops = chain.built_in && line[1].text == "DROP";
}

// "[PACKETS:BYTES] -A CHAIN ..."
void TablesReader::ReadRule(const TokenLine& line) {
  size_t next = line[0].kind == TokenKind::kCounters ? 1 : 0;
  if (next + 1 >= line.size() ||
      !IsOneOf(line[next].text, {"-A", "--append"})) {
    diagnostics_->Error(line[0].where, "iptables-save writes no such line",
                        "possible: *TABLE, :CHAIN POLICY, -A CHAIN ..., "
                        "COMMIT, # comment");
    return;
  }
  const Token& append = line[next];
  const Token& name = line[next + 1];
  const auto chain = table_->find(name.text);
  if (chain == table_->end()) {
    diagnostics_->Error(name.where, "there is no chain " + name.text,
                        "declare it before: :" + name.text + " - [0:0]");
    return;
  }
  SavedRule rule =
      RuleReader(family_, sets_, diagnostics_).Read(line, next + 2);
  rule.where = append.where;
  chain->second.rules.push_back(std::move(rule));
}

void TablesReader::Finish(const SourceText& source) {
  const int last = static_cast<int>(std::max<size_t>(1, source.lines().size()));
  if (table_) {
    diagnostics_->Error({last, 0, 1}, "the file ends without COMMIT",
                        "give all of what iptables-save wrote");
  } else if (tables_.empty() && !misplaced_) {
    diagnostics_->Error({last, 0, 1}, "there are no tables in this file",
                        "give the output of iptables-save");
  }
}

}  // namespace

std::map<Family, SavedTables> ReadSavedTables(const SourceText& source,
                                              std::optional<Family> family,
                                              const IpSets& sets,
                                              Diagnostics* diagnostics) {
  const std::vector<TokenLine> lines = Scan(source, diagnostics);
  Family current = family ? *family : FamilyOfAddresses(lines);
  TablesReader reader(sets, diagnostics);
  size_t comments = 0;  // Lines whose comments have been looked at.
  for (const TokenLine& line : lines) {
    const size_t number = static_cast<size_t>(line[0].where.line);
    for (; comments < number; comments++) {
      current = FamilyOfComment(source.lines()[comments]).value_or(current);
    }
    reader.ReadLine(current, line);
  }
  reader.Finish(source);
  return reader.Take();
}

}  // namespace ovs_rmirror
