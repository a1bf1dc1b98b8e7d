// SPDX-License-Identifier: Apache-2.0

#include "controller/diagnostic_json.h"

namespace ovs_rmirror {

nlohmann::json DiagnosticsAsJson(const SourceText& source,
                                 const Diagnostics& diagnostics) {
  nlohmann::json all = nlohmann::json::array();
  for (const Diagnostic& diagnostic : diagnostics.Sorted()) {
    all.push_back({{"severity", SeverityName(diagnostic.severity)},
                   {"line", diagnostic.where.line},
                   {"column", ColumnOf(source, diagnostic.where)},
                   {"what", diagnostic.what},
                   {"instead", diagnostic.instead}});
  }
  return all;
}

}  // namespace ovs_rmirror
