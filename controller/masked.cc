// SPDX-License-Identifier: Apache-2.0

#include "controller/masked.h"

#include <algorithm>

namespace ovs_rmirror {

namespace {

Uint128 Highest(int width) {
  return width == 128 ? ~Uint128{0} : (Uint128{1} << width) - 1;
}

template <typename T>
std::vector<Range<T>> MergeRanges(std::vector<Range<T>> ranges) {
  std::sort(
      ranges.begin(), ranges.end(),
      [](const Range<T>& a, const Range<T>& b) { return a.first < b.first; });
  std::vector<Range<T>> merged;
  for (const Range<T>& range : ranges) {
    if (merged.empty() || (range.first > merged.back().last &&
                           range.first - merged.back().last > 1)) {
      merged.push_back(range);
    } else {
      merged.back().last = std::max(merged.back().last, range.last);
    }
  }
  return merged;
}

template <typename T>
std::vector<Range<T>> ComplementRanges(const std::vector<Range<T>>& ranges,
                                       T highest) {
  std::vector<Range<T>> result;
  T next = 0;  // The lowest value that no range so far holds.
  for (const Range<T>& range : MergeRanges(ranges)) {
    if (range.first > next) {
      result.push_back({next, static_cast<T>(range.first - 1)});
    }
    if (range.last == highest) {
      return result;
    }
    next = static_cast<T>(range.last + 1);
  }
  result.push_back({next, highest});
  return result;
}

}  // namespace

std::vector<Range<Uint128>> Merge(std::vector<Range<Uint128>> ranges) {
  return MergeRanges(std::move(ranges));
}

std::vector<Range<uint16_t>> Merge(std::vector<Range<uint16_t>> ranges) {
  return MergeRanges(std::move(ranges));
}

std::vector<Range<Uint128>> Complement(
    const std::vector<Range<Uint128>>& ranges, int width) {
  return ComplementRanges(ranges, Highest(width));
}

std::vector<Range<uint16_t>> Complement(
    const std::vector<Range<uint16_t>>& ranges) {
  return ComplementRanges(ranges, uint16_t{65535});
}

std::vector<Masked<Uint128>> Cover(const Range<Uint128>& range, int width) {
  const Uint128 highest = Highest(width);
  std::vector<Masked<Uint128>> result;
  Uint128 next = range.first;
  for (;;) {
    // The largest block that starts at `next`: aligned, and not beyond the end.
    // `host` has the bits in which the values of the block differ.
    Uint128 host = 0;
    while (host != highest) {
      const Uint128 more = host << 1 | 1;
      if ((next & more) || range.last - next < more) {
        break;
      }
      host = more;
    }
    result.push_back({next, highest & ~host});
    if (range.last - next == host) {
      return result;
    }
    next += host + 1;
  }
}

std::vector<Masked<uint16_t>> CoverRange(uint16_t first, uint16_t last) {
  std::vector<Masked<uint16_t>> result;
  for (const Masked<Uint128>& m : Cover({first, last}, 16)) {
    result.push_back(
        {static_cast<uint16_t>(m.value), static_cast<uint16_t>(m.mask)});
  }
  return result;
}

}  // namespace ovs_rmirror
