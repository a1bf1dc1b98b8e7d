// SPDX-License-Identifier: Apache-2.0
//
// The way of the copies through a bridge: ports, taps, rules, targets.

import {html, svg, setAttribute, setText} from "./dom.js";
import {bits, count, rate, several, shorten} from "./format.js";
import {stateOf} from "./policy.js";
import {healthOf, lossesOf} from "./targets.js";

const COLUMNS = {
  port: {x: 1, width: 148, height: 34, gap: 10, title: "Ports"},
  tap: {x: 236, width: 168, height: 76, gap: 36, title: "Taps"},
  rule: {x: 492, width: 340, height: 66, gap: 12, title: "Rules that mirror"},
  target: {x: 920, width: 259, height: 82, gap: 16, title: "Targets"},
};
const WIDTH = 1180;
const TOP = 30;
const MOST = {port: 8, rule: 10, target: 8};
const INGRESS_CHAINS = new Set(["PREROUTING", "OUTPUT"]);
const EGRESS_CHAINS = new Set(["INPUT", "FORWARD", "POSTROUTING"]);

// The taps at which packets come to each chain.
function tapsOfChains(rules) {
  const taps = new Map();
  const visit = (chain, tap) => {
    const known = taps.get(chain) || new Set();
    if (!known.has(tap)) {
      taps.set(chain, known.add(tap));
      rules.filter((rule) => rule.chain === chain && rule.jump)
        .forEach((rule) => visit(rule.jump, tap));
    }
  };
  INGRESS_CHAINS.forEach((chain) => visit(chain, "ingress"));
  EGRESS_CHAINS.forEach((chain) => visit(chain, "egress"));
  return taps;
}

const total = (rules, figure) =>
  rules.reduce((sum, rule) => sum + rule[figure], 0);

// The rules with the same key, in the order in which they come first.
function groupRules(rules, keyOf) {
  const groups = new Map();
  for (const rule of rules) {
    const key = keyOf(rule);
    if (!groups.has(key)) {
      groups.set(key, []);
    }
    groups.get(key).push(rule);
  }
  return [...groups.values()];
}

// Keeps the groups with most packets, and makes the others one.
function limit(groups, most) {
  if (groups.length <= most) {
    return groups;
  }
  const order = [...groups].sort(
    (a, b) => total(b, "packets") - total(a, "packets"));
  const kept = new Set(order.slice(0, most - 1));
  return [...groups.filter((group) => kept.has(group)),
          groups.filter((group) => !kept.has(group)).flat()];
}

function describeRules(rules) {
  const [first] = rules;
  const single = rules.length === 1;
  const pps = total(rules, "pps");
  const active = rules.filter((rule) => rule.packets > 0).length;
  const chains = [...new Set(rules.map((rule) => rule.chain))];
  const where = chains.length === 1 ? chains[0]
    : several(chains.length, "chain");
  const traffic = pps > 0
    ? `${rate(pps)} packets/s, ${bits(total(rules, "bps"))}`
    : single && stateOf(first).level === "dead" ? stateOf(first).text
    : active === 0 ? "no packet yet"
    : `${several(total(rules, "packets"), "packet")}, none now`;
  return {
    lines: single
      ? [first.comment || first.matches || "every packet",
         `${first.chain} ${first.number}` +
           (first.comment ? `: ${first.matches || "every packet"}` : ""),
         traffic]
      : [`${where}: ${several(rules.length, "rule")}`,
         `${count(active)} of them with packets`, traffic],
    level: pps > 0 ? "active" : active === 0 ? "dead" : "",
    pps,
  };
}

