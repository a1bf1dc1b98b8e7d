// SPDX-License-Identifier: Apache-2.0

#include "controller/audit.h"

#include <dirent.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "controller/ovs.h"
#include "controller/rule_text.h"
#include "controller/status.h"

VLOG_DEFINE_THIS_MODULE(audit);

namespace ovs_rmirror {

namespace {

// That are written out.
constexpr size_t kMaxRules = 5;
constexpr size_t kMaxCommanders = 8;

// The name that /etc/passwd gives a user, and " ", or nothing.  Other sources
// of names may be far away, and the daemon must not wait for them.
std::string NameOf(uid_t uid) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen("/etc/passwd", "re"),
                                                   fclose);
  while (const struct passwd* entry = file ? fgetpwent(file.get()) : nullptr) {
    if (entry->pw_uid == uid) {
      return std::string(entry->pw_name) + " ";
    }
  }
  return "";
}

std::string DescribeUser(uid_t uid) {
  return "user " + NameOf(uid) + "(" + std::to_string(uid) + ")";
}

std::string DescribeProcess(pid_t pid, uid_t uid) {
  return "pid " + std::to_string(pid) + " of " + DescribeUser(uid);
}

// The open files of this process.
std::vector<int> OpenFiles() {
  std::vector<int> files;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"),
                                                   closedir);
  while (const struct dirent* entry =
             folder ? readdir(folder.get()) : nullptr) {
    if (entry->d_name[0] != '.') {
      files.push_back(std::atoi(entry->d_name));
    }
  }
  return files;
}

// Whether `fd` is a connection that the Unix domain socket `path` has taken.
bool IsConnectionTo(int fd, const std::string& path) {
  struct sockaddr_un address = {};
  socklen_t size = sizeof address;
  int listens = 0;
  socklen_t listens_size = sizeof listens;
  return getsockname(fd, reinterpret_cast<struct sockaddr*>(&address), &size) ==
             0 &&
         address.sun_family == AF_UNIX && path == address.sun_path &&
         getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_size) ==
             0 &&
         !listens;
}

std::string Digest(const std::string& text) {
  uint8_t digest[SHA1_DIGEST_SIZE];
  sha1_bytes(text.data(), static_cast<uint32_t>(text.size()), digest);
  char hex[SHA1_HEX_DIGEST_LEN + 1];
  sha1_to_hex(digest, hex);
  return hex;
}

// The text that the file of the same name has in `text`, or null.
const std::string* FindText(const PolicyText& text, const std::string& name) {
  if (text.rules.name == name) {
    return &text.rules.text;
  }
  for (const NamedText& file : text.sets) {
    if (file.name == name) {
      return &file.text;
    }
  }
  return nullptr;
}

std::vector<NamedText> FilesOf(const PolicyText& text) {
  std::vector<NamedText> files = {text.rules};
  files.insert(files.end(), text.sets.begin(), text.sets.end());
  return files;
}

std::multiset<std::string> TextsOf(const Policy& policy) {
  std::multiset<std::string> texts;
  for (const Rule& rule : policy.rules) {
    texts.insert(FormatRule(rule));
  }
  return texts;
}

// "2 added (-A ...; -A ...)": those that are in `now` and not in `before`.
std::string DescribeDifference(const std::multiset<std::string>& before,
                               const std::multiset<std::string>& now,
                               const std::string& what) {
  std::vector<std::string> rules;
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::back_inserter(rules));
  std::string s = std::to_string(rules.size()) + " " + what;
  if (rules.empty()) {
    return s;
  }
  s += " (";
  for (size_t i = 0; i < std::min(rules.size(), kMaxRules); i++) {
    s += (i > 0 ? "; " : "") + rules[i];
  }
  return s + (rules.size() > kMaxRules ? "; ...)" : ")");
}

}  // namespace

void Audit(const std::string& text) {
  VLOG_INFO("%s", EscapeForLog(text).c_str());
}

void AuditWarning(const std::string& text) {
  VLOG_WARN("%s", EscapeForLog(text).c_str());
}

std::string DescribeCommander(const std::string& path) {
  std::set<std::string> commanders;
  for (const int fd : OpenFiles()) {
    struct ucred peer = {};
    socklen_t size = sizeof peer;
    if (IsConnectionTo(fd, path) &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
      commanders.insert(DescribeProcess(peer.pid, peer.uid));
    }
  }
  std::string s;
  size_t n = 0;
  for (const std::string& commander : commanders) {
    if (++n > kMaxCommanders) {
      s += " or others";
      break;
    }
    s += (n > 1 ? " or " : "") + commander;
  }
  return "a command" + (s.empty() ? "" : " of " + s);
}

std::string DescribeSender(pid_t pid, uid_t uid) {
  return "SIGHUP from " + DescribeProcess(pid, uid);
}

std::string DescribeWriters(const PolicyText& before, const PolicyText& now) {
  std::string s;
  for (const NamedText& file : FilesOf(now)) {
    const std::string* const old = FindText(before, file.name);
    if (old && *old == file.text) {
      continue;
    }
    s += (s.empty() ? "" : ", ") + file.name;
    struct stat about;
    if (stat(file.name.c_str(), &about) == 0) {
      s += ", owned by " + DescribeUser(about.st_uid) + ", of " +
           FormatTime(about.st_mtime);
    }
  }
  return s.empty() ? "the files, whose texts are the same" : "a change of " + s;
}

std::string DescribeRules(const Policy& before, const Policy& now) {
  const std::multiset<std::string> old_rules = TextsOf(before);
  const std::multiset<std::string> new_rules = TextsOf(now);
  return std::to_string(now.rules.size()) +
         (now.rules.size() == 1 ? " rule, " : " rules, ") +
         DescribeDifference(old_rules, new_rules, "added") + ", " +
         DescribeDifference(new_rules, old_rules, "removed");
}

std::string DescribeDigests(const PolicyText& before, const PolicyText& now) {
  std::string s;
  for (const NamedText& file : FilesOf(now)) {
    const std::string* const old = FindText(before, file.name);
    s += (s.empty() ? "" : ", ") + file.name + " sha1 " +
         (old && *old != file.text ? Digest(*old) + " -> " : "") +
         Digest(file.text);
  }
  return s;
}

std::string EscapeForLog(const std::string& text) {
  std::string s;
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      s += c;
    } else {
      char code[8];
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<uint8_t>(c));
      s += code;
    }
  }
  return s;
}

}  // namespace ovs_rmirror
