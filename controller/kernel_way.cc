// SPDX-License-Identifier: Apache-2.0
//
// Asks the kernel for a route and for the state of its next hop.

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "controller/way.h"

namespace ovs_rmirror {

namespace {

// The states in which a neighbour's MAC address is used.
constexpr int kResolved = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE |
                          NUD_STALE | NUD_DELAY;

// A request with a header of type `Header` and, perhaps, an address.  Netlink
// aligns to 4 bytes, and so are these.
template <typename Header>
struct Request {
  struct nlmsghdr message;
  Header header;
  struct rtattr attribute;
  unsigned char address[16];
};

class Rtnetlink {
 public:
  Rtnetlink()
      : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}
  ~Rtnetlink() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  Rtnetlink(const Rtnetlink&) = delete;
  Rtnetlink& operator=(const Rtnetlink&) = delete;

  // Asks for what is at `address`.  Returns 0 and points `*answer` at the
  // answer, which is valid until the next call; or returns an errno value.
  template <typename Header>
  int Ask(uint16_t type, const Header& header, uint16_t attribute,
          const Address& address, const struct nlmsghdr** answer) {
    *answer = reinterpret_cast<const struct nlmsghdr*>(buffer_);
    Request<Header> request{};
    const int bytes = AddressWidth(address.family) / 8;
    request.message.nlmsg_len = static_cast<uint32_t>(
        sizeof request - sizeof request.address + static_cast<size_t>(bytes));
    request.message.nlmsg_type = type;
    request.message.nlmsg_flags = NLM_F_REQUEST;
    request.header = header;
    request.attribute.rta_type = attribute;
    request.attribute.rta_len = static_cast<uint16_t>(RTA_LENGTH(bytes));
    for (int i = 0; i < bytes; i++) {
      request.address[i] =
          static_cast<unsigned char>(address.bits >> (8 * (bytes - 1 - i)));
    }
    if (send(fd_, &request, request.message.nlmsg_len, 0) < 0) {
      return errno;
    }
    const ssize_t n = recv(fd_, buffer_, sizeof buffer_, 0);
    if (n < 0) {
      return errno;
    }
    if (!NLMSG_OK(*answer, static_cast<size_t>(n))) {
      return EPROTO;
    }
    return (*answer)->nlmsg_type == NLMSG_ERROR
               ? -static_cast<const struct nlmsgerr*>(NLMSG_DATA(*answer))
                      ->error
               : 0;
  }

 private:
  const int fd_;
  alignas(struct nlmsghdr) char buffer_[8192] = {};
};

Address ReadBytes(Family family, const void* data) {
  Address address{family, 0};
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (int i = 0; i < AddressWidth(family) / 8; i++) {
    address.bits = address.bits << 8 | bytes[i];
  }
  return address;
}

// Whether packets leave by `device` without a MAC address.
bool NeedsNoNeighbour(const std::string& device) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request {};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  const bool known = fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &request);
  close(fd);
  return known && request.ifr_flags & (IFF_NOARP | IFF_POINTOPOINT);
}

}  // namespace

bool FindKernelWay(const Address& target, Way* way) {
  *way = {"", target, false};
  Rtnetlink rtnetlink;
  const bool v4 = target.family == Family::kIpv4;
  struct rtmsg route {};
  route.rtm_family = v4 ? AF_INET : AF_INET6;
  route.rtm_dst_len = static_cast<unsigned char>(AddressWidth(target.family));
  const struct nlmsghdr* answer;
  const int error =
      rtnetlink.Ask(RTM_GETROUTE, route, RTA_DST, target, &answer);
  if (error) {
    return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES ||
           error == EINVAL;
  }
  uint32_t index = 0;
  auto* found = static_cast<struct rtmsg*>(NLMSG_DATA(answer));
  auto left = static_cast<int>(RTM_PAYLOAD(answer));
  for (auto* a = RTM_RTA(found); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    if (a->rta_type == RTA_OIF) {
      std::memcpy(&index, RTA_DATA(a), sizeof index);
    } else if (a->rta_type == RTA_GATEWAY) {
      way->next_hop = ReadBytes(target.family, RTA_DATA(a));
    } else if (a->rta_type == RTA_VIA) {
      // Of the other family: `struct rtvia`.
      const auto* via = static_cast<const struct rtvia*>(RTA_DATA(a));
      way->next_hop = ReadBytes(
          via->rtvia_family == AF_INET ? Family::kIpv4 : Family::kIpv6,
          via->rtvia_addr);
    }
  }
  char device[IFNAMSIZ];
  if (found->rtm_type != RTN_UNICAST || !if_indextoname(index, device)) {
    return true;  // Blackholes and the like are no route.
  }
  way->device = device;

  struct ndmsg neighbour {};
  neighbour.ndm_family =
      way->next_hop.family == Family::kIpv4 ? AF_INET : AF_INET6;
  neighbour.ndm_ifindex = static_cast<int>(index);
  way->resolved =
      NeedsNoNeighbour(way->device) ||
      (!rtnetlink.Ask(RTM_GETNEIGH, neighbour, NDA_DST, way->next_hop,
                      &answer) &&
       static_cast<const struct ndmsg*>(NLMSG_DATA(answer))->ndm_state &
           kResolved);
  return true;
}

}  // namespace ovs_rmirror
