// SPDX-License-Identifier: Apache-2.0

#include "controller/policy_source.h"

#include <cstdlib>
#include <iostream>
#include <iterator>
#include <utility>

#include "controller/read_file.h"

namespace ovs_rmirror {

std::unique_ptr<SourceText> ReadSource(const std::string& name) {
  std::string text;
  if (name == "-") {
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
    return std::make_unique<SourceText>("<stdin>", std::move(text));
  }
  const std::string error = ReadFile(name, FileKind::kAny, &text);
  if (!error.empty()) {
    std::cerr << error;
    return nullptr;
  }
  return std::make_unique<SourceText>(name, std::move(text));
}

bool PolicySource::ReadSets(const std::vector<std::string>& files) {
  for (const std::string& name : files) {
    const std::unique_ptr<SourceText> source = ReadSource(name);
    if (!source) {
      return false;
    }
    Diagnostics diagnostics;
    ReadIpSets(*source, &sets_, &diagnostics);
    std::cerr << Format(*source, diagnostics);
    if (diagnostics.HasErrors()) {
      return false;
    }
  }
  return true;
}

bool PolicySource::Read(const SourceOptions& options) {
  if (!ReadSets(options.set_files)) {
    return false;
  }
  text_ = ReadSource(options.file);
  return text_ != nullptr;
}

bool ParsePort(const std::string& text, PortNumbers* ports) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    return false;
  }
  char* end;
  const std::string number = text.substr(equals + 1);
  const unsigned long port = std::strtoul(number.c_str(), &end, 10);
  if (number.empty() || *end || port == 0 || port > 0xfeff) {
    return false;
  }
  (*ports)[text.substr(0, equals)] = static_cast<uint32_t>(port);
  return true;
}

}  // namespace ovs_rmirror
