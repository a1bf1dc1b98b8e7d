// SPDX-License-Identifier: Apache-2.0

#include "controller/way.h"

#include <sstream>

namespace ovs_rmirror {

std::map<std::string, std::string> ReadNeighbours(const std::string& shown) {
  std::map<std::string, std::string> neighbours;
  std::istringstream lines(shown);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string address;
    std::string mac;
    std::string device;
    if (words >> address >> mac >> device && ParseAddress(address)) {
      neighbours[device + " " + address] = mac;
    }
  }
  return neighbours;
}

Way ReadWay(const Address& target, const std::string& route,
            const std::map<std::string, std::string>& neighbours) {
  Way way{"", target, false};
  std::istringstream words(route);
  for (std::string name, value; words >> name >> value;) {
    if (name == "dev") {
      way.device = value;
    } else if (name == "gateway") {
      const auto gateway = ParseAddress(value);
      if (gateway && gateway->bits != 0) {
        way.next_hop = *gateway;
      }
    }
  }
  way.resolved =
      neighbours.contains(way.device + " " + FormatAddress(way.next_hop));
  return way;
}

nlohmann::json WayAsJson(const Way& way) {
  if (way.device.empty()) {
    return nullptr;
  }
  return {{"device", way.device},
          {"next_hop", FormatAddress(way.next_hop)},
          {"resolved", way.resolved}};
}

std::string FormatWay(const nlohmann::json& way, const std::string& target) {
  if (way.is_null()) {
    return "no route";
  }
  const auto next_hop = way.at("next_hop").get<std::string>();
  const std::string by = "by " + way.at("device").get<std::string>();
  if (!way.at("resolved").get<bool>()) {
    return by + ", next hop " + next_hop + " not resolved";
  }
  return next_hop == target ? by : by + " via " + next_hop;
}

}  // namespace ovs_rmirror