// Returns {nodes, edges} of the picture of `bridge`.
function plan(bridge, links) {
  const nodes = [];
  const edges = [];
  const mirroring = bridge.rules.filter((rule) => rule.session);
  const tapsOf = tapsOfChains(bridge.rules);
  const tapsOfRule = (rule) => [...(tapsOf.get(rule.chain) || [])];

  const sessions = new Map(bridge.sessions.map(
    (session) => [session.session, session]));
  const shownSessions = bridge.sessions.slice(
    0, bridge.sessions.length > MOST.target ? MOST.target - 1 : undefined);
  const targetOf = new Map(shownSessions.map(
    ({session}) => [session, `target ${session}`]));
  const targetKey = (rule) => targetOf.get(rule.session) || "target others";

  // Ports.
  const named = new Set(mirroring.flatMap(
    (rule) => [rule.in_port, rule.out_port]));
  const ports = [...bridge.ports].sort(
    (a, b) => named.has(b) - named.has(a) || (a < b ? -1 : 1));
  const shownPorts = ports.slice(
    0, ports.length > MOST.port ? MOST.port - 1 : undefined);
  for (const port of shownPorts) {
    nodes.push({key: `port ${port}`, column: "port", level: "",
                lines: [port + (port === bridge.name ? " (host)" : "")]});
  }
  if (ports.length > shownPorts.length) {
    nodes.push({key: "port others", column: "port", level: "", lines: [
      several(ports.length - shownPorts.length, "more port")]});
  }

  // Taps.
  for (const [tap, title] of [["ingress", "Ingress tap"],
                              ["egress", "Egress tap"]]) {
    const rules = bridge.rules.filter((rule) => tapsOfRule(rule).includes(tap));
    nodes.push({
      key: `tap ${tap}`, column: "tap", level: rules.length ? "" : "dead",
      lines: [title,
              tap === "ingress" ? "packets that enter" : "packets that leave",
              `table ${bridge.status.tables[tap]}: ` +
                (rules.length ? several(rules.length, "rule") : "not used")]});
    for (const port of rules.length ? shownPorts : []) {
      const figure = tap === "ingress" ? "in_port" : "out_port";
      const through = mirroring.filter(
        (rule) => tapsOfRule(rule).includes(tap) && rule[figure] === port);
      edges.push({from: `port ${port}`, to: `tap ${tap}`,
                  pps: total(through, "pps"), level: ""});
    }
    if (rules.length && ports.length > shownPorts.length) {
      edges.push({from: "port others", to: `tap ${tap}`, pps: 0, level: ""});
    }
  }

  // Rules.
  const groups = mirroring.length <= MOST.rule
    ? mirroring.map((rule) => [rule])
    : limit(groupRules(mirroring, (rule) => `${rule.chain} ${targetKey(rule)}`),
            MOST.rule);
  groups.forEach((rules) => {
    const key = rules.length === 1
      ? `rule ${rules[0].index}` : `rules ${rules[0].index} ${rules.length}`;
    const {lines, level, pps} = describeRules(rules);
    nodes.push({key, column: "rule", level, lines,
                link: links.rule(rules[0])});
    const taps = new Set(rules.flatMap(tapsOfRule));
    for (const tap of taps) {
      edges.push({from: `tap ${tap}`, to: key, pps, level});
    }
    for (const target of new Set(rules.map(targetKey))) {
      const through = rules.filter((rule) => targetKey(rule) === target);
      const session = sessions.get(through[0].session);
      const losing = session && lossesOf(session.recent_drops).length > 0;
      edges.push({from: key, to: target, pps: total(through, "pps"),
                  level: losing ? "bad" : level});
    }
  });

  // Targets.
  for (const session of shownSessions) {
    const health = healthOf(session.health);
    const losses = lossesOf(session.recent_drops);
    nodes.push({
      key: `target ${session.session}`, column: "target", level: health.level,
      lines: [session.session, `${health.symbol} ${health.word}`,
              losses.length
                ? `${count(losses.reduce((sum, [, n]) => sum + n, 0))} lost ` +
                  `in ${bridge.status.window} s`
                : session.rate ? `${rate(session.rate.copies)} copies/s, ` +
                  bits(session.rate.mirrored) : ""],
      link: links.target(session)});
  }
  if (bridge.sessions.length > shownSessions.length) {
    const others = bridge.sessions.slice(shownSessions.length);
    const losing = others.filter(
      (session) => lossesOf(session.recent_drops).length > 0);
    nodes.push({
      key: "target others", column: "target",
      level: losing.length ? "bad" : "",
      lines: [several(others.length, "more target"),
              losing.length ? `▲ ${count(losing.length)} losing copies`
                            : "● none loses copies",
              `${rate(others.reduce((sum, {rate: figures}) => sum +
                (figures ? figures.copies : 0), 0))} copies/s`]});
  }
  return {nodes, edges};
}

// How many characters fit a line of a node.
const FIT = {port: [20], tap: [24, 26, 26], rule: [48, 54, 54],
             target: [34, 38, 38]};

