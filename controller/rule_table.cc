// SPDX-License-Identifier: Apache-2.0

#include "controller/rule_table.h"

#include "controller/ovs.h"
#include "controller/rule_text.h"

namespace ovs_rmirror {

namespace {

void AddText(struct table* table, const std::string& text) {
  table_add_cell(table)->text = xstrdup(text.c_str());
}

// A cell that is no string in JSON.
void AddValue(struct table* table, struct json* value) {
  struct cell* cell = table_add_cell(table);
  cell->json = value;
}

}  // namespace

RuleTable::RuleTable()
    : table_(new struct table, [](struct table* table) {
        table_destroy(table);
        delete table;
      }) {
  table_init(table_.get());
  for (const char* heading : {"bridge", "chain", "num", "packets", "bytes",
                              "dormant", "target", "rule"}) {
    table_add_column(table_.get(), "%s", heading);
  }
}

void RuleTable::Add(const std::string& bridge,
                    const std::vector<ListedChain>& chains) {
  for (const ListedChain& chain : chains) {
    for (size_t i = 0; i < chain.rules.size(); i++) {
      const ListedRule& listed = chain.rules[i];
      struct table* table = table_.get();
      table_add_row(table);
      AddText(table, bridge);
      AddText(table, chain.chain);
      AddValue(table, json_integer_create(static_cast<long long>(i) + 1));
      AddValue(table, json_integer_create(
                          static_cast<long long>(listed.counters.packets)));
      AddValue(table, json_integer_create(
                          static_cast<long long>(listed.counters.bytes)));
      AddValue(table, json_boolean_create(listed.dormant));
      AddText(table, FormatTargetName(listed.rule));
      AddText(table, FormatRule(listed.rule));
    }
  }
}

std::string RuleTable::Format(const std::string& format) const {
  struct table_style style = table_style_default;
  table_parse_format(&style, format.c_str());
  struct ds text = DS_EMPTY_INITIALIZER;
  table_format_reset();
  table_format(table_.get(), &style, &text);
  const std::string result = ds_cstr(&text);
  ds_destroy(&text);
  return result;
}

}  // namespace ovs_rmirror
