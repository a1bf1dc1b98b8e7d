// SPDX-License-Identifier: Apache-2.0

#include "controller/masked.h"

namespace ovs_rmirror {

std::vector<Masked<uint16_t>> CoverRange(uint16_t first, uint16_t last) {
  std::vector<Masked<uint16_t>> result;
  uint32_t next = first;
  while (next <= last) {
    // The largest block that starts at `next`: aligned, and not beyond `last`.
    uint32_t size = 1;
    while (size <= 0x8000 && next % (size * 2) == 0 &&
           next + size * 2 - 1 <= last) {
      size *= 2;
    }
    result.push_back(
        {static_cast<uint16_t>(next), static_cast<uint16_t>(0x10000 - size)});
    next += size;
  }
  return result;
}

}  // namespace ovs_rmirror
