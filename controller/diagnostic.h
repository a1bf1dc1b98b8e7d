// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a policy file, where, and what would be right.

#ifndef CONTROLLER_DIAGNOSTIC_H
#define CONTROLLER_DIAGNOSTIC_H

#include <string>
#include <string_view>
#include <vector>

namespace ovs_rmirror {

// A piece of one line of a source text.
struct Location {
  int line = 0;       // From 1.
  size_t offset = 0;  // Bytes before the piece in its line.
  size_t length = 1;  // Bytes.

  bool operator==(const Location&) const = default;
};

// A policy's text and the name by which messages call it.
class SourceText {
 public:
  SourceText(std::string name, std::string text);
  SourceText(const SourceText&) = delete;
  SourceText& operator=(const SourceText&) = delete;

  const std::string& name() const { return name_; }

  // The lines without their ends, valid as long as this object.
  const std::vector<std::string_view>& lines() const { return lines_; }

 private:
  std::string name_;
  std::string text_;
  std::vector<std::string_view> lines_;
};

enum class Severity { kError, kWarning, kNote };

// "error", "warning", "note"
std::string_view SeverityName(Severity severity);

struct Diagnostic {
  Severity severity = Severity::kError;
  Location where;
  std::string what;     // What is wrong.
  std::string instead;  // What is possible instead; may be empty.
};

// Collects everything that there is to say about one text.
class Diagnostics {
 public:
  void Error(const Location& where, std::string what, std::string instead = "");
  void Warning(const Location& where, std::string what,
               std::string instead = "");
  void Note(const Location& where, std::string what, std::string instead = "");

  bool HasErrors() const { return errors_ > 0; }

  // Sorted by place, as a reader goes through the file.
  std::vector<Diagnostic> Sorted() const;

 private:
  std::vector<Diagnostic> all_;
  int errors_ = 0;
};

// The column at which `where` begins: from 1, in characters (UTF-8).
size_t ColumnOf(const SourceText& source, const Location& where);

// Returns "NAME:LINE:COL: error: WHAT", the line, a caret under the piece, and
// what is possible instead, each line ended by a newline.  LINE and COL count
// from 1; COL is that of ColumnOf().
std::string Format(const SourceText& source, const Diagnostic& diagnostic);
std::string Format(const SourceText& source, const Diagnostics& diagnostics);

// Returns the one of `names` that `word` was most likely meant to be, or an
// empty view if none is near.
std::string_view Nearest(std::string_view word,
                         const std::vector<std::string_view>& names);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_DIAGNOSTIC_H
