// SPDX-License-Identifier: Apache-2.0

#include "controller/file_watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>

#include "controller/ovs.h"

namespace ovs_rmirror {

namespace {

// How long nothing must happen before changes are over.  Milliseconds.
constexpr int64_t kSettle = 200;

// A file that was opened for writing and neither written to nor closed for so
// long is not waited for.  Milliseconds.
constexpr int64_t kMaxWriting = 10000;

// Where somebody else writes to the same folder all the time, there is always
// one more event to read, and other things to do.
constexpr size_t kReadBytes = 65536;
constexpr int kMaxReads = 4;

constexpr int kMaxLinks = 40;  // On the way to a file, as for the kernel.

// A folder went or came, or we missed something.
constexpr uint32_t kFolderEvents =
    IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_Q_OVERFLOW | IN_UNMOUNT;

constexpr uint32_t kWatched = IN_CLOSE_WRITE | IN_MODIFY | IN_CREATE |
                              IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                              IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// Puts the components of `path` before those in `*rest`.
void Prepend(const std::string& path, std::deque<std::string>* rest) {
  std::deque<std::string> components;
  size_t begin = 0;
  while (begin < path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) {
      components.push_back(path.substr(begin, end - begin));
    }
    begin = end + 1;
  }
  rest->insert(rest->begin(), components.begin(), components.end());
}

std::string ReadLink(const std::string& name) {
  char target[PATH_MAX];
  const ssize_t n = readlink(name.c_str(), target, sizeof target);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "";
}

// Whether `name` was created to be written to.  What was linked into place is
// whole.
bool IsNewFile(const std::string& name) {
  struct stat status;
  return lstat(name.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         status.st_nlink == 1;
}

}  // namespace

FileWatch::FileWatch(std::vector<std::string> files)
    : files_(std::move(files)), fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  if (fd_ < 0) {
    error_ = std::string("inotify: ") + std::strerror(errno);
    return;
  }
  Watch();
}

FileWatch::~FileWatch() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

// The entries that lead to the files: the files themselves, each symbolic link
// on the way, and what is missing on the way.
std::vector<FileWatch::Entry> FileWatch::FindEntries() const {
  std::vector<Entry> entries;
  for (const std::string& file : files_) {
    std::deque<std::string> rest;
    Prepend(file, &rest);
    std::string folder = "/";  // Stays absolute.
    int links = 0;
    while (!rest.empty()) {
      const std::string name = rest.front();
      rest.pop_front();
      if (name == ".") {
        continue;
      }
      std::string path = folder;
      path.append(folder == "/" ? "" : "/").append(name);
      struct stat status;
      const bool there = lstat(path.c_str(), &status) == 0;
      const bool is_link = there && S_ISLNK(status.st_mode);
      if (!there || is_link || rest.empty()) {
        entries.emplace_back(folder, name);
      }
      if (!there || (is_link && ++links > kMaxLinks)) {
        break;
      }
      if (is_link) {
        const std::string target = ReadLink(path);
        Prepend(target, &rest);
        if (target.starts_with("/")) {
          folder.resize(1);
        }
      } else if (name == "..") {
        folder.resize(std::max<size_t>(folder.rfind('/'), 1));
      } else {
        folder = std::move(path);
      }
    }
  }
  return entries;
}

// Watches what now leads to the files.
void FileWatch::Watch() {
  // What is created before its folder is watched, is seen in the next round.
  std::vector<Entry> entries = FindEntries();
  for (;;) {
    std::map<int, Folder> folders;
    error_.clear();
    for (const auto& [folder, name] : entries) {
      const int wd = inotify_add_watch(fd_, folder.c_str(), kWatched);
      if (wd >= 0) {
        folders[wd].name = folder;
        folders[wd].entries.insert(name);
      } else if (errno != ENOENT && errno != ENOTDIR) {
        error_ = folder + ": " + std::strerror(errno);
      }
    }
    for (const auto& [wd, unused] : folders_) {
      if (!folders.contains(wd)) {
        inotify_rm_watch(fd_, wd);
      }
    }
    folders_ = std::move(folders);
    std::vector<Entry> now = FindEntries();
    if (now == entries) {
      break;
    }
    entries = std::move(now);
  }
  std::erase_if(writing_, [this](const auto& entry) {
    return !folders_.contains(entry.first.first);
  });
}

void FileWatch::Handle(const inotify_event& event, int64_t now) {
  const auto folder = folders_.find(event.wd);
  if (event.mask & kFolderEvents) {
    if (folder != folders_.end() || event.mask & IN_Q_OVERFLOW) {
      writing_.clear();
      changed_ = now;
      Watch();
    }
    return;
  }
  if (folder == folders_.end() || !event.len ||
      !folder->second.entries.contains(event.name)) {
    return;
  }
  const std::pair<int, std::string> entry = {event.wd, event.name};
  if (event.mask & IN_MODIFY ||
      (event.mask & IN_CREATE &&
       IsNewFile(folder->second.name + "/" + event.name))) {
    writing_[entry] = now;
  } else {
    writing_.erase(entry);
    changed_ = now;
  }
  if (!(event.mask & (IN_MODIFY | IN_CLOSE_WRITE))) {
    // The name may lead elsewhere now.
    Watch();
  }
}

bool FileWatch::Run(int64_t now) {
  alignas(inotify_event) char buffer[kReadBytes];
  for (int i = 0; i < kMaxReads; i++) {
    const ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n <= 0) {
      break;
    }
    for (const char* p = buffer; p < buffer + n;) {
      const auto* event = reinterpret_cast<const inotify_event*>(p);
      p += sizeof *event + event->len;
      Handle(*event, now);
    }
  }
  const std::optional<int64_t> due = Due();
  if (!due || now < *due) {
    return false;
  }
  changed_.reset();
  writing_.clear();
  return true;
}

// The time at which the changes are over, as far as one can see.
std::optional<int64_t> FileWatch::Due() const {
  if (!changed_) {
    return std::nullopt;
  }
  int64_t due = *changed_ + kSettle;
  for (const auto& [entry, written] : writing_) {
    due = std::max(due, written + kMaxWriting);
  }
  return due;
}

std::optional<int64_t> FileWatch::Wait() {
  if (fd_ >= 0) {
    poll_fd_wait(fd_, POLLIN);
  }
  return Due();
}

}  // namespace ovs_rmirror
