// SPDX-License-Identifier: Apache-2.0
//
// A packet meets the tables of a host one after the other: raw, mangle, nat,
// filter, security.  ACCEPT, or the end of a table, leads to the next one.
// Here the rules of a chain's tables become one chain, in which each ACCEPT
// jumps to what the next tables have become; where none does, their rules just
// follow.
//
// All this is built from the last rule to the first, so that at each it is
// known whether anything can be mirrored behind it.  What makes no difference
// to that is left out.
//
// A rule with a match that policies do not have is uncertain: a packet may meet
// its target, or go on.  The policy must mirror what is mirrored either way, so
// the rule is left out, and verdicts behind it that might take a packet from
// the other way are left out, too.

#include "controller/import_chain.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "controller/rules.h"

namespace ovs_rmirror {

namespace {

// What happens to a packet from some point on.
struct Continuation {
  Lines lines;
  bool drops = false;  // At the end of `lines`.
  bool live = false;   // Whether anything can be mirrored.
  std::string name;    // What a chain with these lines shall be called.
  std::string chain;   // The chain with these lines, if one was made.
};

bool IsChainName(const std::string& name) {
  return std::find(kHooks.begin(), kHooks.end(), name) != kHooks.end() ||
         name == "RMIRROR" || name == "ACCEPT" || name == "DROP" ||
         name == "RETURN";
}

// Adds a chain, or finds one that has the same lines.
std::string AddChain(std::string name, const Lines& lines, Draft* draft) {
  std::replace_if(
      name.begin(), name.end(),
      [](char c) { return std::strchr(" \t\"\\", c) != nullptr; }, '_');
  if (name.empty() || name[0] == '-' || name[0] == '!') {
    name = "_" + name;
  }
  const auto same_lines = [&](const Lines& other) {
    return std::equal(
        lines.begin(), lines.end(), other.begin(), other.end(),
        [](const Line& a, const Line& b) { return a.text == b.text; });
  };
  for (int i = 1;; i++) {
    const std::string suffix = i == 1 ? "" : "-" + std::to_string(i);
    const std::string candidate =
        name.substr(0, kMaxChainName - suffix.size()) + suffix;
    if (IsChainName(candidate)) {
      continue;
    }
    const auto [it, is_new] = draft->chains.insert({candidate, lines});
    if (is_new || same_lines(it->second)) {
      return candidate;
    }
  }
}

// Turns the tables of one family into chains of the policy.
class Translator {
 public:
  Translator(Family family, const SavedTables& tables, bool widen, Draft* draft)
      : family_(family), tables_(tables), widen_(widen), draft_(draft) {}

  // The chain that takes a packet through `segments`.
  Lines Translate(const std::vector<Segment>& segments, ChainEnd end);

 private:
  // Whether a packet may get here although a rule has ended its evaluation,
  // because that rule is uncertain and was left out.
  struct Doubt {
    bool accepted = false;  // It is in the next table: nothing may drop it.
    bool returned =
        false;  // It left the chain: nothing may end its evaluation.
    auto operator<=>(const Doubt&) const = default;
  };

  // Where a chain's end leads.
  struct End {
    SavedVerdict verdict = SavedVerdict::kReturn;
    bool live = false;
  };

  // What a rule says where it is met.
  struct Applied {
    bool never = false;     // It has no packets here.
    bool loopback = false;  // Because they would be those of lo.
    std::string matches;
    std::vector<Untranslated> doubts;
  };

  void TakeSegment(const Segment& segment, const SavedChain& base);
  Applied Apply(const SavedRule& rule) const;
  bool IsUncertain(const SavedRule& rule) const;
  SavedVerdict Normalize(SavedVerdict verdict, const End& end) const;

