// SPDX-License-Identifier: Apache-2.0
//
// The matches of IP addresses.

#include <algorithm>

#include "controller/match_reader.h"

namespace ovs_rmirror {

namespace {

// Reads an address, or as iptables does an IPv4 address without its last bytes,
// which are 0 then: "10.1" is 10.1.0.0.
std::optional<Address> ParsePaddedAddress(std::string_view text) {
  if (const std::optional<Address> whole = ParseAddress(text)) {
    return whole;
  }
  std::string padded(text);
  for (auto dots = std::count(text.begin(), text.end(), '.'); dots < 3;
       dots++) {
    padded += ".0";
  }
  const std::optional<Address> address = ParseAddress(padded);
  return address && address->family == Family::kIpv4 ? address : std::nullopt;
}

}  // namespace

void MatchReader::TakeAddresses(const ParsedOption& option,
                                std::optional<AddressMatch>* match) {
  const Token& value = *option.value;
  AddressMatch addresses;
  addresses.negated = option.negation.has_value();
  size_t begin = 0;
  for (;;) {
    const size_t comma = value.text.find(',', begin);
    const size_t size =
        (comma == std::string::npos ? value.text.size() : comma) - begin;
    if (const std::optional<Network> network = ReadNetwork(value, begin, size);
        network &&
        std::find(addresses.networks.begin(), addresses.networks.end(),
                  *network) == addresses.networks.end()) {
      addresses.networks.push_back(*network);
    }
    if (comma == std::string::npos) {
      break;
    }
    begin = comma + 1;
  }
  if (addresses.negated && addresses.networks.size() > 1) {
    Error(option.negation->where,
          "'!' is not possible before several addresses",
          "write a RETURN rule for them before this one");
  }
  for (const Network& network : addresses.networks) {
    if (addresses.negated && network.bits.mask == 0) {
      diagnostics_->Warning(value.where,
                            "this rule can never match: no " +
                                std::string("address is outside ") +
                                FormatNetwork(network));
    }
  }
  *match = std::move(addresses);
}

// Reads ADDRESS, ADDRESS/LENGTH or ADDRESS/MASK.  Host bits are cleared, as
// iptables does.
std::optional<Network> MatchReader::ReadNetwork(const Token& token,
                                                size_t begin, size_t size) {
  const std::string_view text =
      std::string_view(token.text).substr(begin, size);
  const size_t slash = text.find('/');
  const std::string_view base = text.substr(0, slash);
  const std::optional<Address> address = ParsePaddedAddress(base);
  if (!address) {
    Error(PartOf(token, begin, base.size()),
          "'" + std::string(base) + "' is no IP address",
          "write it like 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32; host names "
          "are not looked up");
    return std::nullopt;
  }

  const Family family = address->family;
  Uint128 mask = PrefixMask(family, AddressWidth(family));
  if (slash != std::string_view::npos) {
    const std::string_view written = text.substr(slash + 1);
    const std::optional<uint64_t> length =
        ParseNumber(written, static_cast<uint64_t>(AddressWidth(family)));
    const std::optional<Address> dotted = ParseAddress(written);
    if (length) {
      mask = PrefixMask(family, static_cast<int>(*length));
    } else if (dotted && dotted->family == family) {
      mask = dotted->bits;
    } else {
      Error(PartOf(token, begin + slash + 1, written.size()),
            "'" + std::string(written) + "' is no mask of an " +
                (family == Family::kIpv4 ? "IPv4" : "IPv6") + " address",
            family == Family::kIpv4
                ? "write a length from 0 to 32 or a mask like 255.255.0.0"
                : "write a length from 0 to 128 or a mask like ffff::");
      return std::nullopt;
    }
  } else if (!ParseAddress(base)) {
    const std::string whole = FormatAddress(*address);
    diagnostics_->Warning(
        PartOf(token, begin, base.size()),
        "'" + std::string(base) + "' is the one address " + whole +
            ", as in iptables",
        "write " + whole + ", or a length for a network: " + whole + "/" +
            std::to_string(8 *
                           (1 + std::count(base.begin(), base.end(), '.'))));
  }
  return Network{family, {address->bits & mask, mask}};
}

// Reads FIRST-LAST, or one address.
void MatchReader::TakeRange(const ParsedOption& option,
                            std::optional<AddressRangeMatch>* match) {
  NeedModule(option, "iprange");
  const Token& value = *option.value;
  const size_t dash = value.text.find('-');
  const std::optional<Address> first =
      ParsePaddedAddress(value.text.substr(0, dash));
  const std::optional<Address> last =
      dash == std::string::npos
          ? first
          : ParsePaddedAddress(value.text.substr(dash + 1));
  if (!first || !last || first->family != last->family) {
    Error(value.where, Quoted(value) + " is no range of addresses",
          "write it like 192.0.2.1-192.0.2.9 or 2001:db8::1-2001:db8::9");
  } else if (first->bits > last->bits) {
    Error(value.where, "this range of addresses is empty",
          "write the lower address first: " + FormatAddress(*last) + "-" +
              FormatAddress(*first));
  } else {
    *match = {
        option.negation.has_value(), first->family, {first->bits, last->bits}};
  }
}

}  // namespace ovs_rmirror
