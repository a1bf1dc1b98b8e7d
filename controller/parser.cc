// SPDX-License-Identifier: Apache-2.0

#include "controller/parser.h"

#include <algorithm>
#include <string>

namespace ovs_rmirror {

namespace {

struct OptionSpec {
  OptionId id;
  int values;  // How many it takes.
  std::vector<std::string_view> names;
};

const std::vector<OptionSpec>& OptionSpecs() {
  static const std::vector<OptionSpec> specs = {
      {OptionId::kSource, 1, {"-s", "--source", "--src"}},
      {OptionId::kDestination, 1, {"-d", "--destination", "--dst"}},
      {OptionId::kProtocol, 1, {"-p", "--protocol", "--proto"}},
      {OptionId::kInInterface, 1, {"-i", "--in-interface"}},
      {OptionId::kOutInterface, 1, {"-o", "--out-interface"}},
      {OptionId::kJump, 1, {"-j", "--jump"}},
      {OptionId::kGoto, 1, {"-g", "--goto"}},
      {OptionId::kMatch, 1, {"-m", "--match"}},
      {OptionId::kIpv4, 0, {"-4", "--ipv4"}},
      {OptionId::kIpv6, 0, {"-6", "--ipv6"}},
      {OptionId::kFragment, 0, {"-f", "--fragment"}},
      {OptionId::kSourcePort, 1, {"--sport", "--source-port"}},
      {OptionId::kDestinationPort, 1, {"--dport", "--destination-port"}},
      {OptionId::kTcpFlags, 2, {"--tcp-flags"}},
      {OptionId::kSyn, 0, {"--syn"}},
      {OptionId::kIcmpType, 1, {"--icmp-type"}},
      {OptionId::kIcmpv6Type, 1, {"--icmpv6-type"}},
      {OptionId::kSourcePorts, 1, {"--sports", "--source-ports"}},
      {OptionId::kDestinationPorts, 1, {"--dports", "--destination-ports"}},
      {OptionId::kPorts, 1, {"--ports"}},
      {OptionId::kMacSource, 1, {"--mac-source"}},
      {OptionId::kSourceRange, 1, {"--src-range"}},
      {OptionId::kDestinationRange, 1, {"--dst-range"}},
      {OptionId::kMatchSet, 2, {"--match-set"}},
      {OptionId::kDscp, 1, {"--dscp"}},
      {OptionId::kDscpClass, 1, {"--dscp-class"}},
      {OptionId::kMark, 1, {"--mark"}},
      {OptionId::kSourceType, 1, {"--src-type"}},
      {OptionId::kDestinationType, 1, {"--dst-type"}},
      {OptionId::kVlanId, 1, {"--vlan-id"}},
      {OptionId::kLimit, 1, {"--limit"}},
      {OptionId::kLimitBurst, 1, {"--limit-burst"}},
      {OptionId::kMode, 1, {"--mode"}},
      {OptionId::kProbability, 1, {"--probability"}},
      {OptionId::kEvery, 1, {"--every"}},
      {OptionId::kPacket, 1, {"--packet"}},
      {OptionId::kComment, 1, {"--comment"}},
      {OptionId::kTarget, 1, {"--target"}},
      {OptionId::kLen, 1, {"--len"}},
      {OptionId::kKey, 1, {"--key"}},
      {OptionId::kTtl, 1, {"--ttl"}},
      {OptionId::kTos, 1, {"--tos"}},
      {OptionId::kDf, 0, {"--df"}},
  };
  return specs;
}

const OptionSpec* FindOption(std::string_view name) {
  for (const OptionSpec& spec : OptionSpecs()) {
    if (std::find(spec.names.begin(), spec.names.end(), name) !=
        spec.names.end()) {
      return &spec;
    }
  }
  return nullptr;
}

// What to write instead of an option that does not exist.
std::string SuggestOption(std::string_view name) {
  std::vector<std::string_view> names;
  for (const OptionSpec& spec : OptionSpecs()) {
    names.insert(names.end(), spec.names.begin(), spec.names.end());
  }
  // A typing error in "-x" could be any letter.
  const std::string_view nearest =
      name.starts_with("--") ? Nearest(name, names) : "";
  if (!nearest.empty()) {
    return "did you mean " + std::string(nearest) + "?";
  }
  return "possible: -s -d -p -i -4 -6 -f -j -g, --sport --dport --tcp-flags "
         "--syn --icmp-type --icmpv6-type, and -m MATCH with its options";
}

bool LooksLikeOption(const Token& token) {
  return token.kind == TokenKind::kWord && token.text.size() > 1 &&
         token.text[0] == '-';
}

// A line being read from left to right.
class Cursor {
 public:
  explicit Cursor(const TokenLine& line) : line_(line) {}

