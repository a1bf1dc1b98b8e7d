// SPDX-License-Identifier: Apache-2.0

#include "controller/diagnostic.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace ovs_rmirror {

namespace {

bool ContinuesCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

size_t CountCharacters(std::string_view s) {
  return s.size() - static_cast<size_t>(
                        std::count_if(s.begin(), s.end(), ContinuesCharacter));
}

std::string_view LineOf(const SourceText& source, const Location& where) {
  const size_t index = static_cast<size_t>(where.line) - 1;
  return index < source.lines().size() ? source.lines()[index] : "";
}

// The number of letters to insert, delete, replace or swap with their
// neighbour to get from `a` to `b`, regardless of case.
size_t EditDistance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  };
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1),
      now(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); i++) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); j++) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1,
                         last[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
          same(a[i - 2], b[j - 1])) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

SourceText::SourceText(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)) {
  std::string_view rest = text_;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    lines_.push_back(line);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
}

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kError:
      return "error";
    case Severity::kWarning:
      return "warning";
    case Severity::kNote:
      return "note";
  }
  return "";
}

void Diagnostics::Error(const Location& where, std::string what,
                        std::string instead) {
  all_.push_back(
      {Severity::kError, where, std::move(what), std::move(instead)});
  errors_++;
}

void Diagnostics::Warning(const Location& where, std::string what,
                          std::string instead) {
  all_.push_back(
      {Severity::kWarning, where, std::move(what), std::move(instead)});
}

void Diagnostics::Note(const Location& where, std::string what,
                       std::string instead) {
  all_.push_back({Severity::kNote, where, std::move(what), std::move(instead)});
}

std::vector<Diagnostic> Diagnostics::Sorted() const {
  std::vector<Diagnostic> sorted = all_;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return a.where.line != b.where.line
                                ? a.where.line < b.where.line
                                : a.where.offset < b.where.offset;
                   });
  return sorted;
}

size_t ColumnOf(const SourceText& source, const Location& where) {
  return CountCharacters(LineOf(source, where).substr(0, where.offset)) + 1;
}

std::string Format(const SourceText& source, const Diagnostic& diagnostic) {
  const Location& where = diagnostic.where;
  const std::string_view line = LineOf(source, where);
  const std::string_view lead = line.substr(0, where.offset);
  const std::string_view piece =
      line.substr(std::min(where.offset, line.size()), where.length);

  std::string s = source.name() + ":" + std::to_string(where.line) + ":" +
                  std::to_string(ColumnOf(source, where)) + ": " +
                  std::string(SeverityName(diagnostic.severity)) + ": " +
                  diagnostic.what + "\n";
  s += "    " + std::string(line) + "\n    ";
  for (const char c : lead) {
    // A tab takes as much room here as it does in the line above.
    if (c == '\t') {
      s += '\t';
    } else if (!ContinuesCharacter(c)) {
      s += ' ';
    }
  }
  s += '^';
  const size_t width = CountCharacters(piece);
  s += std::string(width > 1 ? width - 1 : 0, '~') + "\n";
  if (!diagnostic.instead.empty()) {
    s += "    " + diagnostic.instead + "\n";
  }
  return s;
}

std::string Format(const SourceText& source, const Diagnostics& diagnostics) {
  std::string s;
  for (const Diagnostic& diagnostic : diagnostics.Sorted()) {
    s += Format(source, diagnostic);
  }
  return s;
}

std::string_view Nearest(std::string_view word,
                         const std::vector<std::string_view>& names) {
  std::string_view nearest;
  size_t least = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view name : names) {
    const size_t distance = EditDistance(word, name);
    if (distance < least && distance < name.size()) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace ovs_rmirror
