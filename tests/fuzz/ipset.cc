// SPDX-License-Identifier: Apache-2.0
//
// A file of sets, as ipset save writes it.
//
//   - Errors come with a message about a place in the file.
//   - Of each set, the parts are in order, disjoint, and hold what the entries
//     say at their ends.
//   - The set that is made of a set's parts has the same parts.

#include "controller/names.h"
#include "tests/fuzz/text.h"

namespace ovs_rmirror {

namespace {

// Whether the smallest of the entries for these ports that hold `address` is
// one without nomatch; of several that are alike, the last one counts.
bool Holds(const IpSet& set, const IpSetPart& part, Uint128 address) {
  const IpSet::Entry* smallest = nullptr;
  for (const IpSet::Entry& entry : set.entries) {
    const auto size = [](const IpSet::Entry& e) {
      return e.addresses.last - e.addresses.first;
    };
    if (entry.addresses.Contains(address) &&
        (!set.HasPorts() ||
         (entry.protocol == part.protocol && entry.ports == part.ports)) &&
        (!smallest || size(entry) <= size(*smallest))) {
      smallest = &entry;
    }
  }
  return smallest && !smallest->nomatch;
}

bool Holds(const IpSetPart& part, Uint128 address) {
  return std::any_of(part.addresses.begin(), part.addresses.end(),
                     [&](const auto& range) {
                       return range.Contains(address);
                     });
}

void RequireGoodParts(const IpSet& set) {
  const Uint128 highest = PrefixMask(set.family, AddressWidth(set.family));
  for (const IpSetPart& part : set.parts) {
    REQUIRE(part.protocol.has_value() == set.HasPorts());
    REQUIRE(part.ports.first <= part.ports.last);
    for (size_t i = 0; i < part.addresses.size(); i++) {
      const Range<Uint128>& range = part.addresses[i];
      REQUIRE(range.first <= range.last && range.last <= highest);
      REQUIRE(i == 0 || part.addresses[i - 1].last + 1 < range.first);
    }
    for (const IpSet::Entry& entry : set.entries) {
      const auto& [first, last] = entry.addresses;
      for (const Uint128 address :
           {first, last, first == 0 ? first : first - 1,
            last == highest ? last : last + 1}) {
        REQUIRE(Holds(part, address) == Holds(set, part, address));
      }
    }
  }
}

// The set that `set` is without exceptions.
std::string FormatParts(const IpSet& set) {
  const std::string add = "add \"" + set.name + "\" ";
  std::string s = FormatIpSetHead(set) + "\n";
  for (const IpSetPart& part : set.parts) {
    for (const Range<Uint128>& range : part.addresses) {
      s += add + FormatAddress({set.family, range.first}) + "-" +
           FormatAddress({set.family, range.last});
      if (set.HasPorts()) {
        s += "," + ProtocolName(*part.protocol) + ":" +
             std::to_string(part.ports.first) + "-" +
             std::to_string(part.ports.last);
      }
      s += "\n";
    }
  }
  return s;
}

void RequireReadBack(const IpSet& set) {
  const std::string text = FormatParts(set);
  const SourceText source("set", text);
  Diagnostics diagnostics;
  IpSets sets;
  ReadIpSets(source, &sets, &diagnostics);
  REQUIRE_SAME(Format(source, diagnostics).c_str(), "");
  REQUIRE(sets.size() == 1);
  const IpSet& again = *sets.begin()->second;
  REQUIRE(again.name == set.name && again.type == set.type);
  REQUIRE(set.type == IpSet::Type::kMac || again.family == set.family);
  REQUIRE_SAME(FormatParts(again).c_str(), text.c_str());
}

void Test(const std::string& text) {
  const SourceText source("sets", text);
  Diagnostics diagnostics;
  IpSets sets;
  ReadIpSets(source, &sets, &diagnostics);
  RequireMessages(source, diagnostics);
  if (diagnostics.HasErrors()) {
    return;
  }
  for (const auto& [name, set] : sets) {
    REQUIRE(set && set->name == name);
    RequireGoodParts(*set);
    RequireReadBack(*set);
  }
}

}  // namespace

}  // namespace ovs_rmirror

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ovs_rmirror::Test(ovs_rmirror::TextOf(data, size));
  return 0;
}
