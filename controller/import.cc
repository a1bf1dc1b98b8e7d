// SPDX-License-Identifier: Apache-2.0

#include "controller/import.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "controller/import_chain.h"
#include "controller/rule_text.h"
#include "controller/rules.h"
#include "controller/saved_tables.h"

namespace ovs_rmirror {

namespace {

// Imports the tables of one family.
class FamilyImport {
 public:
  FamilyImport(Family family, const SavedTables& tables, bool widen,
               Draft* draft)
      : family_(family), tables_(tables), widen_(widen), draft_(draft) {}

  void Run();

 private:
  Lines Translate(const std::vector<Segment>& segments, ChainEnd end,
                  Draft* draft) const {
    return ImportChain(family_, tables_, segments, end, widen_, draft);
  }
  bool OutputNeedsPorts() const;
  void Append(const char* chain, const Lines& lines) {
    Lines& all = draft_->built_in[chain];
    all.insert(all.end(), lines.begin(), lines.end());
  }

  const Family family_;
  const SavedTables& tables_;
  const bool widen_;
  Draft* const draft_;
};

// The lines to which a packet gets from `lines`, these included.
void Reach(const Lines& lines, const std::map<std::string, Lines>& chains,
           std::set<std::string>* seen, std::vector<std::string>* order,
           const std::function<void(const Line&)>& visit) {
  for (const Line& line : lines) {
    visit(line);
    if (!line.chain.empty() && seen->insert(line.chain).second) {
      order->push_back(line.chain);
      Reach(chains.at(line.chain), chains, seen, order, visit);
    }
  }
}

// Whether a rule for packets of the host itself says by which port they leave.
bool FamilyImport::OutputNeedsPorts() const {
  Draft draft;
  const Lines lines =
      Translate(Segments("OUTPUT", true), ChainEnd::kNothing, &draft);
  bool needs = false;
  std::set<std::string> seen;
  std::vector<std::string> order;
  Reach(lines, draft.chains, &seen, &order, [&](const Line& line) {
    if (line.source && line.source->out_interface) {
      needs |= line.source->out_interface->name != "lo";
    }
  });
  return needs;
}

void FamilyImport::Run() {
  const std::vector<Segment> postrouting = Segments("POSTROUTING", true);
  const std::vector<Segment> before = Segments("PREROUTING", false);
  Draft unused;
  const bool postrouting_live =
      !Translate(postrouting, ChainEnd::kNothing, &unused).empty();

  Append("PREROUTING",
         Translate(Segments("PREROUTING", true), ChainEnd::kNothing, draft_));
  Append("INPUT", Translate(before + Segments("INPUT", true),
                            ChainEnd::kNothing, draft_));

  // A packet of the host meets OUTPUT as it enters the bridge, when it is open
  // by which port it will leave, and POSTROUTING without regard to what OUTPUT
  // said.  Where one of these matters, OUTPUT becomes a part of POSTROUTING,
  // and POSTROUTING, for packets of others, one of FORWARD.
  const bool ports = OutputNeedsPorts();
  const bool drops =
      postrouting_live &&
      !Translate(Segments("OUTPUT", false), ChainEnd::kGoesOn, &unused).empty();
  const std::vector<Segment> forward = before + Segments("FORWARD", true);
  if (!ports) {
    Append("OUTPUT",
           Translate(Segments("OUTPUT", true), ChainEnd::kNothing, draft_));
  }
  if (ports || drops) {
    Append("FORWARD",
           Translate(forward + postrouting, ChainEnd::kMustDrop, draft_));
    Append("POSTROUTING", Translate(Segments("OUTPUT", ports) + postrouting,
                                    ChainEnd::kNothing, draft_));
  } else {
    Append("FORWARD",
           Translate(forward,
                     postrouting_live ? ChainEnd::kGoesOn : ChainEnd::kNothing,
                     draft_));
    Append("POSTROUTING", Translate(postrouting, ChainEnd::kNothing, draft_));
  }
}

// What DNAT and others do is not done before a bridge mirrors.
void WarnOfChanges(const std::map<Family, SavedTables>& families,
                   const std::set<const SavedRule*>& used, Remarks* remarks) {
  const auto any = [&](const char* match) {
    return std::any_of(used.begin(), used.end(), [&](const SavedRule* rule) {
      return rule->matches.find(match) != std::string::npos;
    });
  };
  const auto warn = [&](PacketChange change, bool matters, const char* what) {
    for (const auto& [family, tables] : families) {
      for (const auto& [table_name, table] : tables) {
        for (const auto& [name, chain] : table) {
          for (const SavedRule& rule : chain.rules) {
            if (matters && rule.changes == change) {
              remarks->Add(Severity::kWarning, rule.where,
                           rule.target_name + " " + what);
              return;
            }
          }
        }
      }
    }
  };
  warn(PacketChange::kMark, any(" -m mark"),
       "gave packets marks that later rules match: here, a mark is the one "
       "that a packet has when it comes to the bridge");
  warn(PacketChange::kDscp, any(" -m dscp"),
       "changed what later rules match with -m dscp: here, that is what the "
       "frame has on the bridge");
  warn(PacketChange::kAddresses, !used.empty(),
       "changed addresses or ports that later rules saw: here, they are those "
       "of the frame on the bridge");
}

// Says which rules of the host that mirror are not in the policy.
void NoteUnused(const std::map<Family, SavedTables>& families,
                const std::set<const SavedRule*>& used, Remarks* remarks) {
  size_t mirrors = 0;
  for (const auto& [family, tables] : families) {
    for (const auto& [table_name, table] : tables) {
      for (const auto& [name, chain] : table) {
        for (const SavedRule& rule : chain.rules) {
          mirrors += rule.mirror() != nullptr;
          if (rule.mirror() && !used.contains(&rule)) {
            remarks->Add(Severity::kNote, rule.where,
                         "no packet gets to this rule: it is left out");
          }
        }
      }
    }
  }
  if (mirrors == 0) {
    remarks->Add(Severity::kError, {1, 0, 1},
                 "there is no rule with -j RMIRROR in this file",
                 "give the output of iptables-save of all tables: without -t");
  }
}

// Says what the names of ports were.
void NotePorts(const std::set<const SavedRule*>& used, Remarks* remarks) {
  std::set<std::string> names;
  const SavedRule* first = nullptr;
  for (const SavedRule* rule : used) {
    for (const auto* match : {&rule->in_interface, &rule->out_interface}) {
      if (*match && (*match)->name != "lo") {
        names.insert((*match)->name + ((*match)->prefix ? "+" : ""));
        first = !first || rule->where.line < first->where.line ? rule : first;
      }
    }
  }
  if (first) {
    std::string list;
    for (const std::string& name : names) {
      list += (list.empty() ? "" : ", ") + name;
    }
    remarks->Add(
        Severity::kNote, first->where,
        "interfaces of the host have become ports of the bridge: " + list,
        "put the names that ovs-vsctl list-ports shows");
  }
}

// The policy's text, and the rules of the host that are in it.
std::string WriteDraft(const Draft& draft, std::set<const SavedRule*>* used) {
  std::set<std::string> seen;
  std::vector<std::string> order;
  std::string rules;
  const auto write = [&](const std::string& chain, const Lines& lines) {
    for (const Line& line : lines) {
      rules += "-A " + chain + line.text + "\n";
    }
  };
  for (const std::string_view hook : kHooks) {
    const auto it = draft.built_in.find(std::string(hook));
    if (it == draft.built_in.end()) {
      continue;
    }
    write(it->first, it->second);
    Reach(it->second, draft.chains, &seen, &order, [&](const Line& line) {
      if (line.source) {
        used->insert(line.source);
      }
    });
  }
  std::string declarations;
  for (const std::string& chain : order) {
    declarations += ":" + chain + " - [0:0]\n";
    write(chain, draft.chains.at(chain));
  }
  return "*rmirror\n" + declarations + rules + "COMMIT\n";
}

// `text` as lines of comments.
std::string Commented(const std::string& text) {
  const SourceText source("", text);
  std::string s;
  for (const std::string_view line : source.lines()) {
    s += line.empty() ? "#\n" : "# " + std::string(line) + "\n";
  }
  return s;
}

}  // namespace

std::string ImportPolicy(const SourceText& source, const IpSets& sets,
                         const ImportOptions& options,
                         Diagnostics* diagnostics) {
  const std::map<Family, SavedTables> families =
      ReadSavedTables(source, options.family, sets, diagnostics);
  if (diagnostics->HasErrors()) {
    return "";
  }
  Draft draft;
  for (const auto& [family, tables] : families) {
    FamilyImport(family, tables, options.widen, &draft).Run();
  }
  std::set<const SavedRule*> used;
  const SourceText text("policy", WriteDraft(draft, &used));
  NoteUnused(families, used, &draft.remarks);
  WarnOfChanges(families, used, &draft.remarks);
  NotePorts(used, &draft.remarks);
  draft.remarks.AddTo(diagnostics);
  if (diagnostics->HasErrors()) {
    return "";
  }

  Diagnostics problems;
  const Policy policy = ReadPolicy(text, sets, &problems);
  if (problems.HasErrors()) {
    const Diagnostic why = problems.Sorted().front();
    diagnostics->Error({1, 0, 1}, "these rules make no policy: " + why.what,
                       why.instead);
    return "";
  }
  return "# Imported from " + source.name() + ".\n" +
         Commented(Format(source, *diagnostics)) + FormatPolicy(policy);
}

}  // namespace ovs_rmirror
