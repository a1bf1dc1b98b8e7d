// SPDX-License-Identifier: Apache-2.0
//
// Notices when files have got another content.

#ifndef CONTROLLER_FILE_WATCH_H
#define CONTROLLER_FILE_WATCH_H

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

struct inotify_event;

namespace ovs_rmirror {

// Watches the folders that hold the files, and those that hold symbolic links
// on the way to them, by inotify(7): it notices files that are written, files
// and links that are renamed or linked into their place, and files that go.
class FileWatch {
 public:
  // `files` are absolute names; they need not exist.
  explicit FileWatch(std::vector<std::string> files);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Returns whether a file has changed since this was last true.  All changes
  // that follow each other closely are one, which is told when they are over: a
  // file that somebody is writing is waited for.  `now` is in milliseconds and
  // never goes back.
  bool Run(int64_t now);

  // Makes the next poll_block() wake up when there is something to see, and
  // returns the time at which Run() has to be called in any case, if there is
  // one.
  std::optional<int64_t> Wait();

  // Why not all files are watched; empty if they are.
  const std::string& error() const { return error_; }

 private:
  // An entry of a folder.
  using Entry = std::pair<std::string, std::string>;

  std::vector<Entry> FindEntries() const;
  void Watch();
  void Handle(const inotify_event& event, int64_t now);
  std::optional<int64_t> Due() const;

  const std::vector<std::string> files_;
  int fd_;
  std::string error_;

  struct Folder {
    std::string name;
    std::set<std::string> entries;  // Those that matter.
  };
  std::map<int, Folder> folders_;  // By watch descriptor.

  // Entries that somebody has open for writing, as far as we can see, and when
  // they were last written to.
  std::map<std::pair<int, std::string>, int64_t> writing_;

  std::optional<int64_t> changed_;  // When the last change was, if any.
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_FILE_WATCH_H
