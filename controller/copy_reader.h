// SPDX-License-Identifier: Apache-2.0
//
// Takes copies out of the packets that carry them: Ethernet in GRE (RFC 2784,
// RFC 2890) in IPv4 or IPv6, in one piece or in fragments.

#ifndef CONTROLLER_COPY_READER_H
#define CONTROLLER_COPY_READER_H

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "controller/address.h"
#include "controller/rules.h"

namespace ovs_rmirror {

// A copy on its way to a collector.
struct CarriedCopy {
  Address source;   // Of the outer header.
  Session session;  // As the outer header says it; `tos` is always there.
  std::string frame;
};

// Reads packets one after the other.
class CopyReader {
 public:
  // Returns the copy in `packet`, or the one that `packet` is the last missing
  // fragment of.  Without `ethernet`, `packet` begins with its IP header.
  std::optional<CarriedCopy> Read(std::string_view packet, bool ethernet);

  // The packets of which fragments are missing, until now, that were given up.
  uint64_t incomplete() const { return incomplete_; }

 private:
  struct Fragments {
    std::string key;
    std::map<size_t, std::string> pieces;  // By offset.
    size_t bytes = 0;                      // In all of them.
    std::optional<size_t> size;            // Once the last one is there.
  };

  std::optional<std::string> Reassemble(const std::string& key, size_t offset,
                                        bool more, std::string_view piece);

  std::list<Fragments> partial_;  // The oldest first.
  uint64_t incomplete_ = 0;
};

// How many bytes the frame had of which `frame` is the beginning, as the length
// in its IP header says; for what is no IP, or ends before that, the bytes that
// there are.
size_t OriginalLength(std::string_view frame);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_COPY_READER_H
