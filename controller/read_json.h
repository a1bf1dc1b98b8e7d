// SPDX-License-Identifier: Apache-2.0

#ifndef CONTROLLER_READ_JSON_H
#define CONTROLLER_READ_JSON_H 1

#include <nlohmann/json.hpp>
#include <string>

namespace ovs_rmirror {

// Returns the JSON value in `text`, what another program has answered, which
// has no numbers but whole ones of at most 64 bits: whoever converts others to
// an integer must not rely on what becomes of them.  Throws a std::exception if
// that is not so.
nlohmann::json ReadJson(const std::string& text);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_READ_JSON_H
