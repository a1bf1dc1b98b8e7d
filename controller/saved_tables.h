// SPDX-License-Identifier: Apache-2.0
//
// The tables of a host as iptables-save and ip6tables-save print them.  Rules
// are read as far as they say which packets get to which rule; the rest of them
// is not looked at.

#ifndef CONTROLLER_SAVED_TABLES_H
#define CONTROLLER_SAVED_TABLES_H

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/ipset.h"
#include "controller/matches.h"

namespace ovs_rmirror {

// What a target changes of a packet for the rules that it meets later.
enum class PacketChange { kNone, kMark, kDscp, kAddresses };

// -j RMIRROR.
struct SavedMirror {
  std::string options;  // " --target 192.0.2.9 --len 96"
};

// ACCEPT ends a table, DROP all tables, and RETURN a chain.  Other targets
// count as what they do to the evaluation: REJECT is a kDrop, DNAT a kAccept.
enum class SavedVerdict { kAccept, kDrop, kReturn };

struct SavedJump {
  std::string chain;
  bool is_goto = false;
};

// LOG, MARK and what else lets a packet go on to the next rule.
struct SavedContinue {};

// A part of a rule that the language of policies cannot say.  The rule is for
// fewer packets than the rest of it says.
struct Untranslated {
  Location where;
  std::string what;     // Why not.
  std::string instead;  // What would be possible.
};

struct SavedRule {
  Location where;  // Of "-A".

  // " -p tcp -m tcp --dport 80": what there is in the language of policies,
  // without interfaces, family and comment.
  std::string matches;
  std::optional<InterfaceMatch> in_interface, out_interface;
  std::string comment;  // " -m comment --comment ...", or empty.
  std::vector<Untranslated> untranslated;

  std::variant<SavedMirror, SavedVerdict, SavedJump, SavedContinue> target =
      SavedContinue();
  std::string target_name;  // As written.
  PacketChange changes = PacketChange::kNone;

  const SavedMirror* mirror() const {
    return std::get_if<SavedMirror>(&target);
  }
  const SavedVerdict* verdict() const {
    return std::get_if<SavedVerdict>(&target);
  }
  const SavedJump* jump() const { return std::get_if<SavedJump>(&target); }
};

struct SavedChain {
  Location where;         // Of the line that declares it, if there is one.
  bool built_in = false;  // Packets enter it by themselves.
  bool policy_drops = false;
  std::vector<SavedRule> rules;
};

// Chains by name.  Every jump leads to one of them that is not built in.
using SavedTable = std::map<std::string, SavedChain>;

// Tables by name: raw, mangle, nat, filter, security.
using SavedTables = std::map<std::string, SavedTable>;

// The tables of each family; without errors, no jump leads back to where it
// came from.  If the text has no line that says which program
// wrote it, `family` does, or else the addresses in it.  Adds an error to
// `diagnostics` for what iptables-save cannot have written, and for mirrors
// that this language does not have.  Matches may refer to `sets`.
std::map<Family, SavedTables> ReadSavedTables(const SourceText& source,
                                              std::optional<Family> family,
                                              const IpSets& sets,
                                              Diagnostics* diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_SAVED_TABLES_H
