// SPDX-License-Identifier: Apache-2.0

#include "controller/listing.h"

#include "controller/names.h"
#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

// `text`, with blanks up to `width` before or behind it.
std::string Right(const std::string& text, size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}
std::string Left(const std::string& text, size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

char NotSign(bool negated) { return negated ? '!' : ' '; }

std::string FormatCounter(uint64_t number, size_t exact_width,
                          const ListingOptions& options) {
  return (options.exact ? Right(std::to_string(number), exact_width)
                        : Right(AbbreviateCounter(number), 5)) +
         " ";
}

std::string FormatHeader(const ListingOptions& options) {
  std::string s;
  if (options.line_numbers) {
    s += "num  ";
  }
  if (options.verbose) {
    s += options.exact ? Right("pkts", 8) + " " + Right("bytes", 10) + " "
                       : Right("pkts", 5) + " " + Right("bytes", 5) + " ";
  }
  s += Left("target", 10) + " prot opt ";
  if (options.verbose) {
    s += Left("in", 6) + " " + Left("out", 6) + "  ";
  }
  return s + Left("source", 20) + " " + Left("destination", 20) + "\n";
}

// An address column: "!10.0.0.0/8", " anywhere".
std::string FormatAddress(const Rule& rule,
                          const std::optional<AddressMatch>& match,
                          const ListingOptions& options) {
  std::string text;
  if (match) {
    for (const Network& network : match->networks) {
      text += (text.empty() ? "" : ",") + FormatNetworkBriefly(network);
    }
  } else if (options.numeric && rule.matches.ipv4 != rule.matches.ipv6) {
    text = rule.matches.ipv4 ? "0.0.0.0/0" : "::/0";
  } else {
    text = "anywhere";
  }
  return NotSign(match && match->negated) + Left(text, 19);
}

std::string FormatProtocol(const Rule& rule, const ListingOptions& options) {
  const auto& protocol = rule.matches.protocol;
  if (!protocol) {
    return options.numeric ? "0" : "all";
  }
  return options.numeric ? std::to_string(protocol->protocol)
                         : ProtocolName(protocol->protocol);
}

// " spt:22", " dpts:!1024:65535".
std::string FormatPorts(const char* name, uint8_t protocol,
                        const std::optional<PortMatch>& match,
                        const ListingOptions& options) {
  if (!match) {
    return "";
  }
  const auto port = [&](uint16_t number) {
    return options.numeric ? std::to_string(number)
                           : ServiceName(number, protocol);
  };
  const bool range = match->first != match->last;
  return std::string(" ") + name + (range ? "s" : "") + ":" +
         (match->negated ? "!" : "") + port(match->first) +
         (range ? ":" + port(match->last) : "");
}

// The other matches as they are written, but for the dashes: "multiport dports
// 80,443".
std::string FormatOthers(const Matches& matches) {
  Matches others = matches;
  others.source.reset();
  others.destination.reset();
  others.protocol.reset();
  others.in_interface.reset();
  others.out_interface.reset();
  others.source_port.reset();
  others.destination_port.reset();
  others.mac_source.reset();
  // The columns say the family where they can; here it would be noise.
  others.ipv4 = others.ipv6 = true;
  std::string text = FormatMatches(others);
  for (const char* dashes : {" -m ", " --"}) {
    for (size_t i; (i = text.find(dashes)) != std::string::npos;) {
      text.replace(i, std::string_view(dashes).size(), " ");
    }
  }
  return text;
}

std::string FormatDetails(const Rule& rule, const ListingOptions& options) {
  const Matches& matches = rule.matches;
  std::string s;
  if (matches.source_port || matches.destination_port) {
    const uint8_t protocol = matches.protocol->protocol;
    s += " " + ProtocolName(protocol) +
         FormatPorts("spt", protocol, matches.source_port, options) +
         FormatPorts("dpt", protocol, matches.destination_port, options);
  }
  if (matches.mac_source) {
    s += matches.mac_source->negated ? " MAC ! " : " MAC ";
    s += FormatMac(matches.mac_source->mac);
  }
  s += FormatOthers(matches);
  if (!rule.comment.empty()) {
    s += " /* " + rule.comment + " */";
  }
  return s;
}

std::string FormatInterface(const std::optional<InterfaceMatch>& match,
                            const std::string& any) {
  return match ? (match->negated ? "!" : "") + match->name +
                     (match->prefix ? "+" : "")
               : any;
}

// What of `matches` names a port, and so may name one that is not there.
std::string FormatMissingPort(const Matches& matches) {
  const auto& in = matches.in_interface;
  const auto& out = matches.out_interface;
  const bool names_in = in && !in->negated;
  const bool names_out = out && !out->negated;
  return (names_in ? FormatInterface(in, "") : "") +
         (names_in && names_out ? " or " : "") +
         (names_out ? FormatInterface(out, "") : "");
}

std::string FormatMirrorTarget(const Mirror& mirror) {
  std::string s =
      " RMIRROR target " + ovs_rmirror::FormatAddress(mirror.session.target);
  if (mirror.len.mtu) {
    s += " len mtu";
  } else if (mirror.len.bytes != RMIRROR_LEN_ALL) {
    s += " len " + std::to_string(mirror.len.bytes);
  }
  // As on the command line, without the dashes.
  std::string options = FormatSessionOptions(mirror.session);
  if (mirror.budget) {
    options += " " + FormatBudget(*mirror.budget);
  }
  for (size_t i; (i = options.find("--")) != std::string::npos;) {
    options.erase(i, 2);
  }
  return s + options;
}

std::string FormatRuleLine(const ListedRule& listed, size_t number,
                           const ListingOptions& options) {
  const Rule& rule = listed.rule;
  const Matches& matches = rule.matches;
  std::string s;
  if (options.line_numbers) {
    s += Left(std::to_string(number), 4) + " ";
  }
  if (options.verbose) {
    s += FormatCounter(listed.counters.packets, 8, options) +
         FormatCounter(listed.counters.bytes, 10, options);
  }
  s += Left(FormatTargetName(rule), 9) + " " +
       NotSign(matches.protocol && matches.protocol->negated) +
       Left(FormatProtocol(rule, options), 4) + " -- ";
  if (options.verbose) {
    const std::string any = options.numeric ? "*" : "any";
    s += " " + Left(FormatInterface(matches.in_interface, any), 6) + " " +
         Left(FormatInterface(matches.out_interface, any), 6) + " ";
  }
  s += FormatAddress(rule, matches.source, options) + " " +
       FormatAddress(rule, matches.destination, options) + " ";
  s += FormatDetails(rule, options);
  if (rule.mirror()) {
    s += FormatMirrorTarget(*rule.mirror());
  } else if (rule.jump() && rule.jump()->is_goto) {
    s += " [goto]";
  }
  if (listed.dormant) {
    s += " [no port " + FormatMissingPort(matches) + "]";
  }
  return s + "\n";
}

std::string FormatChain(const ListedChain& chain,
                        const ListingOptions& options) {
  std::string s = "Chain " + chain.chain + " (";
  if (chain.policy) {
    s += "policy " + std::string(VerdictName(*chain.policy));
  } else {
    s += std::to_string(chain.references) + " references";
  }
  if (chain.policy && options.verbose) {
    const auto count = [&](uint64_t number) {
      return options.exact ? std::to_string(number) : AbbreviateCounter(number);
    };
    s += " " + count(chain.counters.packets) + " packets, " +
         count(chain.counters.bytes) + " bytes";
  }
  s += ")\n" + FormatHeader(options);
  for (size_t i = 0; i < chain.rules.size(); i++) {
    s += FormatRuleLine(chain.rules[i], i + 1, options);
  }
  return s;
}

}  // namespace

