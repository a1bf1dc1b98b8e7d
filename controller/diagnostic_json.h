// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics for programs.

#ifndef CONTROLLER_DIAGNOSTIC_JSON_H
#define CONTROLLER_DIAGNOSTIC_JSON_H

#include <nlohmann/json.hpp>

#include "controller/diagnostic.h"

namespace ovs_rmirror {

// Returns an array of objects with the members severity ("error", "warning",
// "note"), line and column, both from 1, what, and instead, which may be empty.
// Columns count characters.
nlohmann::json DiagnosticsAsJson(const SourceText& source,
                                 const Diagnostics& diagnostics);

}  // namespace ovs_rmirror

#endif  // CONTROLLER_DIAGNOSTIC_JSON_H
