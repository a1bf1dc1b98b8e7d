// SPDX-License-Identifier: Apache-2.0
//
// What a rule can say about a packet, one structure for each match of the
// language.  All numbers are in host byte order.

#ifndef CONTROLLER_MATCHES_H
#define CONTROLLER_MATCHES_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/address.h"
#include "controller/ipset.h"
#include "controller/masked.h"

namespace ovs_rmirror {

// [!] NETWORK,...: any of `networks`, or none of them.
struct AddressMatch {
  bool negated = false;
  std::vector<Network> networks;  // Only one if negated.

  bool operator==(const AddressMatch&) const = default;
};

// [!] FIRST-LAST.
struct AddressRangeMatch {
  bool negated = false;
  Family family = Family::kIpv4;
  Range<Uint128> range;

  bool operator==(const AddressRangeMatch&) const = default;
};

struct ProtocolMatch {
  bool negated = false;
  uint8_t protocol = 0;

  bool operator==(const ProtocolMatch&) const = default;
};

// [!] NAME, or NAME+ for all ports whose names start with NAME.  The port LOCAL
// has no name here: what enters and leaves by it has chains of its own.  "! +"
// matches nothing, in any chain; "+" alone is no match.
struct InterfaceMatch {
  bool negated = false;
  std::string name;  // Without the plus sign.
  bool prefix = false;

  bool Names(const std::string& port) const {
    return prefix ? port.starts_with(name) : port == name;
  }

  bool IsNever() const { return negated && prefix && name.empty(); }

  bool operator==(const InterfaceMatch&) const = default;
};

// [!] FIRST:LAST, of transport ports.
struct PortMatch {
  bool negated = false;
  uint16_t first = 0;
  uint16_t last = 65535;

  bool operator==(const PortMatch&) const = default;
};

// [!] a list of ports and ranges.
struct MultiportMatch {
  enum class Side { kSource, kDestination, kEither };
  bool negated = false;
  Side side = Side::kSource;
  std::vector<Range<uint16_t>> ports;

  bool operator==(const MultiportMatch&) const = default;
};

// [!] of the flags in `mask`, exactly those in `set` are set.  Bits as in the
// TCP header: FIN 0x01, SYN 0x02, RST 0x04, PSH 0x08, ACK 0x10, URG 0x20.
struct TcpFlagsMatch {
  bool negated = false;
  uint8_t mask = 0;
  uint8_t set = 0;

  bool operator==(const TcpFlagsMatch&) const = default;
};

// [!] an ICMP or ICMPv6 message.
struct IcmpMatch {
  bool negated = false;
  Family family = Family::kIpv4;
  std::optional<uint8_t> type;  // None: any.
  std::optional<uint8_t> code;  // None: any.  Absent if `type` is.

  bool operator==(const IcmpMatch&) const = default;
};

struct MacMatch {
  bool negated = false;
  uint64_t mac = 0;

  bool operator==(const MacMatch&) const = default;
};

// [!] a code point, 0 to 63.
struct DscpMatch {
  bool negated = false;
  uint8_t dscp = 0;

  bool operator==(const DscpMatch&) const = default;
};

// [!] VALUE/MASK of the packet's mark, skb->mark.
struct MarkMatch {
  bool negated = false;
  Masked<uint32_t> mark;

  bool operator==(const MarkMatch&) const = default;
};

// [!] what kind of address the destination is, as far as a switch knows.
struct AddressTypeMatch {
  bool negated = false;
  bool unicast = false;
  bool broadcast = false;  // IPv4 only.
  bool multicast = false;

  bool operator==(const AddressTypeMatch&) const = default;
};

// [!] -f: the packet is a second or later fragment.
struct FragmentMatch {
  bool negated = false;

  bool operator==(const FragmentMatch&) const = default;
};

// [!] the outermost VLAN tag has this ID.
struct VlanMatch {
  bool negated = false;
  uint16_t id = 0;

  bool operator==(const VlanMatch&) const = default;
};

// [!] the packet's addresses and ports are in a set.
struct SetMatch {
  enum class Direction { kSource, kDestination };
  bool negated = false;
  std::shared_ptr<const IpSet> set;
  std::vector<Direction> directions;  // One for each part of the set's entries.

  bool operator==(const SetMatch&) const = default;
};

// At most `rate` packets per second over time, `burst` at once.
struct LimitMatch {
  uint32_t rate = 0;               // Not 0.
  uint32_t burst = kDefaultBurst;  // Not 0.

  static constexpr uint32_t kDefaultBurst = 5;

  bool operator==(const LimitMatch&) const = default;
};

// As many packets, by chance, as the action's field says: `probability` is a
// fraction of RMIRROR_PROBABILITY_ALL, neither 0 nor all of it.
struct StatisticMatch {
  uint32_t probability = 0;

  bool operator==(const StatisticMatch&) const = default;
};

// Everything that one rule says.  A packet matches if all of it holds.
struct Matches {
  // The families of IP packets that can match.  Meaningful only if
  // MatchesLayer3(): otherwise every frame can.
  bool ipv4 = true;
  bool ipv6 = true;

  std::optional<AddressMatch> source;
  std::optional<AddressMatch> destination;
  std::optional<AddressRangeMatch> source_range;
  std::optional<AddressRangeMatch> destination_range;
  std::optional<AddressTypeMatch> destination_type;
  std::optional<ProtocolMatch> protocol;
  std::optional<FragmentMatch> fragment;
  std::optional<InterfaceMatch> in_interface;
  std::optional<InterfaceMatch> out_interface;
  std::optional<PortMatch> source_port;
  std::optional<PortMatch> destination_port;
  std::vector<MultiportMatch> multiports;
  std::optional<TcpFlagsMatch> tcp_flags;
  std::optional<IcmpMatch> icmp;
  std::optional<MacMatch> mac_source;
  std::optional<VlanMatch> vlan;
  std::optional<DscpMatch> dscp;
  std::optional<MarkMatch> mark;
  std::vector<SetMatch> sets;

  // Of rules with -j RMIRROR only: which of the packets that match are copied.
  // The datapath decides, so for the evaluation of the policy all of them are.
  std::optional<LimitMatch> limit;
  std::optional<StatisticMatch> statistic;

  // Whether only IP packets can match.
  bool MatchesLayer3() const {
    return !ipv4 || !ipv6 || source || destination || source_range ||
           destination_range || destination_type || protocol || dscp;
  }

  // Whether a match needs the transport header, which later fragments lack.
  bool MatchesTransport() const {
    return source_port || destination_port || !multiports.empty() ||
           tcp_flags || icmp;
  }
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_MATCHES_H
