// SPDX-License-Identifier: Apache-2.0

#include "controller/ipset.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include "controller/names.h"
#include "controller/scanner.h"

namespace ovs_rmirror {

namespace {

constexpr std::array kTypes = {IpSet::Type::kIp, IpSet::Type::kNet,
                               IpSet::Type::kIpPort, IpSet::Type::kNetPort,
                               IpSet::Type::kMac};

// Options that say how the kernel keeps a set or counts its entries, by whether
// a value follows.  They do not change what is in it.
const std::map<std::string_view, bool>& IgnoredOptions() {
  static const std::map<std::string_view, bool> options = {
      {"hashsize", true},  {"maxelem", true},  {"bucketsize", true},
      {"initval", true},   {"packets", true},  {"bytes", true},
      {"skbmark", true},   {"skbprio", true},  {"skbqueue", true},
      {"forceadd", false}, {"skbinfo", false}, {"counters", false}};
  return options;
}

// A set while it is being read.
struct Reading {
  std::shared_ptr<IpSet> set;
  std::optional<int> netmask;  // Prefix length to which addresses are cut.
  bool has_nomatch = false;
  std::optional<Location> port_range;  // Of the first one.
};

class SetReader {
 public:
  SetReader(IpSets* sets, Diagnostics* diagnostics)
      : sets_(sets), diagnostics_(diagnostics) {}

  void ReadLine(const TokenLine& line);
  void Finish();

 private:
  void ReadCreate(const TokenLine& line);
  void ReadAdd(const TokenLine& line);
  bool ReadAddresses(const Token& token, const std::string& text,
                     const Reading& reading, IpSet::Entry* entry);
  bool ReadPort(const Token& token, const std::string& text, Reading* reading,
                IpSet::Entry* entry);
  void Error(const Token& token, std::string what, std::string instead) {
    diagnostics_->Error(token.where, std::move(what), std::move(instead));
  }

