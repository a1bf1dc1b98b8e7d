// SPDX-License-Identifier: Apache-2.0
//
// Reading the files that a user names.

#ifndef CONTROLLER_READ_FILE_H
#define CONTROLLER_READ_FILE_H

#include <string>

namespace ovs_rmirror {

// Stores the content of file `name` in `*text`. Returns an empty string, or a
// line that says why the file cannot be read, and then leaves `*text` alone.
std::string ReadFile(const std::string& name, std::string* text);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_READ_FILE_H
