// SPDX-License-Identifier: Apache-2.0

#include "controller/rule_text.h"

#include <cstdio>

#include "controller/names.h"

namespace ovs_rmirror {

namespace {

std::string Not(bool negated) { return negated ? " !" : ""; }

std::string FormatAddresses(const AddressMatch& match, const char* option) {
  std::string s = Not(match.negated) + option;
  char separator = ' ';
  for (const Network& network : match.networks) {
    s += separator + FormatNetwork(network);
    separator = ',';
  }
  return s;
}

std::string FormatPorts(const PortMatch& match, const char* option) {
  std::string s =
      Not(match.negated) + option + " " + std::to_string(match.first);
  if (match.last != match.first) {
    s += ":" + std::to_string(match.last);
  }
  return s;
}

std::string Quote(const std::string& text) {
  std::string s = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      s += '\\';
    }
    s += c;
  }
  return s + "\"";
}

}  // namespace

std::string FormatSessionOptions(const Session& session) {
  std::string s;
  if (session.key) {
    s += " --key " + std::to_string(*session.key);
  }
  if (session.ttl != RMIRROR_TTL_DEFAULT) {
    s += " --ttl " + std::to_string(session.ttl);
  }
  if (!session.tos) {
    s += " --tos inherit";
  } else if (*session.tos != RMIRROR_TOS_DEFAULT) {
    char text[16];
    std::snprintf(text, sizeof text, " --tos 0x%02x",
                  static_cast<unsigned>(*session.tos));
    s += text;
  }
  if (session.df) {
    s += " --df";
  }
  return s;
}

std::string FormatRule(const Rule& rule, CommentText comment) {
  std::string s = "-A " + std::string(ChainName(rule.chain));
  // Addresses say the family by themselves.
  if (rule.ipv4 != rule.ipv6 && !rule.source && !rule.destination) {
    s += rule.ipv4 ? " -4" : " -6";
  }
  if (rule.source) {
    s += FormatAddresses(*rule.source, " -s");
  }
  if (rule.destination) {
    s += FormatAddresses(*rule.destination, " -d");
  }
  if (rule.in_interface) {
    s += " -i " +
         (rule.in_interface->find_first_of(" \t\"\\") == std::string::npos
              ? *rule.in_interface
              : Quote(*rule.in_interface));
  }
  if (rule.protocol) {
    const std::string name = ProtocolName(rule.protocol->protocol);
    s += Not(rule.protocol->negated) + " -p " + name;
    if (rule.source_port || rule.destination_port) {
      s += " -m " + name;
    }
  }
  if (rule.source_port) {
    s += FormatPorts(*rule.source_port, " --sport");
  }
  if (rule.destination_port) {
    s += FormatPorts(*rule.destination_port, " --dport");
  }
  if (rule.mac_source) {
    s += " -m mac" + Not(rule.mac_source->negated) + " --mac-source " +
         FormatMac(rule.mac_source->mac);
  }
  if (!rule.comment.empty() && comment == CommentText::kInclude) {
    s += " -m comment --comment " + Quote(rule.comment);
  }
  if (const Mirror* mirror = rule.mirror()) {
    s += " -j RMIRROR --target " + FormatAddress(mirror->session.target);
    if (mirror->len.mtu) {
      s += " --len mtu";
    } else if (mirror->len.bytes != RMIRROR_LEN_ALL) {
      s += " --len " + std::to_string(mirror->len.bytes);
    }
    s += FormatSessionOptions(mirror->session);
  } else {
    s += " -j " + std::string(VerdictName(*rule.verdict()));
  }
  return s;
}

std::string FormatPolicy(const Policy& policy) {
  std::string s = "*rmirror\n";
  for (const Chain chain : kChains) {
    const auto it = policy.chain_policies.find(chain);
    s += ":" + std::string(ChainName(chain)) + " " +
         std::string(VerdictName(it == policy.chain_policies.end()
                                     ? Verdict::kAccept
                                     : it->second)) +
         " [0:0]\n";
  }
  for (const Rule& rule : policy.rules) {
    s += FormatRule(rule) + "\n";
  }
  return s + "COMMIT\n";
}

}  // namespace ovs_rmirror