  IpSets* const sets_;
  Diagnostics* const diagnostics_;
  std::map<std::string, Reading> reading_;
  std::set<std::string> refused_;  // Whose entries need no further words.
};

void SetReader::ReadLine(const TokenLine& line) {
  const Token& first = line.front();
  if (first.text != "create" && first.text != "add") {
    Error(first, "'" + first.text + "' does not begin a line of a set",
          "possible: create NAME TYPE ..., add NAME ENTRY ..., as ipset save "
          "writes them");
  } else if (line.size() < 3) {
    Error(line.back(),
          first.text + " needs a set and " +
              (first.text == "add" ? "an entry" : "its type"),
          first.text == "add" ? "write add NAME 192.0.2.1"
                              : "write create NAME hash:ip family inet");
  } else if (first.text == "create") {
    ReadCreate(line);
  } else {
    ReadAdd(line);
  }
}

void SetReader::ReadCreate(const TokenLine& line) {
  const std::string& name = line[1].text;
  if (sets_->contains(name) || reading_.contains(name)) {
    Error(line[1], "set " + name + " appears twice", "give it another name");
    return;
  }
  const auto type = std::find_if(
      kTypes.begin(), kTypes.end(),
      [&](IpSet::Type t) { return IpSetTypeName(t) == line[2].text; });
  if (type == kTypes.end()) {
    Error(line[2], "sets of type '" + line[2].text + "' are not supported",
          "possible: hash:ip, hash:net, hash:ip,port, hash:net,port, hash:mac");
    refused_.insert(name);
    return;
  }
  Reading reading;
  reading.set = std::make_shared<IpSet>();
  reading.set->name = name;
  reading.set->type = *type;
  for (size_t i = 3; i < line.size(); i++) {
    const std::string& option = line[i].text;
    const auto ignored = IgnoredOptions().find(option);
    if (ignored != IgnoredOptions().end()) {
      i += ignored->second;
    } else if (option == "comment") {
      continue;
    } else if (i + 1 == line.size()) {
      Error(line[i], "option " + option + " is unknown or lacks its value",
            "possible: family, timeout, netmask, comment, hashsize, maxelem");
    } else if (option == "family") {
      i++;
      if (line[i].text == "inet6") {
        reading.set->family = Family::kIpv6;
      } else if (line[i].text != "inet") {
        Error(line[i], "there is no family '" + line[i].text + "'",
              "possible: inet, inet6");
      }
    } else if (option == "timeout") {
      i++;  // Of new entries: those that are here say their own.
    } else if (option == "netmask" && *type == IpSet::Type::kIp) {
      i++;
      const std::string& text = line[i].text;
      const int width = 128;
      const int length =
          text.size() <= 3 &&
                  text.find_first_not_of("0123456789") == std::string::npos &&
                  !text.empty()
              ? std::stoi(text)
              : -1;
      if (length < 1 || length > width) {
        Error(line[i], "'" + text + "' is no length of a prefix",
              "write 1 to 32 for family inet, 1 to 128 for inet6");
      } else {
        reading.netmask = length;
      }
    } else {
      Error(line[i], "option " + option + " is not supported",
            "possible: family, timeout, netmask, comment, hashsize, maxelem");
      i++;
    }
  }
  if (reading.netmask && *reading.netmask > AddressWidth(reading.set->family)) {
    Error(line[2], "a netmask is longer than an address of the set",
          "write 1 to 32 for family inet");
    reading.netmask.reset();
  }
  reading_[name] = std::move(reading);
}

void SetReader::ReadAdd(const TokenLine& line) {
  const std::string& name = line[1].text;
  const auto it = reading_.find(name);
  if (it == reading_.end()) {
    if (!refused_.contains(name)) {
      Error(line[1], "set " + name + " was not created",
            "write create " + name + " hash:ip family inet before this line");
    }
    return;
  }
  Reading& reading = it->second;
  IpSet::Entry entry;
  bool permanent = true;
  for (size_t i = 3; i < line.size(); i++) {
    const std::string& option = line[i].text;
    const auto ignored = IgnoredOptions().find(option);
    if (ignored != IgnoredOptions().end()) {
      i += ignored->second;
    } else if (option == "nomatch" &&
               (reading.set->type == IpSet::Type::kNet ||
                reading.set->type == IpSet::Type::kNetPort)) {
      entry.nomatch = true;
      reading.has_nomatch = true;
    } else if (option == "comment" && i + 1 < line.size()) {
      i++;
    } else if (option == "timeout" && i + 1 < line.size()) {
      i++;
      permanent = line[i].text == "0";
    } else {
      Error(line[i], "option " + option + " is not supported in this entry",
            "possible: timeout 0, comment TEXT, and nomatch in sets of "
            "networks");
    }
  }
  if (!permanent) {
    Error(line[2], "an entry that expires is not supported",
          "write it without timeout, and load the sets again when they change");
    return;
  }

  const Token& token = line[2];
  if (reading.set->type == IpSet::Type::kMac) {
    const std::optional<uint64_t> mac = ParseMac(token.text);
    if (!mac) {
      Error(token, "'" + token.text + "' is no Ethernet address",
            "write it like 02:00:00:00:00:05");
      return;
    }
    entry.mac = *mac;
  } else {
    const size_t comma = token.text.find(',');
    const bool has_ports = reading.set->HasPorts();
    if (has_ports != (comma != std::string::npos)) {
      Error(token,
            "an entry of a set of type " +
                std::string(IpSetTypeName(reading.set->type)) + " has " +
                (has_ports ? "an address and a port" : "an address alone"),
            has_ports ? "write it like 192.0.2.1,tcp:80"
                      : "write it like 192.0.2.1");
      return;
    }
    if (!ReadAddresses(token, token.text.substr(0, comma), reading, &entry) ||
        (has_ports &&
         !ReadPort(token, token.text.substr(comma + 1), &reading, &entry))) {
      return;
    }
  }
  reading.set->entries.push_back(entry);
}

// Reads ADDRESS, ADDRESS/LENGTH or ADDRESS-ADDRESS.
bool SetReader::ReadAddresses(const Token& token, const std::string& text,
                              const Reading& reading, IpSet::Entry* entry) {
  const Family family = reading.set->family;
  const int width = AddressWidth(family);
  const size_t slash = text.find('/');
  const size_t dash = text.find('-');
  const std::optional<Address> first =
      ParseAddress(text.substr(0, std::min(slash, dash)));
  std::optional<Address> last = first;
  int length = width;
  if (dash != std::string::npos) {
    last = ParseAddress(text.substr(dash + 1));
  } else if (slash != std::string::npos) {
    const std::string digits = text.substr(slash + 1);
    if (digits.empty() || digits.size() > 3 ||
        digits.find_first_not_of("0123456789") != std::string::npos ||
        std::stoi(digits) > width) {
      last = std::nullopt;
    } else {
      length = std::stoi(digits);
    }
  }
  if (!first || !last || first->family != family || last->family != family ||
      first->bits > last->bits) {
    Error(token,
          "'" + text + "' is no " +
              (family == Family::kIpv4 ? "IPv4" : "IPv6") + " entry",
          family == Family::kIpv4
              ? "write it like 192.0.2.1, 192.0.2.0/24 or 192.0.2.1-192.0.2.9"
              : "write it like 2001:db8::1 or 2001:db8::/32; the set is of "
                "family inet6");
    return false;
  }
  if (reading.netmask) {
    length = std::min(length, *reading.netmask);
  }
  const Uint128 mask = PrefixMask(family, length);
  const Uint128 host = PrefixMask(family, width) & ~mask;
  entry->addresses = {first->bits & mask, (last->bits & mask) | host};
  return true;
}

// Reads [PROTOCOL:]PORT[-PORT].
bool SetReader::ReadPort(const Token& token, const std::string& text,
                         Reading* reading, IpSet::Entry* entry) {
  const size_t colon = text.find(':');
  std::string protocol_name = "tcp";
  if (colon != std::string::npos) {
    protocol_name = text.substr(0, colon);
  }
  const std::optional<uint8_t> protocol = ProtocolByName(protocol_name);
  if (!protocol || !ProtocolHasPorts(*protocol)) {
    Error(token,
          "ports of protocol '" + protocol_name + "' are not supported in sets",
          "possible: tcp, udp, sctp");
    return false;
  }
  const std::string ports =
      colon == std::string::npos ? text : text.substr(colon + 1);
  const size_t dash = ports.find('-');
  const std::optional<uint16_t> first =
      PortByName(ports.substr(0, dash), *protocol);
  const std::optional<uint16_t> last =
      dash == std::string::npos ? first
                                : PortByName(ports.substr(dash + 1), *protocol);
  if (!first || !last || *first > *last) {
    Error(token, "'" + ports + "' is no port of " + ProtocolName(*protocol),
          "write a number from 0 to 65535, or a range like 1024-2047");
    return false;
  }
  if (*first != *last && !reading->port_range) {
    reading->port_range = token.where;
  }
  entry->protocol = *protocol;
  entry->ports = {*first, *last};
  return true;
}

// The addresses of `entries`: an address is in if the smallest network that
// holds it is one without nomatch.
std::vector<Range<Uint128>> ResolveAddresses(std::vector<IpSet::Entry> entries,
                                             Uint128 highest) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const IpSet::Entry& a, const IpSet::Entry& b) {
                     return a.addresses.last - a.addresses.first >
                            b.addresses.last - b.addresses.first;
                   });
  // From each key to the next, addresses are in or out.
  std::map<Uint128, bool> in = {{0, false}};
  for (const IpSet::Entry& entry : entries) {
    const auto [first, last] = entry.addresses;
    if (last != highest) {
      in[last + 1] = std::prev(in.upper_bound(last + 1))->second;
    }
    in[first] = !entry.nomatch;
    const auto begin = std::next(in.find(first));
    in.erase(begin, last == highest ? in.end() : in.find(last + 1));
  }
  std::vector<Range<Uint128>> ranges;
  for (auto it = in.begin(); it != in.end(); ++it) {
    if (it->second) {
      const auto next = std::next(it);
      ranges.push_back(
          {it->first, next == in.end() ? highest : next->first - 1});
    }
  }
  return Merge(std::move(ranges));
}