  bool FollowDoubt(const SavedChain& chain, Doubt doubt, const End& end,
                   std::vector<Doubt>* before);
  Lines TakeChain(const SavedChain& chain, Doubt doubt, const End& end);
  void TakeRule(const SavedRule& rule, const Doubt& doubt, const End& end,
                Lines* rest);
  void TakeMirror(const SavedRule& rule, const Applied& applied, Lines* rest);
  void TakeVerdict(const SavedRule& rule, const Applied& applied,
                   SavedVerdict verdict, const Doubt& doubt, const End& end,
                   Lines* rest);
  void TakeJump(const SavedRule& rule, const Applied& applied,
                const Doubt& doubt, const End& end, Lines* rest);
  bool MakesNoDifference(SavedVerdict verdict, const End& end,
                         const Lines& rest) const;
  static bool IsLeftOut(SavedVerdict verdict, const Doubt& doubt);
  bool EndsAll(const SavedRule& rule, const Doubt& doubt, const End& end) const;
  Line VerdictLine(const std::string& matches, SavedVerdict verdict);
  Line GoOn(const std::string& matches, Continuation* to);
  void Close(Continuation* continuation) const;
  std::string FamilyFlag() const {
    return family_ == Family::kIpv4 ? " -4" : " -6";
  }

  const Family family_;
  const SavedTables& tables_;
  const bool widen_;
  Draft* const draft_;

