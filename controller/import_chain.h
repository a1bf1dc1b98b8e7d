// SPDX-License-Identifier: Apache-2.0
//
// A packet's way through the tables of a host, as a chain of a policy.

#ifndef CONTROLLER_IMPORT_CHAIN_H
#define CONTROLLER_IMPORT_CHAIN_H

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "controller/address.h"
#include "controller/diagnostic.h"
#include "controller/saved_tables.h"

namespace ovs_rmirror {

// The built-in chains of iptables, in the order in which it lists them.
inline constexpr std::array<std::string_view, 5> kHooks = {
    "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

// The built-in chain of a table.
struct Segment {
  const char* table;
  const char* hook;  // The chain.
  bool mirrors;      // Whether its mirrors count, or only what it drops.
};

// The built-in chain `hook` of each table that may have it, in the order in
// which packets meet them.
std::vector<Segment> Segments(const char* hook, bool mirrors);
std::vector<Segment> operator+(std::vector<Segment> a,
                               const std::vector<Segment>& b);

// A rule of the policy.
struct Line {
  std::string text;                   // What stands behind "-A CHAIN".
  std::string chain;                  // That it jumps to, if it does.
  const SavedRule* source = nullptr;  // What it was made of, if it was.
  bool final = false;                 // No packet gets behind it.
};
using Lines = std::vector<Line>;

// What ACCEPT, DROP and the end of a chain of the policy mean.
enum class ChainEnd {
  kNothing,   // No packet is mirrored behind this chain.
  kGoesOn,    // Those that are not dropped may be.
  kMustDrop,  // They would be, and must not.
};

// What is said about the rules, each thing once.
class Remarks {
 public:
  void Add(Severity severity, const Location& where, const std::string& what,
           const std::string& instead = "") {
    if (!said_.insert({where.line, where.offset, what}).second) {
      return;
    }
    all_.push_back({severity, where, what, instead});
  }

  void AddTo(Diagnostics* diagnostics) const {
    for (const Diagnostic& d : all_) {
      switch (d.severity) {
        case Severity::kError:
          diagnostics->Error(d.where, d.what, d.instead);
          break;
        case Severity::kWarning:
          diagnostics->Warning(d.where, d.what, d.instead);
          break;
        case Severity::kNote:
          diagnostics->Note(d.where, d.what, d.instead);
          break;
      }
    }
  }

 private:
  std::vector<Diagnostic> all_;
  std::set<std::tuple<int, size_t, std::string>> said_;
};

// The policy as it grows.
struct Draft {
  std::map<std::string, Lines> built_in;
  std::map<std::string, Lines> chains;  // Of the user.
  Remarks remarks;
};

// Returns the lines of a chain that takes a packet of `family` through
// `segments` of `tables`, and adds the chains to which it jumps to `*draft`,
// and what there is to say.  Where a match decides what is mirrored and cannot
// be said, more is mirrored if `widen`, and it is an error otherwise.
Lines ImportChain(Family family, const SavedTables& tables,
                  const std::vector<Segment>& segments, ChainEnd end,
                  bool widen, Draft* draft);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_IMPORT_CHAIN_H