std::vector<IpSetPart> ResolveParts(const IpSet& set) {
  const Uint128 highest = PrefixMask(set.family, AddressWidth(set.family));
  using Key = std::tuple<uint8_t, uint16_t, uint16_t>;
  std::map<Key, std::vector<IpSet::Entry>> groups;
  for (const IpSet::Entry& entry : set.entries) {
    const Key key = set.HasPorts() ? Key{entry.protocol, entry.ports.first,
                                         entry.ports.last}
                                   : Key{};
    groups[key].push_back(entry);
  }
  std::vector<IpSetPart> parts;
  for (auto& [key, entries] : groups) {
    IpSetPart part;
    if (set.HasPorts()) {
      part.protocol = std::get<0>(key);
      part.ports = {std::get<1>(key), std::get<2>(key)};
    }
    part.addresses = ResolveAddresses(std::move(entries), highest);
    parts.push_back(std::move(part));
  }
  return parts;
}

void SetReader::Finish() {
  for (auto& [name, reading] : reading_) {
    if (reading.has_nomatch && reading.port_range) {
      diagnostics_->Error(*reading.port_range,
                          "a set with nomatch entries has no ranges of ports",
                          "write one entry for each port");
    }
    if (reading.set->type != IpSet::Type::kMac) {
      reading.set->parts = ResolveParts(*reading.set);
    }
    (*sets_)[name] = std::move(reading.set);
  }
}

}  // namespace

std::string_view IpSetTypeName(IpSet::Type type) {
  switch (type) {
    case IpSet::Type::kIp:
      return "hash:ip";
    case IpSet::Type::kNet:
      return "hash:net";
    case IpSet::Type::kIpPort:
      return "hash:ip,port";
    case IpSet::Type::kNetPort:
      return "hash:net,port";
    case IpSet::Type::kMac:
      return "hash:mac";
  }
  return "";
}

std::string FormatIpSetHead(const IpSet& set) {
  const std::string type(IpSetTypeName(set.type));
  return "create " + Quote(set.name) + " " + type +
         (set.type == IpSet::Type::kMac ? ""
          : set.family == Family::kIpv4 ? " family inet"
                                        : " family inet6");
}

void ReadIpSets(const SourceText& source, IpSets* sets,
                Diagnostics* diagnostics) {
  SetReader reader(sets, diagnostics);
  for (const TokenLine& line : Scan(source, diagnostics)) {
    reader.ReadLine(line);
  }
  reader.Finish();
}

}  // namespace ovs_rmirror