  ChainEnd chain_end_ = ChainEnd::kNothing;
  Segment segment_{};
  const SavedTable* table_ = nullptr;
  Continuation next_;  // What follows the table.
  std::map<std::tuple<const SavedChain*, Doubt, bool>, Lines> done_;
  std::map<std::pair<const SavedChain*, Doubt>, bool> followed_;
};

Lines Translator::Translate(const std::vector<Segment>& segments,
                            ChainEnd end) {
  chain_end_ = end;
  next_ = {};
  next_.live = end == ChainEnd::kGoesOn;
  for (auto it = segments.rbegin(); it != segments.rend(); ++it) {
    const auto table = tables_.find(it->table);
    if (table == tables_.end()) {
      continue;
    }
    const auto base = table->second.find(it->hook);
    if (base != table->second.end() && base->second.built_in) {
      table_ = &table->second;
      TakeSegment(*it, base->second);
    }
  }
  // At its end, a chain of the policy accepts.
  if (end == ChainEnd::kMustDrop || (end == ChainEnd::kGoesOn && next_.drops)) {
    Close(&next_);
  }
  return next_.lines;
}

// Puts the rules of `base` before what follows them.
void Translator::TakeSegment(const Segment& segment, const SavedChain& base) {
  segment_ = segment;
  done_.clear();
  followed_.clear();
  Doubt doubt;
  // Of a connection, nat sees the first packet only.
  doubt.returned = std::string_view(segment.table) == "nat";

  End end{base.policy_drops ? SavedVerdict::kDrop : SavedVerdict::kAccept,
          !base.policy_drops && next_.live};
  std::vector<Doubt> before;
  const bool accepted = FollowDoubt(base, doubt, end, &before);
  if (base.policy_drops && next_.live && (accepted || doubt.returned)) {
    draft_->remarks.Add(Severity::kWarning, base.where,
                        std::string("the policy DROP of ") + segment.hook +
                            " is left out: packets may get here that rules "
                            "before would have accepted; more is mirrored");
    end = {SavedVerdict::kAccept, next_.live};
  }

  Continuation here;
  here.name = std::string(segment.hook) + "-" + segment.table;
  here.lines = TakeChain(base, doubt, end);
  if (end.verdict == SavedVerdict::kDrop) {
    here.drops = true;
    here.live = !here.lines.empty();
  } else if (here.lines.empty()) {
    return;  // As if the table were not there.
  } else {
    here.live = true;
    here.drops = next_.drops;
    if (next_.chain.empty()) {
      here.lines.insert(here.lines.end(), next_.lines.begin(),
                        next_.lines.end());
    } else {
      here.lines.push_back(GoOn(FamilyFlag(), &next_));
    }
  }
  next_ = std::move(here);
}

// Lets no packet fall out of the end of `continuation`.
void Translator::Close(Continuation* continuation) const {
  if (continuation->lines.empty() || !continuation->lines.back().final) {
    const bool drop = continuation->drops || chain_end_ == ChainEnd::kMustDrop;
    continuation->lines.push_back(
        {FamilyFlag() + (drop ? " -j DROP" : " -j ACCEPT"), "", nullptr, true});
  }
}

// A rule whose packets go on at `to`.
Line Translator::GoOn(const std::string& matches, Continuation* to) {
  Line line;
  line.final = matches == FamilyFlag();
  if (to->lines.empty()) {
    const bool drop = to->drops || chain_end_ == ChainEnd::kMustDrop;
    line.text = matches + (drop ? " -j DROP" : " -j ACCEPT");
    return line;
  }
  if (to->chain.empty()) {
    Continuation closed = *to;
    Close(&closed);
    to->chain = AddChain(to->name, closed.lines, draft_);
  }
  line.chain = to->chain;
  line.text = matches + " -j " + to->chain;
  return line;
}

Line Translator::VerdictLine(const std::string& matches, SavedVerdict verdict) {
  if (verdict == SavedVerdict::kAccept) {
    return GoOn(matches, &next_);
  }
  return {
      matches + (verdict == SavedVerdict::kDrop ? " -j DROP" : " -j RETURN"),
      "", nullptr, matches == FamilyFlag()};
}

// What `rule` says in the chain that is being made.
Translator::Applied Translator::Apply(const SavedRule& rule) const {
  const std::string_view hook = segment_.hook;
  const bool has_in = hook != "OUTPUT" && hook != "POSTROUTING";
  const bool has_out = hook != "PREROUTING" && hook != "INPUT";
  Applied applied;
  applied.matches = FamilyFlag();
  applied.doubts = rule.untranslated;
  const auto take = [&](const std::optional<InterfaceMatch>& match,
                        const char* option, bool known) {
    if (!match) {
      return;
    }
    if (match->IsNever()) {
      applied.never = true;
    } else if (!known && hook == "POSTROUTING") {
      applied.doubts.push_back(
          {rule.where, "POSTROUTING does not know by which port a packet came",
           ""});
    } else if (!known || (match->name == "lo" && !match->prefix)) {
      // No packet has such a port.
      applied.never |= !match->negated;
      applied.loopback |= known && !match->negated;
    } else {
      applied.matches += std::string(match->negated ? " !" : "") + option +
                         match->name + (match->prefix ? "+" : "");
    }
  };
  take(rule.in_interface, " -i ", has_in);
  take(rule.out_interface, " -o ", has_out);
  applied.matches += rule.matches;
  if (rule.mirror() && std::string_view(segment_.table) == "nat") {
    applied.doubts.push_back(
        {rule.where, "of a connection, table nat sees only the first packet",
         ""});
  }
  return applied;
}

bool Translator::IsUncertain(const SavedRule& rule) const {
  return !Apply(rule).doubts.empty();
}

// In a built-in chain, RETURN is the chain's policy.
SavedVerdict Translator::Normalize(SavedVerdict verdict, const End& end) const {
  return verdict == SavedVerdict::kReturn ? end.verdict : verdict;
}

// Finds what is in doubt before each rule of `chain`.  Returns whether packets
// that come out of it may have been accepted.
bool Translator::FollowDoubt(const SavedChain& chain, Doubt doubt,
                             const End& end, std::vector<Doubt>* before) {
  const auto known = followed_.find({&chain, doubt});
  if (!before && known != followed_.end()) {
    return known->second;
  }
  const Doubt first = doubt;
  for (const SavedRule& rule : chain.rules) {
    if (before) {
      before->push_back(doubt);
    }
    if (Apply(rule).never) {
      continue;
    }
    const bool uncertain = IsUncertain(rule);
    std::optional<SavedVerdict> perhaps;  // A verdict that is left out.
    if (const SavedVerdict* verdict = rule.verdict()) {
      if (uncertain || doubt.returned) {
        perhaps = Normalize(*verdict, end);
      }
    } else if (const SavedJump* jump = rule.jump()) {
      const Doubt inside{doubt.accepted, doubt.returned || uncertain};
      doubt.accepted =
          FollowDoubt(table_->at(jump->chain), inside, {}, nullptr);
      if (jump->is_goto && uncertain) {
        perhaps = end.verdict;
      }
    }
    if (perhaps == SavedVerdict::kAccept) {
      doubt.accepted |= next_.live;
    } else if (perhaps == SavedVerdict::kReturn) {
      doubt.returned = true;
    }
  }
  followed_[{&chain, first}] = doubt.accepted;
  return doubt.accepted;
}

Lines Translator::TakeChain(const SavedChain& chain, Doubt doubt,
                            const End& end) {
  const auto key = std::tuple(&chain, doubt, end.live);
  const auto known = done_.find(key);
  if (known != done_.end()) {
    return known->second;
  }
  std::vector<Doubt> before;
  FollowDoubt(chain, doubt, end, &before);
  size_t rules = 0;  // Those to which packets get.
  for (bool end_of_all = false; rules < chain.rules.size() && !end_of_all;
       rules++) {
    end_of_all = EndsAll(chain.rules[rules], before[rules], end);
  }
  Lines reversed;
  for (size_t i = rules; i-- > 0;) {
    TakeRule(chain.rules[i], before[i], end, &reversed);
  }
  std::reverse(reversed.begin(), reversed.end());
  done_[key] = reversed;
  return reversed;
}

// Adds what `rule` becomes to `*rest`, which is what follows it, backwards.
void Translator::TakeRule(const SavedRule& rule, const Doubt& doubt,
                          const End& end, Lines* rest) {
  const Applied applied = Apply(rule);
  if (applied.never) {
    const SavedVerdict* verdict = rule.verdict();
    if (applied.loopback &&
        (rule.mirror()
             ? segment_.mirrors
             : !verdict ||
                   !MakesNoDifference(Normalize(*verdict, end), end, *rest))) {
      draft_->remarks.Add(
          Severity::kNote, rule.where,
          "no packet of a bridge comes or goes by lo: the rule is left out");
    }
  } else if (rule.mirror()) {
    if (segment_.mirrors) {
      TakeMirror(rule, applied, rest);
    }
  } else if (const SavedVerdict* verdict = rule.verdict()) {
    TakeVerdict(rule, applied, Normalize(*verdict, end), doubt, end, rest);
  } else if (rule.jump()) {
    TakeJump(rule, applied, doubt, end, rest);
  }
}

void Translator::TakeMirror(const SavedRule& rule, const Applied& applied,
                            Lines* rest) {
  for (const Untranslated& doubt : applied.doubts) {
    if (widen_) {
      draft_->remarks.Add(Severity::kWarning, doubt.where,
                          doubt.what + ": the rule mirrors more packets");
    } else {
      draft_->remarks.Add(
          Severity::kError, doubt.where,
          doubt.what + ", and it decides what is mirrored",
          (doubt.instead.empty() ? "" : doubt.instead + "\n    ") +
              "--widen leaves it out, and mirrors more");
    }
  }
  rest->push_back(
      {applied.matches + rule.comment + " -j RMIRROR" + rule.mirror()->options,
       "", &rule, false});
}

// Whether packets do the same after `verdict` as if they went on.
bool Translator::MakesNoDifference(SavedVerdict verdict, const End& end,
                                   const Lines& rest) const {
  if (!rest.empty()) {
    return false;
  }
  const bool live = verdict == SavedVerdict::kAccept   ? next_.live
                    : verdict == SavedVerdict::kReturn ? end.live
                                                       : false;
  return verdict == end.verdict || (!live && !end.live);
}

// Whether `verdict` might take a packet whose evaluation has ended.
bool Translator::IsLeftOut(SavedVerdict verdict, const Doubt& doubt) {
  return (verdict == SavedVerdict::kDrop &&
          (doubt.accepted || doubt.returned)) ||
         (verdict == SavedVerdict::kAccept && doubt.returned);
}

// Whether no packet gets behind `rule`.
bool Translator::EndsAll(const SavedRule& rule, const Doubt& doubt,
                         const End& end) const {
  const Applied applied = Apply(rule);
  if (applied.never || !applied.doubts.empty() ||
      applied.matches != FamilyFlag()) {
    return false;
  }
  const SavedVerdict* verdict = rule.verdict();
  return verdict ? !IsLeftOut(Normalize(*verdict, end), doubt)
                 : rule.jump() && rule.jump()->is_goto;
}

void Translator::TakeVerdict(const SavedRule& rule, const Applied& applied,
                             SavedVerdict verdict, const Doubt& doubt,
                             const End& end, Lines* rest) {
  if (MakesNoDifference(verdict, end, *rest)) {
    return;
  }
  if (!applied.doubts.empty()) {
    for (const Untranslated& u : applied.doubts) {
      draft_->remarks.Add(Severity::kWarning, u.where,
                          u.what + ": this " + rule.target_name +
                              " rule is left out; packets that it kept from "
                              "later rules are mirrored, too");
    }
    return;
  }
  if (IsLeftOut(verdict, doubt)) {
    draft_->remarks.Add(
        Severity::kWarning, rule.where,
        "this " + rule.target_name +
            " rule is left out: packets may get here that rules which are "
            "left out would have sent another way; more is mirrored");
    return;
  }
  Line line = VerdictLine(applied.matches + rule.comment, verdict);
  line.final = applied.matches == FamilyFlag();
  line.source = &rule;
  rest->push_back(std::move(line));
}

void Translator::TakeJump(const SavedRule& rule, const Applied& applied,
                          const Doubt& doubt, const End& end, Lines* rest) {
  const SavedJump& jump = *rule.jump();
  const SavedChain& to = table_->at(jump.chain);
  const bool uncertain = !applied.doubts.empty();
  const bool live_behind = end.live || (!jump.is_goto && !rest->empty());
  const Lines inside =
      TakeChain(to, {doubt.accepted, doubt.returned || uncertain},
                {SavedVerdict::kReturn, live_behind});
  if (jump.is_goto && !uncertain && inside.empty()) {
    TakeVerdict(rule, applied, end.verdict, doubt, end, rest);
    return;
  } else if (inside.empty()) {
    return;
  }
  for (const Untranslated& u : applied.doubts) {
    draft_->remarks.Add(
        widen_ ? Severity::kWarning : Severity::kError, u.where,
        u.what +
            (widen_
                 ? ": the rules of chain " + jump.chain + " mirror more packets"
                 : ", and it decides what chain " + jump.chain + " mirrors"),
        widen_ ? "" : "--widen leaves it out, and mirrors more");
  }
  std::string name = AddChain(jump.chain, inside, draft_);
  const std::string matches = applied.matches + rule.comment;
  const bool all = applied.matches == FamilyFlag();
  if (!jump.is_goto || uncertain) {
    rest->push_back({matches + " -j " + name, name, &rule, false});
    return;
  }
  if (end.verdict == SavedVerdict::kReturn) {
    rest->push_back({matches + " -g " + name, name, &rule, false});
    return;
  }
  // Behind the chain comes the policy of the one that goes there.
  const Lines with_policy = {{FamilyFlag() + " -j " + name, name, &rule, false},
                             VerdictLine(FamilyFlag(), end.verdict)};
  name = AddChain(jump.chain + "-end", with_policy, draft_);
  rest->push_back({matches + " -j " + name, name, &rule, all});
}

}  // namespace

std::vector<Segment> Segments(const char* hook, bool mirrors) {
  std::vector<Segment> segments;
  for (const char* table : {"raw", "mangle", "nat", "filter", "security"}) {
    segments.push_back({table, hook, mirrors});
  }
  if (std::string_view(hook) == "INPUT") {
    // There, nat is for sources, and comes last.
    std::rotate(segments.begin() + 2, segments.begin() + 3, segments.end());
  }
  return segments;
}

std::vector<Segment> operator+(std::vector<Segment> a,
                               const std::vector<Segment>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Lines ImportChain(Family family, const SavedTables& tables,
                  const std::vector<Segment>& segments, ChainEnd end,
                  bool widen, Draft* draft) {
  return Translator(family, tables, widen, draft).Translate(segments, end);
}

}  // namespace ovs_rmirror
