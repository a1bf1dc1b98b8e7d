// SPDX-License-Identifier: Apache-2.0
//
// Reads the options of one rule that say which packets it is for.

#ifndef CONTROLLER_MATCH_READER_H
#define CONTROLLER_MATCH_READER_H

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "controller/diagnostic.h"
#include "controller/ipset.h"
#include "controller/matches.h"
#include "controller/parser.h"

namespace ovs_rmirror {

// Reads a decimal number up to `max`, or a hexadecimal one that starts with 0x.
// A decimal one has no leading zero: iptables takes such a number for octal.
std::optional<uint64_t> ParseNumber(std::string_view text, uint64_t max);

class MatchReader {
 public:
  // `sets`, `diagnostics` and `matches` must live as long as the reader.
  MatchReader(const IpSets& sets, Diagnostics* diagnostics, Matches* matches)
      : sets_(sets), diagnostics_(diagnostics), matches_(matches) {}

  // Reads -p, which must come first: it says what the values of other options
  // mean.
  void TakeProtocol(const ParsedOption& option);

  // Reads `option` into `*matches` if it is a match, or a -m.  Returns false if
  // it is neither.
  bool Take(const ParsedOption& option);

  // Whether -m `module` was read.
  bool HasModule(const std::string& module) const {
    return modules_.contains(module);
  }

  // To be called behind the last option: what addresses, sets and so on say of
  // families must agree.  `rule` is where to point at if it does not.
  void FindFamilies(const Location& rule);

  // To be called behind the last option, too: -m limit and -m statistic must be
  // complete, and are only for rules that mirror.
  void CheckLimits(bool mirrors);

 private:
  void TakeModule(const ParsedOption& option);
  void TakeAddresses(const ParsedOption& option,
                     std::optional<AddressMatch>* match);
  std::optional<Network> ReadNetwork(const Token& token, size_t begin,
                                     size_t size);
  void TakeRange(const ParsedOption& option,
                 std::optional<AddressRangeMatch>* match);
  void TakeInterface(const ParsedOption& option,
                     std::optional<InterfaceMatch>* result);
  void TakePorts(const ParsedOption& option, std::optional<PortMatch>* match);
  void TakeMultiport(const ParsedOption& option, MultiportMatch::Side side);
  std::optional<uint16_t> ReadPort(const Token& token, size_t begin,
                                   size_t size);
  bool NeedPorts(const ParsedOption& option);
  bool NeedProtocol(const ParsedOption& option, uint8_t protocol);
  void TakeTcpFlags(const ParsedOption& option);
  std::optional<uint8_t> ReadTcpFlags(const Token& token);
  void TakeIcmpType(const ParsedOption& option, bool v6);
  void TakeMacSource(const ParsedOption& option);
  void TakeDscp(const ParsedOption& option);
  void TakeMark(const ParsedOption& option);
  void TakeDestinationType(const ParsedOption& option);
  void TakeVlan(const ParsedOption& option);
  void TakeSet(const ParsedOption& option);
  void TakeLimit(const ParsedOption& option);
  void TakeLimitBurst(const ParsedOption& option);
  void TakeMode(const ParsedOption& option);
  void TakeProbability(const ParsedOption& option);

  void NeedModule(const ParsedOption& option, const char* module);
  void RefuseNegation(const ParsedOption& option);
  void RestrictFamilies(const Location& rule, bool v4, bool v6,
                        const char* what);
  void Error(const Location& where, std::string what, std::string instead) {
    diagnostics_->Error(where, std::move(what), std::move(instead));
  }

  const IpSets& sets_;
  Diagnostics* const diagnostics_;
  Matches* const matches_;
  std::map<std::string, Location> modules_;  // Where -m names them.
  std::set<OptionId> seen_;                  // Of -m limit and -m statistic.
  uint32_t burst_ = LimitMatch::kDefaultBurst;
};

}  // namespace ovs_rmirror

#endif  // CONTROLLER_MATCH_READER_H
