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
  } else if (options.numeric && rule.ipv4 != rule.ipv6) {
    text = rule.ipv4 ? "0.0.0.0/0" : "::/0";
  } else {
    text = "anywhere";
  }
  return NotSign(match && match->negated) + Left(text, 19);
}

std::string FormatProtocol(const Rule& rule, const ListingOptions& options) {
  if (!rule.protocol) {
    return options.numeric ? "0" : "all";
  }
  return options.numeric ? std::to_string(rule.protocol->protocol)
                         : ProtocolName(rule.protocol->protocol);
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

std::string FormatMatches(const Rule& rule, const ListingOptions& options) {
  std::string s;
  if (rule.source_port || rule.destination_port) {
    const uint8_t protocol = rule.protocol->protocol;
    s += " " + ProtocolName(protocol) +
         FormatPorts("spt", protocol, rule.source_port, options) +
         FormatPorts("dpt", protocol, rule.destination_port, options);
  }
  if (rule.mac_source) {
    s += rule.mac_source->negated ? " MAC ! " : " MAC ";
    s += FormatMac(rule.mac_source->mac);
  }
  if (!rule.comment.empty()) {
    s += " /* " + rule.comment + " */";
  }
  return s;
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
  for (size_t i; (i = options.find("--")) != std::string::npos;) {
    options.erase(i, 2);
  }
  return s + options;
}

std::string FormatRuleLine(const ListedRule& listed,
                           const ListingOptions& options) {
  const Rule& rule = listed.rule;
  const Mirror* mirror = rule.mirror();
  std::string s;
  if (options.verbose) {
    s += FormatCounter(listed.counters.packets, 8, options) +
         FormatCounter(listed.counters.bytes, 10, options);
  }
  s += Left(mirror ? "RMIRROR" : std::string(VerdictName(*rule.verdict())), 9) +
       " " + NotSign(rule.protocol && rule.protocol->negated) +
       Left(FormatProtocol(rule, options), 4) + " -- ";
  if (options.verbose) {
    const std::string any = options.numeric ? "*" : "any";
    s += " " + Left(rule.in_interface ? *rule.in_interface : any, 6) + " " +
         Left(any, 6) + " ";
  }
  s += FormatAddress(rule, rule.source, options) + " " +
       FormatAddress(rule, rule.destination, options) + " ";
  s += FormatMatches(rule, options);
  if (mirror) {
    s += FormatMirrorTarget(*mirror);
  }
  if (listed.dormant) {
    s += " [no port " + *rule.in_interface + "]";
  }
  return s + "\n";
}

std::string FormatChain(const ListedChain& chain,
                        const ListingOptions& options) {
  std::string s = "Chain " + std::string(ChainName(chain.chain)) + " (policy " +
                  std::string(VerdictName(chain.policy));
  if (options.verbose) {
    const auto count = [&](uint64_t number) {
      return options.exact ? std::to_string(number) : AbbreviateCounter(number);
    };
    s += " " + count(chain.counters.packets) + " packets, " +
         count(chain.counters.bytes) + " bytes";
  }
  s += ")\n" + FormatHeader(options);
  for (const ListedRule& rule : chain.rules) {
    s += FormatRuleLine(rule, options);
  }
  return s;
}

}  // namespace

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

}  // namespace ovs_rmirror
