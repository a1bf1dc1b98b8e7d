// SPDX-License-Identifier: Apache-2.0
//
// Reading the files that a user names.

#ifndef CONTROLLER_READ_FILE_H
#define CONTROLLER_READ_FILE_H

#include <cstddef>
#include <string>

namespace ovs_rmirror {

// No policy needs more.
inline constexpr size_t kMaxFileSize = size_t{64} << 20;  // Bytes.

enum class FileKind {
  kRegular,  // Nothing else: it may block, or have no end.
  kAny,      // Also a pipe, for one that somebody waits for.
};

// Stores the content of file `name` in `*text`. Returns an empty string, or a
// line that says why the file cannot be read, and then leaves `*text` alone: it
// is of another kind or too long, or it changes while it is read.
std::string ReadFile(const std::string& name, FileKind kind, std::string* text);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_READ_FILE_H
