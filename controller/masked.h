// SPDX-License-Identifier: Apache-2.0
//
// Masked values: what an OpenFlow match can say about a field in one flow, and
// the arithmetic that turns "not this" and "from here to there" into a set of
// them.

#ifndef CONTROLLER_MASKED_H
#define CONTROLLER_MASKED_H

#include <compare>
#include <cstdint>
#include <vector>

namespace ovs_rmirror {

__extension__ typedef unsigned __int128 Uint128;

// The set of all values v of a field with (v & mask) == value.  The field is an
// unsigned integer in host byte order; bits of `value` outside `mask` are 0.
template <typename T>
struct Masked {
  T value{};
  T mask{};

  bool Matches(T v) const { return (v & mask) == value; }
  auto operator<=>(const Masked&) const = default;
};

// Returns the values that are in both `a` and `b` through `*result`, or false
// if there are none.
template <typename T>
bool Intersect(const Masked<T>& a, const Masked<T>& b, Masked<T>* result) {
  if ((a.value ^ b.value) & a.mask & b.mask) {
    return false;
  }
  *result = {static_cast<T>(a.value | b.value),
             static_cast<T>(a.mask | b.mask)};
  return true;
}

// Returns disjoint masked values that together hold exactly the values of a
// field of `width` bits that `m` does not hold: one for each bit of m.mask, so
// at most `width`, and none if `m` holds every value.
template <typename T>
std::vector<Masked<T>> Complement(const Masked<T>& m, int width) {
  std::vector<Masked<T>> result;
  T agreed = 0;  // Bits above the current one, in which all results equal m.
  for (int i = width - 1; i >= 0; i--) {
    const T bit = static_cast<T>(T{1} << i);
    if (m.mask & bit) {
      const T mask = static_cast<T>(agreed | bit);
      result.push_back({static_cast<T>((m.value ^ bit) & mask), mask});
      agreed = mask;
    }
  }
  return result;
}

// The values first..last of a field.
template <typename T>
struct Range {
  T first{};
  T last{};

  bool Contains(T v) const { return first <= v && v <= last; }
  bool operator==(const Range&) const = default;
};

// Returns the same values as `ranges`, which may overlap and touch each other,
// in rising order and in as few ranges as possible.
std::vector<Range<Uint128>> Merge(std::vector<Range<Uint128>> ranges);
std::vector<Range<uint16_t>> Merge(std::vector<Range<uint16_t>> ranges);

// Returns the values of a field of `width` bits that are not in `ranges`, in
// rising order.
std::vector<Range<Uint128>> Complement(
    const std::vector<Range<Uint128>>& ranges, int width);
std::vector<Range<uint16_t>> Complement(
    const std::vector<Range<uint16_t>>& ranges);

// Returns the fewest disjoint prefixes that together hold exactly the values of
// `range` of a field of `width` bits, at most 2 * width - 2.
std::vector<Masked<Uint128>> Cover(const Range<Uint128>& range, int width);

// Returns the fewest disjoint prefixes that together hold exactly the 16-bit
// values first..last, at most 30.  Requires first <= last.
std::vector<Masked<uint16_t>> CoverRange(uint16_t first, uint16_t last);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_MASKED_H
