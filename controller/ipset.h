// SPDX-License-Identifier: Apache-2.0
//
// Sets of addresses and ports, in the format that `ipset save` writes.

#ifndef CONTROLLER_IPSET_H
#define CONTROLLER_IPSET_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/masked.h"

namespace ovs_rmirror {

// What a set holds, exceptions applied: the addresses, disjoint and in rising
// order, that go with some ports of a protocol; with any, if the set is of
// addresses alone.
struct IpSetPart {
  std::optional<uint8_t> protocol;
  Range<uint16_t> ports = {0, 65535};
  std::vector<Range<Uint128>> addresses;
};

struct IpSet {
  enum class Type { kIp, kNet, kIpPort, kNetPort, kMac };

  // A line "add".  For kMac only `mac` counts; `protocol` and `ports` only for
  // kIpPort and kNetPort.  Host byte order.
  struct Entry {
    Range<Uint128> addresses;
    uint8_t protocol = 0;
    Range<uint16_t> ports;
    uint64_t mac = 0;
    bool nomatch = false;  // An exception from larger networks.
  };

  std::string name;
  Type type = Type::kIp;
  Family family = Family::kIpv4;  // Not for kMac.
  std::vector<Entry> entries;

  // What `entries` say, ordered by protocol and ports.  None for kMac.
  std::vector<IpSetPart> parts;

  bool HasPorts() const {
    return type == Type::kIpPort || type == Type::kNetPort;
  }
  // How many directions a match of the set takes.
  size_t Dimensions() const { return HasPorts() ? 2 : 1; }
};

// "hash:ip,port"
std::string_view IpSetTypeName(IpSet::Type type);

// "create NAME hash:ip family inet": a line that makes a set like `set`,
// without entries.
std::string FormatIpSetHead(const IpSet& set);

using IpSets = std::map<std::string, std::shared_ptr<const IpSet>>;

// Adds the sets in `source` to `*sets`.  Adds an error to `diagnostics` for
// whatever cannot be told, or has no place here: entries that expire, other
// types of sets.
void ReadIpSets(const SourceText& source, IpSets* sets,
                Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_IPSET_H
