// SPDX-License-Identifier: Apache-2.0
//
// The files that a command of ovs-rmirrorctl reads.

#ifndef CONTROLLER_POLICY_SOURCE_H
#define CONTROLLER_POLICY_SOURCE_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "controller/diagnostic.h"
#include "controller/flows.h"
#include "controller/ipset.h"
#include "controller/policy_file.h"

namespace ovs_rmirror {

// Reads file `name`; "-" is the standard input.  Returns null, and says why on
// standard error, if it cannot be read.
std::unique_ptr<SourceText> ReadSource(const std::string& name);

struct SourceOptions {
  std::string file = "-";
  std::vector<std::string> set_files;  // As ipset save writes them.
  PolicyBounds bounds;
};

// A file with rules, and the sets that they may refer to.
class PolicySource {
 public:
  // Returns false, and says why on standard error, if a file cannot be read or
  // a set has an error.
  bool Read(const SourceOptions& options);
  bool ReadSets(const std::vector<std::string>& files);

  const SourceText& text() const { return *text_; }
  const IpSets& sets() const { return sets_; }

 private:
  IpSets sets_;
  std::unique_ptr<SourceText> text_;
};

// Reads "NAME=N" of an option --port into `*ports`.  Returns false if it is no
// such thing.
bool ParsePort(const std::string& text, PortNumbers* ports);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_POLICY_SOURCE_H
