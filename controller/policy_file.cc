// SPDX-License-Identifier: Apache-2.0

#include "controller/policy_file.h"

#include "controller/allowed_targets.h"
#include "controller/diagnostic.h"
#include "controller/ipset.h"
#include "controller/read_file.h"
#include "controller/warnings.h"

namespace ovs_rmirror {

CheckedPolicy CheckPolicy(const PolicyText& text, const PolicyBounds& bounds) {
  CheckedPolicy result;
  IpSets sets;
  bool good = true;
  for (const NamedText& file : text.sets) {
    const SourceText source(file.name, file.text);
    Diagnostics diagnostics;
    ReadIpSets(source, &sets, &diagnostics);
    result.messages += Format(source, diagnostics);
    good = good && !diagnostics.HasErrors();
  }
  if (!good) {
    // Whatever refers to the sets would be called wrong for no reason.
    return result;
  }

  const SourceText source(text.rules.name, text.rules.text);
  Diagnostics diagnostics;
  Policy policy = ReadPolicy(source, sets, &diagnostics);
  RefuseOtherTargets(policy, bounds.allowed_targets, &diagnostics);
  if (!diagnostics.HasErrors()) {
    WarnOfLocalTargets(policy, LocalAddresses(), &diagnostics);
    CompileForAnySwitch(policy, bounds.max_flows, &diagnostics);
  }
  result.messages += Format(source, diagnostics);
  if (!diagnostics.HasErrors()) {
    result.policy = std::move(policy);
  }
  return result;
}

std::string PolicyFile::Read(PolicyText* text) const {
  std::string errors;
  const auto read = [&errors](const std::string& name) {
    NamedText file = {name, ""};
    errors += ReadFile(name, FileKind::kRegular, &file.text);
    return file;
  };
  text->sets.clear();
  for (const std::string& name : sets_) {
    text->sets.push_back(read(name));
  }
  text->rules = read(rules_);
  return errors;
}

}  // namespace ovs_rmirror
