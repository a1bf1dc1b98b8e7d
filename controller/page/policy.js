// SPDX-License-Identifier: Apache-2.0
//
// The policy as a table, with the counters of its rules.

import {html, setAttribute, setHidden, setText} from "./dom.js";
import {bits, count, rate, several} from "./format.js";

const ROWS_AT_FIRST = 2000;

// What there is to say of a rule: its text, and its class.
export function stateOf(rule) {
  if (rule.never) {
    return {text: rule.never.replace(/^this rule /, ""), level: "dead"};
  }
  if (rule.dormant) {
    return {text: "waits for its port", level: "dead"};
  }
  if (rule.packets === 0) {
    return {text: "no packet yet", level: "dead"};
  }
  return {text: rule.pps > 0 ? "● active" : "", level: ""};
}

class Row {
  constructor(id, rule) {
    this.cells = {};
    const cell = (name, type = "td", attributes = {}) => {
      this.cells[name] = html(type, {class: name, ...attributes});
      return this.cells[name];
    };
    this.element = html(
      "tr", {id, tabindex: "-1", "data-rule": rule.index},
      cell("number"), cell("packets"), cell("bytes"), cell("pps"), cell("bps"),
      cell("rule", "th", {scope: "row"}), cell("state"));
    setText(this.cells.number, String(rule.number));
    this.cells.rule.append(html("code", {}, rule.rule));
    this.words = `${rule.chain} ${rule.rule}`.toLowerCase();
    setAttribute(this.cells.number, "title", `line ${rule.line} of the file`);
  }

  update(rule) {
    this.rule = rule;
    const state = stateOf(rule);
    setText(this.cells.packets, count(rule.packets));
    setText(this.cells.bytes, count(rule.bytes));
    setText(this.cells.pps, rule.pps > 0 ? rate(rule.pps) : "");
    setText(this.cells.bps, rule.bps > 0 ? bits(rule.bps) : "");
    setText(this.cells.state, state.text);
    setAttribute(this.element, "class", state.level);
  }
}

export class PolicyTable {
  constructor(prefix, caption) {
    this.prefix = prefix;
    this.rows = [];
    this.limit = ROWS_AT_FIRST;
    this.chains = new Map();
    this.find = html("input", {type: "search", id: `${prefix}-find`,
                               autocomplete: "off", spellcheck: "false"});
    this.dead = html("input", {type: "checkbox", id: `${prefix}-dead`});
    this.found = html("p", {class: "found", role: "status"});
    this.missing = html("p", {class: "note"},
                        "The switch does not say the counters of the rules.");
    this.more = html("button", {type: "button"});
    this.table = html(
      "table", {},
      html("caption", {class: "hidden"}, caption),
      html("thead", {}, html("tr", {}, ...[
        ["number", "#"], ["packets", "Packets"], ["bytes", "Bytes"],
        ["pps", "Packets/s"], ["bps", "Matched"], ["rule", "Rule"],
        ["state", "State"]].map(
        ([name, text]) => html("th", {scope: "col", class: name}, text)))));
    this.scroll = html("div", {class: "scroll", tabindex: "0", role: "region",
                               "aria-label": caption}, this.table);
    this.element = html(
      "div", {},
      html("form", {class: "controls", role: "search"},
           html("label", {for: `${prefix}-find`}, "Find in rules"), this.find,
           this.dead,
           html("label", {for: `${prefix}-dead`},
                "only rules without packets"), this.found),
      this.missing, this.scroll, this.more);
    this.element.firstChild.addEventListener(
      "submit", (event) => event.preventDefault());
    this.find.addEventListener("input", () => this.filter());
    this.dead.addEventListener("change", () => this.filter());
    this.more.addEventListener("click", () => {
      this.limit = Infinity;
      this.id = null;
      this.update(this.bridge);
    });
  }

  // The id of the row of a rule.
  idOf(rule) {
    return `${this.prefix}-rule-${rule.index}`;
  }

  update(bridge) {
    this.bridge = bridge;
    setHidden(this.missing, bridge.hasCounters || !bridge.status.in_force);
    setAttribute(this.table, "class", bridge.hasCounters ? "" : "stale");
    if (!bridge.hasCounters) {
      return;
    }
    if (bridge.policyId !== this.id) {
      this.id = bridge.policyId;
      this.build(bridge);
    }
    for (const {chain, policy, packets, bytes} of bridge.chains) {
      const row = this.chains.get(chain);
      if (row) {
        setText(row, `Chain ${chain}: ${count(packets)} packets, ` +
          `${count(bytes)} bytes met its policy, ${policy}`);
      }
    }
    this.rows.forEach((row, i) => row.update(bridge.rules[i]));
    this.filter();
  }

  build(bridge) {
    while (this.table.tBodies.length > 0) {
      this.table.tBodies[0].remove();
    }
    this.chains.clear();
    const shown = bridge.rules.slice(0, this.limit);
    const bodies = new Map();
    this.rows = shown.map((rule) => {
      if (!bodies.has(rule.chain)) {
        const head = html("th", {colspan: "7", scope: "rowgroup"},
                          `Chain ${rule.chain}`);
        this.chains.set(rule.chain, head);
        bodies.set(rule.chain, html("tbody", {}, html(
          "tr", {class: "chain"}, head)));
      }
      const row = new Row(this.idOf(rule), rule);
      bodies.get(rule.chain).append(row.element);
      return row;
    });
    // As iptables does it: built-in chains in a fixed order, then the others.
    const builtIn = bridge.chains.map(({chain}) => chain);
    this.table.append(...[...new Set([...builtIn, ...bodies.keys()])].filter(
      (chain) => bodies.has(chain)).map((chain) => bodies.get(chain)));
    const hidden = bridge.rules.length - shown.length;
    setText(this.more, `Show ${several(hidden, "more rule")}`);
    setHidden(this.more, hidden <= 0);
  }

  filter() {
    const words = this.find.value.toLowerCase();
    let shown = 0;
    let dead = 0;
    for (const row of this.rows) {
      const isDead = stateOf(row.rule).level === "dead";
      const fits = row.words.includes(words) && (!this.dead.checked || isDead);
      setHidden(row.element, !fits);
      shown += fits;
      dead += isDead;
    }
    const all = this.bridge ? this.bridge.rules.length : 0;
    setText(this.found, (shown === this.rows.length
      ? several(all, "rule") : `${count(shown)} of ${several(all, "rule")}`) +
      (dead ? `, ${count(dead)} without packets` : ""));
  }
}
