// SPDX-License-Identifier: Apache-2.0

#include "controller/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace ovs_rmirror {

std::string NotifyReady() {
  const char* const variable = std::getenv("NOTIFY_SOCKET");
  if (!variable) {
    return "";
  }
  const std::string name = variable;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() > sizeof address.sun_path) {
    return "NOTIFY_SOCKET=" + name + ": is no name of a socket";
  }
  std::copy(name.begin(), name.end(), address.sun_path);
  if (name[0] == '@') {
    address.sun_path[0] = '\0';  // In the abstract namespace.
  }
  constexpr const char kReady[] = "READY=1";
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool good =
      fd >= 0 && sendto(fd, kReady, std::strlen(kReady), MSG_NOSIGNAL,
                        reinterpret_cast<const sockaddr*>(&address),
                        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                               name.size())) >= 0;
  const std::string error =
      good ? "" : "NOTIFY_SOCKET=" + name + ": " + std::strerror(errno);
  if (fd >= 0) {
    close(fd);
  }
  return error;
}

}  // namespace ovs_rmirror
