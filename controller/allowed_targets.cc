// SPDX-License-Identifier: Apache-2.0

#include "controller/allowed_targets.h"

#include <algorithm>
#include <optional>

#include "controller/match_reader.h"

namespace ovs_rmirror {

namespace {

// Reads "192.0.2.0/24", or an address alone.
std::optional<Network> ParsePrefix(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<Address> address = ParseAddress(text.substr(0, slash));
  if (!address) {
    return std::nullopt;
  }
  const int width = AddressWidth(address->family);
  auto length = std::optional<uint64_t>(width);
  if (slash != std::string_view::npos) {
    length = ParseNumber(text.substr(slash + 1), static_cast<uint64_t>(width));
  }
  if (!length) {
    return std::nullopt;
  }
  const Uint128 mask = PrefixMask(address->family, static_cast<int>(*length));
  return Network{address->family, {address->bits, mask}};
}

}  // namespace

std::string ParseAllowedTargets(std::string_view text,
                                std::vector<Network>* networks) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    std::optional<Network> network = ParsePrefix(word);
    if (!network) {
      return "'" + std::string(word) +
             "' is no network, like 192.0.2.0/24 or 2001:db8::/32";
    }
    const Uint128 base = network->bits.value & network->bits.mask;
    if (base != network->bits.value) {
      network->bits.value = base;
      return "'" + std::string(word) + "' has bits behind its prefix: write " +
             FormatNetwork(*network) + ", or the address alone";
    }
    networks->push_back(*network);
    begin = end + 1;
  }
  return "";
}

void RefuseOtherTargets(const Policy& policy,
                        const std::vector<Network>& allowed,
                        Diagnostics* diagnostics) {
  std::string names;
  for (const Network& network : allowed) {
    names += (names.empty() ? "" : ", ") + FormatNetworkBriefly(network);
  }
  for (const Rule& rule : policy.rules) {
    const Mirror* mirror = rule.mirror();
    if (!mirror || allowed.empty() ||
        std::any_of(allowed.begin(), allowed.end(), [&](const Network& n) {
          return n.Contains(mirror->session.target);
        })) {
      continue;
    }
    diagnostics->Error(rule.target_where,
                       "the target " + FormatAddress(mirror->session.target) +
                           " is not allowed here",
                       "--allow-targets allows " + names);
  }
}

}  // namespace ovs_rmirror
