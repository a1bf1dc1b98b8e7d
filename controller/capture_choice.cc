// SPDX-License-Identifier: Apache-2.0

#include "controller/capture_choice.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "controller/address.h"
#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

std::string NameOf(const CountedRule& rule) {
  return rule.listed.rule.chain + ":" + std::to_string(rule.number);
}

// "a, b, c".
std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

// The distinct values of `value` for the rules that mirror.
template <typename Value>
std::vector<std::string> OfMirrors(const Sample& policy, const Value& value) {
  std::vector<std::string> values;
  for (const CountedRule& rule : policy.rules) {
    if (rule.listed.rule.mirror()) {
      const std::string v = value(rule);
      if (std::find(values.begin(), values.end(), v) == values.end()) {
        values.push_back(v);
      }
    }
  }
  return values;
}

void AddSession(const Session& session, const CountedRule& rule,
                CaptureChoice* choice) {
  auto found = std::find_if(
      choice->sessions.begin(), choice->sessions.end(),
      [&](const CapturedSession& s) { return s.session == session; });
  if (found == choice->sessions.end()) {
    choice->sessions.push_back(
        {session,
         FormatAddress(session.target) + FormatSessionOptions(session),
         {}});
    found = std::prev(choice->sessions.end());
  }
  found->rules.push_back(rule.bridge + ": " + NameOf(rule) + ": " +
                         FormatRule(rule.listed.rule));
}

// The one rule that `what` names; if there is none, says so in `choice`.
const CountedRule* FindRule(const Sample& policy, const std::string& what,
                            CaptureChoice* choice) {
  const CountedRule* found = nullptr;
  for (const CountedRule& rule : policy.rules) {
    if (NameOf(rule) != what) {
      continue;
    }
    if (found) {
      choice->error = "more than one bridge has a rule " + what +
                      ": name the bridge, -b BRIDGE\n";
      return nullptr;
    }
    found = &rule;
  }
  if (!found) {
    const std::vector<std::string> rules = OfMirrors(policy, NameOf);
    choice->error = "'" + what +
                    "' is neither the address of a target nor a rule, "
                    "CHAIN:NUMBER, in force; rules that mirror: " +
                    (rules.empty() ? "none" : Join(rules)) + "\n";
  } else if (!found->listed.rule.mirror()) {
    choice->error = "rule " + what +
                    " does not mirror: " + FormatRule(found->listed.rule) +
                    "\n";
    return nullptr;
  }
  return found;
}

}  // namespace

CaptureChoice ChooseSessions(const Sample& policy, const std::string& what) {
  CaptureChoice choice;
  const std::optional<Address> target = ParseAddress(what);
  const CountedRule* chosen = nullptr;
  if (!target && !(chosen = FindRule(policy, what, &choice))) {
    return choice;
  }
  for (const CountedRule& rule : policy.rules) {
    const Mirror* mirror = rule.listed.rule.mirror();
    if (mirror &&
        (target ? mirror->session.target == *target
                : mirror->session == chosen->listed.rule.mirror()->session)) {
      AddSession(mirror->session, rule, &choice);
    }
  }
  if (choice.sessions.empty()) {
    const std::vector<std::string> targets =
        OfMirrors(policy, [](const CountedRule& rule) {
          return FormatAddress(rule.listed.rule.mirror()->session.target);
        });
    choice.error = "no rule mirrors to " + what +
                   "; targets: " + (targets.empty() ? "none" : Join(targets)) +
                   "\n";
  }
  return choice;
}

bool IsOfSession(const Session& carried, const Session& session) {
  return carried.target == session.target && carried.key == session.key &&
         carried.ttl == session.ttl &&
         (!session.tos || !carried.tos ||
          *carried.tos >> 2 == *session.tos >> 2) &&
         (carried.target.family == Family::kIpv6 || carried.df == session.df);
}

std::string CaptureFilter(const Address& target, bool ethernet) {
  const std::string address = FormatAddress(target);
  const bool v4 = target.family == Family::kIpv4;
  const std::string plain =
      (v4 ? "ip proto 47 and ip dst host "
          : "(ip6[6] = 47 or ip6[6] = 44) and ip6 dst host ") +
      address;
  if (!ethernet) {
    return plain;
  }
  // With a VLAN tag in the frame.  What the kernel has beside the frame, it
  // does not show to a filter.
  std::string tagged = "(ether[12:2] = 0x8100 or ether[12:2] = 0x88a8) and ";
  tagged += v4 ? "ether[16:2] = 0x0800 and ether[27] = 47"
               : "ether[16:2] = 0x86dd and (ether[24] = 47 or ether[24] = 44)";
  int offset = v4 ? 34 : 42;
  for (int shift = AddressWidth(target.family) - 32; shift >= 0; shift -= 32) {
    tagged += " and ether[" + std::to_string(offset) + ":4] = " +
              std::to_string(static_cast<uint32_t>(target.bits >> shift));
    offset += 4;
  }
  return "(" + plain + ") or (" + tagged + ")";
}

CaptureDevices FindCaptureDevices(const std::string& device,
                                  const std::string& ports) {
  struct Port {
    std::string name;
    std::string type;
  };
  std::istringstream lines(ports);
  bool userspace = false;
  bool is_bridge = false;
  std::vector<Port> bridge;  // The ports of the one at hand.
  CaptureDevices devices;
  std::vector<std::string> unseen;
  const auto end_bridge = [&] {
    for (const Port& port : is_bridge ? bridge : std::vector<Port>()) {
      if (port.type == "system" || port.type == "tap") {
        devices.names.push_back(port.name);
      } else {
        unseen.push_back(port.name + " (" + port.type + ")");
      }
    }
    bridge.clear();
    is_bridge = false;
  };
  // "netdev@ovs-netdev: hit:1 missed:2", "  br-phy:", "    eth0 1/2: (system)".
  for (std::string line; std::getline(lines, line);) {
    const size_t indent = line.find_first_not_of(' ');
    if (indent == 0 || indent == 2) {
      end_bridge();
      if (indent == 0) {
        userspace = line.starts_with("netdev@");
      }
    } else if (indent == 4 && userspace) {
      std::istringstream words(line);
      Port port;
      std::string number;
      words >> port.name >> number >> port.type;
      port.type.erase(0, 1);
      port.type.erase(
          std::min(port.type.find_first_of(":,)"), port.type.size()));
      if (port.name == device && number.starts_with("65534/")) {
        is_bridge = true;
      } else {
        bridge.push_back(port);
      }
    }
  }
  end_bridge();
  if (devices.names.empty() && unseen.empty()) {
    // The host's own device, or the port of a bridge in the kernel.
    devices.names = {device};
  } else if (!unseen.empty()) {
    devices.error = "copies leave bridge " + device +
                    " by ports that the kernel does not see: " + Join(unseen) +
                    ": capture at the collector" +
                    (devices.names.empty()
                         ? ""
                         : ", or name the devices to look at: -i DEVICE") +
                    "\n";
  }
  return devices;
}

}  // namespace ovs_rmirror