  bool AtEnd() const { return next_ == line_.size(); }
  const Token& Peek() const { return line_[next_]; }
  const Token& Next() { return line_[next_++]; }

  // Just behind the last token: where something is missing.
  Location End() const {
    const Location& last = line_.back().where;
    return {last.line, last.offset + last.length, 1};
  }

 private:
  const TokenLine& line_;
  size_t next_ = 0;
};

class Parser {
 public:
  explicit Parser(Diagnostics* diagnostics) : diagnostics_(diagnostics) {}

  void ParseLine(const TokenLine& line);
  void Finish(const std::vector<TokenLine>& lines);

  ParsedPolicy TakePolicy() { return std::move(policy_); }

 private:
  enum class Place { kBeforeTable, kInTable, kAfterCommit };

  void ParseTable(const TokenLine& line);
  void ParseChain(const TokenLine& line);
  void ParseRule(const TokenLine& line);
  void ParseOption(Cursor* cursor, ParsedRule* rule);
  void SkipToOption(Cursor* cursor);
  void ExpectEnd(Cursor* cursor);

  Diagnostics* const diagnostics_;
  Place place_ = Place::kBeforeTable;
  bool misplaced_ = false;  // Lines outside the table were reported.
  ParsedPolicy policy_;
};

void Parser::ParseLine(const TokenLine& line) {
  const Token& first = line.front();
  if (first.kind == TokenKind::kTable) {
    ParseTable(line);
    return;
  }
  if (place_ == Place::kAfterCommit) {
    if (!misplaced_) {
      diagnostics_->Error(first.where, "nothing may follow COMMIT",
                          "move COMMIT to the end of the file");
    }
    misplaced_ = true;
    return;
  }
  if (place_ == Place::kBeforeTable && !misplaced_) {
    diagnostics_->Error(first.where, "a policy starts with its table",
                        "write *rmirror in a line before this one");
    misplaced_ = true;
  }
  if (first.kind == TokenKind::kChain) {
    ParseChain(line);
  } else if (first.text == "COMMIT" && first.kind == TokenKind::kWord) {
    Cursor cursor(line);
    cursor.Next();
    ExpectEnd(&cursor);
    if (place_ == Place::kInTable) {
      place_ = Place::kAfterCommit;
    }
  } else {
    ParseRule(line);
  }
}

void Parser::ParseTable(const TokenLine& line) {
  Cursor cursor(line);
  const Token& table = cursor.Next();
  if (table.text != "rmirror") {
    diagnostics_->Error(table.where, "there is no table '" + table.text + "'",
                        "the only table of a policy is *rmirror");
  } else if (place_ != Place::kBeforeTable) {
    diagnostics_->Error(table.where, "the table appears twice",
                        "write all rules between one *rmirror and one COMMIT");
  }
  if (place_ == Place::kBeforeTable) {
    place_ = Place::kInTable;
  }
  ExpectEnd(&cursor);
}

void Parser::ParseChain(const TokenLine& line) {
  Cursor cursor(line);
  ParsedChain chain;
  chain.name = cursor.Next();
  if (cursor.AtEnd()) {
    diagnostics_->Error(cursor.End(), "the chain's policy is missing",
                        "write :" + chain.name.text + " ACCEPT [0:0]");
    return;
  }
  chain.policy = cursor.Next();
  if (!cursor.AtEnd() && cursor.Peek().kind == TokenKind::kCounters) {
    cursor.Next();
  }
  ExpectEnd(&cursor);
  policy_.chains.push_back(std::move(chain));
}

void Parser::ParseRule(const TokenLine& line) {
  Cursor cursor(line);
  if (cursor.Peek().kind == TokenKind::kCounters) {
    cursor.Next();
    if (cursor.AtEnd()) {
      diagnostics_->Error(cursor.End(), "the rule of these counters is missing",
                          "write [PACKETS:BYTES] -A CHAIN ...");
      return;
    }
  }
  ParsedRule rule;
  rule.append = cursor.Next();
  if (rule.append.kind != TokenKind::kWord ||
      (rule.append.text != "-A" && rule.append.text != "--append")) {
    diagnostics_->Error(rule.append.where,
                        "'" + rule.append.text + "' does not begin a line",
                        "possible: *rmirror, :CHAIN POLICY, -A CHAIN ..., "
                        "COMMIT, # comment");
    return;
  }
  if (cursor.AtEnd() || LooksLikeOption(cursor.Peek())) {
    diagnostics_->Error(cursor.AtEnd() ? cursor.End() : cursor.Peek().where,
                        "-A needs a chain",
                        "write -A PREROUTING, -A OUTPUT or -A and a chain of "
                        "your own");
    return;
  }
  rule.chain = cursor.Next();
  rule.options.reserve(line.size() / 2);  // Most options have a value.
  while (!cursor.AtEnd()) {
    ParseOption(&cursor, &rule);
  }
  policy_.rules.push_back(std::move(rule));
}

void Parser::ParseOption(Cursor* cursor, ParsedRule* rule) {
  ParsedOption option{};
  if (cursor->Peek().kind == TokenKind::kNot) {
    option.negation = cursor->Next();
    if (cursor->AtEnd() || !LooksLikeOption(cursor->Peek())) {
      diagnostics_->Error(option.negation->where, "'!' negates nothing",
                          "write it before an option: ! -s ADDRESS");
      SkipToOption(cursor);
      return;
    }
  }
  option.name = cursor->Next();
  if (!LooksLikeOption(option.name)) {
    diagnostics_->Error(option.name.where,
                        "'" + option.name.text + "' belongs to no option",
                        SuggestOption(""));
    SkipToOption(cursor);
    return;
  }

  // "--option=value" is "--option value".
  const size_t equals = option.name.text.find('=');
  std::optional<Token> attached;
  if (option.name.text.starts_with("--") && equals != std::string::npos) {
    attached = option.name;
    attached->text.erase(0, equals + 1);
    attached->where.offset += equals + 1;
    attached->where.length -= equals + 1;
    option.name.text.erase(equals);
    option.name.where.length = equals;
  }

  const OptionSpec* spec = FindOption(option.name.text);
  if (!spec) {
    diagnostics_->Error(
        option.name.where,
        "option " + option.name.text + " is unknown or not supported",
        SuggestOption(option.name.text));
    SkipToOption(cursor);
    return;
  }
  option.id = spec->id;
  if (spec->values == 0) {
    if (attached) {
      diagnostics_->Error(attached->where, option.name.text + " takes no value",
                          "write only " + option.name.text);
    }
  } else if (attached) {
    option.value = attached;
  } else if (cursor->AtEnd()) {
    diagnostics_->Error(cursor->End(), option.name.text + " needs a value");
    return;
  } else if (cursor->Peek().kind == TokenKind::kNot) {
    diagnostics_->Error(cursor->Peek().where, "'!' stands before the option",
                        "write ! " + option.name.text + " VALUE");
    cursor->Next();
    SkipToOption(cursor);
    return;
  } else {
    option.value = cursor->Next();
  }
  if (spec->values == 2) {
    if (cursor->AtEnd() || LooksLikeOption(cursor->Peek())) {
      diagnostics_->Error(
          cursor->AtEnd() ? cursor->End() : cursor->Peek().where,
          option.name.text + " needs two values",
          spec->id == OptionId::kTcpFlags ? "write --tcp-flags SYN,ACK SYN"
                                          : "write --match-set NAME src");
      return;
    }
    option.second = cursor->Next();
  }
  rule->options.push_back(std::move(option));
}

// After an error: goes on where the next option begins, so that one mistake is
// one message.
void Parser::SkipToOption(Cursor* cursor) {
  while (!cursor->AtEnd() && !LooksLikeOption(cursor->Peek()) &&
         cursor->Peek().kind != TokenKind::kNot) {
    cursor->Next();
  }
}

void Parser::ExpectEnd(Cursor* cursor) {
  if (!cursor->AtEnd()) {
    diagnostics_->Error(cursor->Peek().where,
                        "'" + cursor->Peek().text + "' is too much here",
                        "end the line before it");
  }
}

void Parser::Finish(const std::vector<TokenLine>& lines) {
  if (place_ == Place::kAfterCommit || misplaced_) {
    return;
  }
  // What cannot be told from half a file is refused like one.
  const Location end =
      lines.empty() ? Location{1, 0, 1} : Cursor(lines.back()).End();
  if (place_ == Place::kBeforeTable) {
    diagnostics_->Error(end, "there is no policy in this file",
                        "a policy is *rmirror, rules and COMMIT");
  } else {
    diagnostics_->Error(end, "the file ends without COMMIT",
                        "write COMMIT in a line after the last rule");
  }
}

}  // namespace

ParsedPolicy Parse(const std::vector<TokenLine>& lines,
                   Diagnostics* diagnostics) {
  Parser parser(diagnostics);
  for (const TokenLine& line : lines) {
    parser.ParseLine(line);
  }
  parser.Finish(lines);
  return parser.TakePolicy();
}

}  // namespace ovs_rmirror
