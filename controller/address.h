// SPDX-License-Identifier: Apache-2.0
//
// IP and Ethernet addresses as numbers in host byte order, and their texts.

#ifndef CONTROLLER_ADDRESS_H
#define CONTROLLER_ADDRESS_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controller/masked.h"

namespace ovs_rmirror {

enum class Family : uint8_t { kIpv4, kIpv6 };

// 32 or 128: the bits of an address of `family`.
int AddressWidth(Family family);

// An IP address.  An IPv4 address is in the lower 32 bits of `bits`.
struct Address {
  Family family = Family::kIpv4;
  Uint128 bits = 0;

  bool operator==(const Address&) const = default;
};

// An IP address and a mask, which need not be a prefix.
struct Network {
  Family family = Family::kIpv4;
  Masked<Uint128> bits;

  bool Contains(const Address& a) const {
    return a.family == family && bits.Matches(a.bits);
  }
  bool operator==(const Network&) const = default;
};

// Reads "192.0.2.1" or "2001:db8::1".  Nothing else is an address: no host
// name, no shortened IPv4 form.
std::optional<Address> ParseAddress(std::string_view text);
std::string FormatAddress(const Address& address);

// Returns the mask with the first `length` bits set: 0 <= length <= width.
Uint128 PrefixMask(Family family, int length);

// Returns the number of leading one bits if `mask` is a prefix.
std::optional<int> PrefixLength(Family family, Uint128 mask);

// "10.0.0.0/8", "10.0.0.1/32", "10.0.0.1/255.0.0.255".
std::string FormatNetwork(const Network& network);

// The same, where an address alone stands for itself: "10.0.0.1".
std::string FormatNetworkBriefly(const Network& network);

// Reads six hexadecimal bytes, "02:00:00:00:00:05" or "2:0:0:0:0:5".
std::optional<uint64_t> ParseMac(std::string_view text);
std::string FormatMac(uint64_t mac);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_ADDRESS_H
