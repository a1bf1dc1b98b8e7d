// SPDX-License-Identifier: Apache-2.0
//
// The copy of the last good policy of a bridge, on disk.

#ifndef CONTROLLER_LAST_GOOD_H
#define CONTROLLER_LAST_GOOD_H

#include <optional>
#include <string>
#include <string_view>

#include "controller/policy_file.h"

namespace ovs_rmirror {

class LastGood {
 public:
  // The copy of `bridge` is a file of its own in `folder`, which is made when
  // it is needed.
  LastGood(std::string folder, const std::string& bridge);

  // The copy's file.
  std::string name() const { return folder_ + "/" + file_; }

  // Makes `text` the copy: whatever happens meanwhile, the file is either the
  // old one or the new one, also after a power failure.  Only its owner can
  // read it.  Returns an empty string, or why there is no new copy.
  std::string Write(const PolicyText& text) const;

  // Stores the copy in `*text`.  Returns an empty string, or why that is not
  // possible.
  std::string Read(PolicyText* text) const;

 private:
  const std::string folder_;
  const std::string file_;
};

// The content of a copy, which holds names and texts as they are, whatever
// bytes they have.
std::string FormatPolicyText(const PolicyText& text);

// The reverse.  Returns nothing if `content` is not complete.
std::optional<PolicyText> ParsePolicyText(std::string_view content);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_LAST_GOOD_H
