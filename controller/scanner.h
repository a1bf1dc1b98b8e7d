// SPDX-License-Identifier: Apache-2.0
//
// First stage: text to tokens, cut as iptables-restore cuts its input.  Words
// are separated by blanks.  A double quote opens a piece that runs to the next
// one and may hold blanks; within it a backslash takes the next character as
// it is.  A line whose first character other than a blank is '#' is a comment.

#ifndef CONTROLLER_SCANNER_H
#define CONTROLLER_SCANNER_H

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/diagnostic.h"

namespace ovs_rmirror {

enum class TokenKind {
  kTable,     // "*rmirror", first in its line.  `text` lacks the star.
  kChain,     // ":NAME", first in its line.  `text` lacks the colon.
  kCounters,  // "[PACKETS:BYTES]".  `text` lacks the brackets.
  kNot,       // "!"
  kWord,      // Any other word, options included.
  kString,    // A word that was quoted.
};

// "table", "chain" and so on.
std::string_view TokenKindName(TokenKind kind);

struct Token {
  TokenKind kind = TokenKind::kWord;
  std::string text;  // Without quotes, escapes resolved.
  Location where;    // In the source, quotes included.
};

// "'TEXT'", for messages.
std::string Quoted(const Token& token);

// `text`, which is one line, as a token: in quotes, or only if it must be.
std::string Quote(std::string_view text);
std::string QuoteIfNeeded(std::string_view text);

// The part of `token` from byte `begin` on, `size` bytes.  Exact as long as the
// token has no quotes or escapes; else the whole token stands for its parts.
Location PartOf(const Token& token, size_t begin, size_t size);

// The parts of `text` between its commas: where they begin, and their sizes.
std::vector<std::pair<size_t, size_t>> SplitList(std::string_view text);

// The tokens of one line, at least one.
using TokenLine = std::vector<Token>;

// Returns the lines of `source` that are neither empty nor comments.
std::vector<TokenLine> Scan(const SourceText& source, Diagnostics* diagnostics);

// One token a line, as `ovs-rmirrorctl compile --stage=tokens` prints them.
std::string FormatTokens(const std::vector<TokenLine>& lines);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SCANNER_H