class Node {
  constructor({key, column, lines, link}) {
    const {width, height} = COLUMNS[column];
    this.column = column;
    this.title = svg("title");
    this.box = svg("rect", {width, height, rx: "7"});
    this.lines = lines.map((_, i) => svg("text", {
      x: "12", y: height / 2 + 4.5 + (i - (lines.length - 1) / 2) * 19,
      class: i === 0 ? "first" : ""}));
    const inner = [this.title, this.box, ...this.lines];
    this.element = svg("g", {"data-node": key}, ...(
      link ? [svg("a", {href: `#${link}`}, ...inner)] : inner));
  }

  place(y) {
    this.y = y;
    setAttribute(this.element, "transform",
                 `translate(${COLUMNS[this.column].x} ${y})`);
  }

  update({lines, level, column}) {
    setAttribute(this.element, "class", `node ${column} ${level}`);
    setText(this.title, lines.join("\n"));
    this.lines.forEach((line, i) => setText(
      line, shorten(lines[i], FIT[column][i])));
  }
}

export class Picture {
  constructor(links, label) {
    this.links = links;
    this.label = label;
    this.shape = "";
    this.nodes = new Map();
    this.edges = [];
    this.element = html("div", {class: "picture scroll", tabindex: "0",
                                role: "region", "aria-label": label});
  }

  update(bridge) {
    if (!bridge.hasCounters) {
      return;
    }
    const {nodes, edges} = plan(bridge, this.links);
    const shape = JSON.stringify([
      nodes.map(({key, lines}) => [key, lines.length]),
      edges.map(({from, to}) => [from, to])]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.build(nodes, edges);
    }
    nodes.forEach((node) => this.nodes.get(node.key).update(node));
    edges.forEach(({pps, level}, i) => {
      const width = pps > 0 ? Math.min(9, 1.5 + 1.5 * Math.log10(1 + pps)) : 1;
      setAttribute(this.edges[i], "stroke-width", width.toFixed(1));
      setAttribute(this.edges[i], "class", `edge ${pps > 0 ? "flows" : ""} ` +
        `${level}`);
    });
  }

  build(nodes, edges) {
    const heights = Object.entries(COLUMNS).map(([name, {height, gap}]) => {
      const n = nodes.filter(({column}) => column === name).length;
      return n * (height + gap) - gap;
    });
    const inner = Math.max(...heights);
    this.nodes = new Map();
    const titles = [];
    Object.entries(COLUMNS).forEach(([name, {x, title, height, gap}], i) => {
      titles.push(svg("text", {x: x + 2, y: "14", class: "column"}, title));
      let y = TOP + (inner - heights[i]) / 2;
      for (const node of nodes.filter(({column}) => column === name)) {
        const made = new Node(node);
        made.place(y);
        this.nodes.set(node.key, made);
        y += height + gap;
      }
    });
    // Where edges end at a node, one below the other.
    const ends = new Map();
    const end = (key, side) => {
      const node = this.nodes.get(key);
      const list = ends.get(side + key) || [];
      ends.set(side + key, list);
      list.push(null);
      return {node, list, index: list.length - 1};
    };
    const places = edges.map(({from, to}) => [end(from, "from"), end(to, "to")]);
    const yOf = ({node, list, index}) => {
      const {height} = COLUMNS[node.column];
      const step = Math.min(12, (height - 16) / list.length);
      return node.y + height / 2 + (index - (list.length - 1) / 2) * step;
    };
    this.edges = places.map(([from, to]) => {
      const a = COLUMNS[from.node.column];
      const x1 = a.x + a.width;
      const x2 = COLUMNS[to.node.column].x;
      const bend = (x2 - x1) / 2;
      const y1 = yOf(from).toFixed(1);
      const y2 = yOf(to).toFixed(1);
      return svg("path", {d: `M${x1} ${y1}C${x1 + bend} ${y1} ` +
        `${x2 - bend} ${y2} ${x2} ${y2}`});
    });
    const height = TOP + inner + 4;
    this.element.replaceChildren(svg(
      "svg", {viewBox: `0 0 ${WIDTH} ${height}`, role: "group",
              "aria-label": this.label},
      ...titles, ...this.edges,
      ...[...this.nodes.values()].map(({element}) => element)));
  }
}
