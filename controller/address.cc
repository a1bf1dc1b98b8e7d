// SPDX-License-Identifier: Apache-2.0

#include "controller/address.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstdio>
#include <system_error>

namespace ovs_rmirror {

namespace {

std::string FormatBits(Family family, Uint128 bits) {
  char text[INET6_ADDRSTRLEN];
  if (family == Family::kIpv4) {
    // As inet_ntop() would, which takes several times as long.
    char* end = text;
    for (int shift = 24; shift >= 0; shift -= 8) {
      const auto byte = static_cast<unsigned char>(bits >> shift);
      end = std::to_chars(end, text + sizeof text, byte).ptr;
      *end++ = '.';
    }
    return {text, end - 1};
  }
  unsigned char bytes[16];
  for (int i = 15; i >= 0; i--) {
    bytes[i] = static_cast<unsigned char>(bits);
    bits >>= 8;
  }
  inet_ntop(AF_INET6, bytes, text, sizeof text);
  return text;
}

}  // namespace

int AddressWidth(Family family) { return family == Family::kIpv4 ? 32 : 128; }

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string s(text);
  unsigned char bytes[16];
  Address address;
  if (inet_pton(AF_INET, s.c_str(), bytes) == 1) {
    address.family = Family::kIpv4;
  } else if (inet_pton(AF_INET6, s.c_str(), bytes) == 1) {
    address.family = Family::kIpv6;
  } else {
    return std::nullopt;
  }
  for (int i = 0; i < AddressWidth(address.family) / 8; i++) {
    address.bits = address.bits << 8 | bytes[i];
  }
  return address;
}

std::string FormatAddress(const Address& address) {
  return FormatBits(address.family, address.bits);
}

Uint128 PrefixMask(Family family, int length) {
  const int width = AddressWidth(family);
  const Uint128 all = width == 128 ? ~Uint128{0} : (Uint128{1} << width) - 1;
  return length == 0 ? 0 : all & ~((Uint128{1} << (width - length)) - 1);
}

std::optional<int> PrefixLength(Family family, Uint128 mask) {
  for (int length = 0; length <= AddressWidth(family); length++) {
    if (PrefixMask(family, length) == mask) {
      return length;
    }
  }
  return std::nullopt;
}

std::string FormatNetwork(const Network& network) {
  const std::optional<int> length =
      PrefixLength(network.family, network.bits.mask);
  return FormatBits(network.family, network.bits.value) + "/" +
         (length ? std::to_string(*length)
                 : FormatBits(network.family, network.bits.mask));
}

std::string FormatNetworkBriefly(const Network& network) {
  if (PrefixLength(network.family, network.bits.mask) ==
      AddressWidth(network.family)) {
    return FormatBits(network.family, network.bits.value);
  }
  return FormatNetwork(network);
}

std::optional<uint64_t> ParseMac(std::string_view text) {
  const char* next = text.data();
  const char* const end = next + text.size();
  uint64_t mac = 0;
  for (int i = 0; i < 6; i++) {
    if (i > 0 && (next == end || *next++ != ':')) {
      return std::nullopt;
    }
    unsigned byte = 0;
    const auto [after, error] = std::from_chars(next, end, byte, 16);
    if (error != std::errc() || after - next > 2) {
      return std::nullopt;
    }
    mac = mac << 8 | byte;
    next = after;
  }
  return next == end ? std::optional(mac) : std::nullopt;
}

std::string FormatMac(uint64_t mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x",
                static_cast<unsigned>(mac >> 40 & 0xff),
                static_cast<unsigned>(mac >> 32 & 0xff),
                static_cast<unsigned>(mac >> 24 & 0xff),
                static_cast<unsigned>(mac >> 16 & 0xff),
                static_cast<unsigned>(mac >> 8 & 0xff),
                static_cast<unsigned>(mac & 0xff));
  return text;
}

}  // namespace ovs_rmirror
