// SPDX-License-Identifier: Apache-2.0

#include "controller/read_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ovs_rmirror {

namespace {

// A file that is open as long as this object lives.
class OpenFile {
 public:
  OpenFile(const std::string& name, int flags)
      : fd_(open(name.c_str(), flags | O_RDONLY | O_CLOEXEC | O_NOCTTY)) {}
  ~OpenFile() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  int fd() const { return fd_; }

 private:
  const int fd_;
};

// "a directory"
const char* NameKind(mode_t mode) {
  return S_ISDIR(mode)    ? "a directory"
         : S_ISFIFO(mode) ? "a FIFO"
         : S_ISCHR(mode)  ? "a character device"
         : S_ISBLK(mode)  ? "a block device"
                          : "a socket";
}

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

// Reads what is left of `fd`, and no more than kMaxFileSize + 1 bytes.  Returns
// whether that was possible; else errno says why not.
bool ReadAll(int fd, std::string* text) {
  char buffer[65536];
  while (text->size() <= kMaxFileSize) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) {
      continue;
    } else if (n <= 0) {
      return n == 0;
    }
    text->append(buffer, static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

std::string ReadFile(const std::string& name, FileKind kind,
                     std::string* text) {
  const auto failure = [&name](const std::string& why) {
    return name + ": cannot be read: " + why + "\n";
  };
  const bool regular = kind == FileKind::kRegular;
  // Without it, to open a FIFO waits for somebody who writes to it.
  const OpenFile file(name, regular ? O_NONBLOCK : 0);
  struct stat before, after;
  if (file.fd() < 0 || fstat(file.fd(), &before)) {
    return failure(std::strerror(errno));
  }
  if (S_ISDIR(before.st_mode) || (regular && !S_ISREG(before.st_mode))) {
    return failure(std::string("it is ") + NameKind(before.st_mode) +
                   ", not a file");
  }
  const std::string too_long = "it is longer than " +
                               std::to_string(kMaxFileSize >> 20) +
                               " MiB, which no policy needs";
  if (S_ISREG(before.st_mode) &&
      before.st_size > static_cast<off_t>(kMaxFileSize)) {
    return failure(too_long);
  }
  std::string content;
  if (!ReadAll(file.fd(), &content) || fstat(file.fd(), &after)) {
    return failure(std::strerror(errno));
  }
  if (content.size() > kMaxFileSize) {
    return failure(too_long);
  }
  // The time of a change may be too coarse to tell.
  if (regular && (!IsSame(before, after) ||
                  static_cast<off_t>(content.size()) != before.st_size)) {
    return failure("it has changed while it was read");
  }
  *text = std::move(content);
  return "";
}

}  // namespace ovs_rmirror