std::string FormatTargetName(const Rule& rule) {
  if (rule.mirror()) {
    return "RMIRROR";
  }
  return rule.jump() ? rule.jump()->chain
                     : std::string(VerdictName(*rule.verdict()));
}

std::string AbbreviateCounter(uint64_t number) {
  if (number <= 99999) {
    return std::to_string(number);
  }
  const char* unit = "KMGT";
  for (;;) {
    number = number / 1000 + (number % 1000 >= 500);
    if (number <= 9999 || unit[1] == '\0') {
      return std::to_string(number) + *unit;
    }
    unit++;
  }
}

std::string FormatListing(const std::vector<ListedChain>& chains,
                          const ListingOptions& options) {
  std::string s;
  for (const ListedChain& chain : chains) {
    s += (s.empty() ? "" : "\n") + FormatChain(chain, options);
  }
  return s;
}

std::string FormatSaved(const std::vector<ListedChain>& chains,
                        bool with_counters) {
  const auto counters = [](const Counters& c) {
    return "[" + std::to_string(c.packets) + ":" + std::to_string(c.bytes) +
           "]";
  };
  std::string s = "*rmirror\n";
  for (const ListedChain& chain : chains) {
    s += ":" + chain.chain + " " +
         (chain.policy ? std::string(VerdictName(*chain.policy)) : "-") + " " +
         counters(with_counters ? chain.counters : Counters()) + "\n";
  }
  for (const ListedChain& chain : chains) {
    for (const ListedRule& rule : chain.rules) {
      s += (with_counters ? counters(rule.counters) + " " : "") +
           FormatRule(rule.rule) + "\n";
    }
  }
  return s + "COMMIT\n";
}

}  // namespace ovs_rmirror
