// SPDX-License-Identifier: Apache-2.0

#include "controller/read_json.h"

#include <stdexcept>

namespace ovs_rmirror {

nlohmann::json ReadJson(const std::string& text) {
  return nlohmann::json::parse(
      text, [](int, nlohmann::json::parse_event_t, nlohmann::json& value) {
        if (value.is_number_float()) {
          throw std::out_of_range(value.dump() +
                                  " is no whole number of 64 bits");
        }
        return true;
      });
}

}  // namespace ovs_rmirror
