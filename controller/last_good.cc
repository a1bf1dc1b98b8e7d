// SPDX-License-Identifier: Apache-2.0

#include "controller/last_good.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <utility>

#include "controller/read_file.h"

namespace ovs_rmirror {

namespace {

constexpr std::string_view kFirstLine = "ovs-rmirror policy 1\n";
constexpr std::string_view kRules = "rules";
constexpr std::string_view kSets = "sets";
constexpr std::string_view kLastLine = "end\n";

// A name without slashes, and without a leading dot, for each name.
std::string Escape(const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                       (c == '.' && !escaped.empty());
    if (plain) {
      escaped += c;
    } else {
      char code[4];
      std::snprintf(code, sizeof code, "%%%02x", static_cast<uint8_t>(c));
      escaped += code;
    }
  }
  return escaped;
}

// A line "KIND BYTES_OF_NAME BYTES_OF_TEXT", and then these bytes.
std::string FormatFile(std::string_view kind, const NamedText& file) {
  return std::string(kind) + " " + std::to_string(file.name.size()) + " " +
         std::to_string(file.text.size()) + "\n" + file.name + file.text + "\n";
}

bool Take(std::string_view what, std::string_view* rest) {
  if (!rest->starts_with(what)) {
    return false;
  }
  rest->remove_prefix(what.size());
  return true;
}

bool TakeNumber(size_t* number, std::string_view* rest) {
  const char* const begin = rest->data();
  const auto [end, error] =
      std::from_chars(begin, begin + rest->size(), *number);
  rest->remove_prefix(static_cast<size_t>(end - begin));
  return error == std::errc();
}

bool TakeBytes(size_t n, std::string* bytes, std::string_view* rest) {
  if (n > rest->size()) {
    return false;
  }
  *bytes = rest->substr(0, n);
  rest->remove_prefix(n);
  return true;
}

// The reverse of FormatFile(), after KIND.
bool TakeFile(NamedText* file, std::string_view* rest) {
  size_t name = 0, text = 0;
  return Take(" ", rest) && TakeNumber(&name, rest) && Take(" ", rest) &&
         TakeNumber(&text, rest) && Take("\n", rest) &&
         TakeBytes(name, &file->name, rest) &&
         TakeBytes(text, &file->text, rest) && Take("\n", rest);
}

// "NAME: WHAT: No space left on device".
std::string Failure(const std::string& name, const char* what) {
  return name + ": " + what + ": " + std::strerror(errno);
}

bool WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno != EINTR) {
      return false;
    }
    content.remove_prefix(n > 0 ? static_cast<size_t>(n) : 0);
  }
  return true;
}

// Creates or replaces `name`, and waits until its content is on the disk.
// Returns an empty string, or what went wrong.
std::string WriteNewFile(const std::string& name, const std::string& content) {
  if (unlink(name.c_str()) && errno != ENOENT) {
    return Failure(name, "cannot be removed");
  }
  const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                      S_IRUSR | S_IWUSR);
  if (fd < 0) {
    return Failure(name, "cannot be created");
  }
  std::string error;
  if (!WriteAll(fd, content) || fsync(fd)) {
    error = Failure(name, "cannot be written");
  }
  if (close(fd) && error.empty()) {
    error = Failure(name, "cannot be written");
  }
  if (!error.empty()) {
    unlink(name.c_str());
  }
  return error;
}

// Waits until the names in `folder` are on the disk.
bool SynchronizeFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const bool good = fsync(fd) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  return good;
}

}  // namespace

std::string FormatPolicyText(const PolicyText& text) {
  std::string content(kFirstLine);
  content += FormatFile(kRules, text.rules);
  for (const NamedText& file : text.sets) {
    content += FormatFile(kSets, file);
  }
  content += kLastLine;
  return content;
}

std::optional<PolicyText> ParsePolicyText(std::string_view content) {
  PolicyText text;
  if (!Take(kFirstLine, &content) || !Take(kRules, &content) ||
      !TakeFile(&text.rules, &content)) {
    return std::nullopt;
  }
  while (Take(kSets, &content)) {
    text.sets.emplace_back();
    if (!TakeFile(&text.sets.back(), &content)) {
      return std::nullopt;
    }
  }
  if (content != kLastLine) {
    return std::nullopt;
  }
  return text;
}

LastGood::LastGood(std::string folder, const std::string& bridge)
    : folder_(std::move(folder)), file_(Escape(bridge) + ".policy") {}

std::string LastGood::Write(const PolicyText& text) const {
  if (mkdir(folder_.c_str(), S_IRWXU) && errno != EEXIST) {
    return Failure(folder_, "cannot be made");
  }
  const std::string temporary = folder_ + "/." + file_ + ".new";
  const std::string error = WriteNewFile(temporary, FormatPolicyText(text));
  if (!error.empty()) {
    return error;
  }
  if (rename(temporary.c_str(), name().c_str())) {
    const std::string failure = Failure(name(), "cannot be replaced");
    unlink(temporary.c_str());
    return failure;
  }
  return SynchronizeFolder(folder_) ? ""
                                    : Failure(folder_, "cannot be written");
}

std::string LastGood::Read(PolicyText* text) const {
  std::string content;
  std::string error = ReadFile(name(), FileKind::kRegular, &content);
  if (!error.empty()) {
    error.pop_back();  // The newline.
    return error;
  }
  std::optional<PolicyText> parsed = ParsePolicyText(content);
  if (!parsed) {
    return name() + ": is no complete copy of a policy";
  }
  *text = std::move(*parsed);
  return "";
}

}  // namespace ovs_rmirror
