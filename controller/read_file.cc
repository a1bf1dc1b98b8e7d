// SPDX-License-Identifier: Apache-2.0

#include "controller/read_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace ovs_rmirror {

std::string ReadFile(const std::string& name, std::string* text) {
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  std::ostringstream content;
  if (file) {
    content << file.rdbuf();
  }
  if (!file || file.bad()) {
    return name + ": cannot be read: " + std::strerror(errno) + "\n";
  }
  *text = content.str();
  return "";
}

}  // namespace ovs_rmirror
