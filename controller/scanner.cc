// SPDX-License-Identifier: Apache-2.0

#include "controller/scanner.h"

#include <algorithm>
#include <cctype>

namespace ovs_rmirror {

namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

bool IsDigits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return std::isdigit(c);
  });
}

bool IsCounters(std::string_view s) {
  if (s.size() < 5 || s.front() != '[' || s.back() != ']') {
    return false;
  }
  s = s.substr(1, s.size() - 2);
  const size_t colon = s.find(':');
  return colon != std::string_view::npos && IsDigits(s.substr(0, colon)) &&
         IsDigits(s.substr(colon + 1));
}

// Decides what an unquoted word is.
void Classify(bool first, Token* token) {
  if (first && token->text.starts_with('*')) {
    token->kind = TokenKind::kTable;
    token->text.erase(0, 1);
  } else if (first && token->text.starts_with(':')) {
    token->kind = TokenKind::kChain;
    token->text.erase(0, 1);
  } else if (IsCounters(token->text)) {
    token->kind = TokenKind::kCounters;
    token->text = token->text.substr(1, token->text.size() - 2);
  } else if (token->text == "!") {
    token->kind = TokenKind::kNot;
  }
}

TokenLine ScanLine(std::string_view line, int number,
                   Diagnostics* diagnostics) {
  TokenLine tokens;
  tokens.reserve(static_cast<size_t>(std::count(line.begin(), line.end(), ' ')) +
                 1);
  size_t i = 0;
  for (;;) {
    while (i < line.size() && IsBlank(line[i])) {
      i++;
    }
    if (i == line.size()) {
      return tokens;
    }

    Token token;
    token.where = {number, i, 0};
    const size_t start = i;
    while (i < line.size() && !IsBlank(line[i])) {
      if (line[i] != '"') {
        token.text += line[i++];
        continue;
      }
      const size_t quote = i++;
      token.kind = TokenKind::kString;
      while (i < line.size() && line[i] != '"') {
        if (line[i] == '\\' && i + 1 < line.size()) {
          i++;
        }
        token.text += line[i++];
      }
      if (i == line.size()) {
        diagnostics->Error({number, quote, line.size() - quote},
                           "this quote is not closed",
                           "end the string with a \" in the same line");
      } else {
        i++;
      }
    }
    token.where.length = i - start;
    if (token.kind == TokenKind::kWord) {
      Classify(tokens.empty(), &token);
    }
    tokens.push_back(std::move(token));
  }
}

}  // namespace

std::string_view TokenKindName(TokenKind kind) {
  switch (kind) {
    case TokenKind::kTable:
      return "table";
    case TokenKind::kChain:
      return "chain";
    case TokenKind::kCounters:
      return "counters";
    case TokenKind::kNot:
      return "not";
    case TokenKind::kWord:
      return "word";
    case TokenKind::kString:
      return "string";
  }
  return "";
}

std::string Quoted(const Token& token) { return "'" + token.text + "'"; }

std::string Quote(std::string_view text) {
  std::string s = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      s += '\\';
    }
    s += c;
  }
  return s + "\"";
}

std::string QuoteIfNeeded(std::string_view text) {
  Token token;
  token.text = text;
  Classify(false, &token);
  return text.empty() || token.kind != TokenKind::kWord ||
                 text.find_first_of(" \t\"\\") != std::string_view::npos
             ? Quote(text)
             : token.text;
}

Location PartOf(const Token& token, size_t begin, size_t size) {
  if (token.kind == TokenKind::kString || size == 0) {
    return token.where;
  }
  return {token.where.line, token.where.offset + begin, size};
}

std::vector<std::pair<size_t, size_t>> SplitList(std::string_view text) {
  std::vector<std::pair<size_t, size_t>> parts;
  size_t begin = 0;
  for (;;) {
    const size_t comma = text.find(',', begin);
    const size_t end = comma == std::string_view::npos ? text.size() : comma;
    parts.push_back({begin, end - begin});
    if (comma == std::string_view::npos) {
      return parts;
    }
    begin = comma + 1;
  }
}

std::vector<TokenLine> Scan(const SourceText& source,
                            Diagnostics* diagnostics) {
  std::vector<TokenLine> lines;
  int number = 0;
  for (const std::string_view line : source.lines()) {
    number++;
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') {
      continue;
    }
    const size_t nul = line.find('\0');
    if (nul != std::string_view::npos) {
      diagnostics->Error({number, nul, 1}, "a NUL byte: this is no text file");
      continue;
    }
    lines.push_back(ScanLine(line, number, diagnostics));
  }
  return lines;
}

std::string FormatTokens(const std::vector<TokenLine>& lines) {
  std::string s;
  for (const TokenLine& line : lines) {
    for (const Token& token : line) {
      s += std::to_string(token.where.line) + ":" +
           std::to_string(token.where.offset + 1) + "\t" +
           std::string(TokenKindName(token.kind)) + "\t" + token.text + "\n";
    }
  }
  return s;
}

}  // namespace ovs_rmirror
