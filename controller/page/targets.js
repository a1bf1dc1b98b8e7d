// SPDX-License-Identifier: Apache-2.0
//
// A card for each target: what it gets, what it lost and why.

import {Chart} from "./chart.js";
import {html, setAttribute, setHidden, setText} from "./dom.js";
import {bits, bytes, count, percent, rate, several} from "./format.js";

// Why a copy is not sent.
const REASONS = {
  no_route: "there is no route to the collector",
  no_neigh: "the next hop does not answer ARP or Neighbor Discovery",
  too_big: "the copy exceeds the MTU",
  loop: "the packet is itself a copy to or from the collector",
  link_down: "the device of the route is down",
  xmit: "the device, its queue or a packet filter refused the copy",
  no_memory: "there was no memory for the copy",
  malformed: "the packet cannot be taken apart",
};

export function reasonText(reason) {
  return REASONS[reason] || reason;
}

// What a session's health is in a symbol, a word and a class.
export function healthOf(health) {
  return {
    sending: {symbol: "●", word: "sending", level: "good"},
    idle: {symbol: "○", word: "idle: nothing to send", level: "quiet"},
    unknown: {symbol: "?", word: "not known", level: "quiet"},
  }[health] || {symbol: "▲", word: `losing copies: ${health}`, level: "bad"};
}

// The drops of `drops`, {REASON: NUMBER}, that there are.
export function dropsOf(drops) {
  return Object.entries(drops || {}).filter(([, number]) => number > 0);
}

// Those that somebody misses.
export function lossesOf(drops) {
  return dropsOf(drops).filter(([reason]) => reason !== "loop");
}

function sum(drops) {
  return drops.reduce((total, [, number]) => total + number, 0);
}

// When a copy was last sent to the target, in words.
function lastCopyOf(session) {
  const seconds = session.last_copy;
  if (seconds === undefined || session.health === "sending") {
    return "";
  }
  return seconds === null ? ", no copy was seen yet"
    : seconds < 120 ? `, last copy ${seconds} s ago`
    : `, last copy ${several(Math.floor(seconds / 60), "minute")} ago`;
}

// What stands in the way to the target, in words.
function wayOf({way, health}) {
  return way === undefined || health === "sending" ? ""
    : way === null ? ", no route"
    : way.resolved ? `, by ${way.device}`
    : `, by ${way.device}, next hop ${way.next_hop} not resolved`;
}

const TARGETS_AT_FIRST = 24;

class Target {
  constructor(id, name) {
    this.name = name;
    this.health = html("p", {class: "badge"});
    this.facts = html("p", {class: "facts"});
    this.figures = {};
    const list = html("dl", {class: "figures"});
    for (const [key, label] of [
      ["copies", "Copies"], ["bytes", "Bytes of copies"],
      ["original_bytes", "Bytes before the cut"], ["drops", "Lost"]]) {
      this.figures[key] = html("dd", {"data-figure": key});
      list.append(html("div", {}, html("dt", {}, label), this.figures[key]));
    }
    this.legend = {
      original: html("span"), mirrored: html("span"), share: html("span")};
    this.traffic = new Chart({
      label: `Traffic of ${name} in the last 15 minutes, in bits per second`,
      stacks: false,
      unit: bits,
      describe: ({values}) => `packets that were copied ` +
        `${bits(values.original)}, copies ${bits(values.mirrored)}`,
    });
    this.losses = new Chart({
      label: `Lost copies of ${name} in the last 15 minutes, per second`,
      stacks: true,
      unit: (number) => rate(number),
      describe: ({values}) => dropsOf(values).map(
        ([reason, number]) => `${reason} ${rate(number)}/s`).join(", ") ||
        "nothing lost",
    });
    this.lossesLegend = html("ul", {class: "legend"});
    this.lossesBox = html("div", {class: "losses"},
                          html("h5", {}, "Lost copies per second, by reason"),
                          this.lossesLegend, this.losses.element);
    this.noLosses = html("p", {class: "quiet"},
                         "✓ No copy was lost in the last 15 minutes.");
    this.recent = html("ul", {class: "drops"});
    this.element = html(
      "article", {class: "card target", id, tabindex: "-1",
                  "aria-labelledby": `${id}-name`, "data-session": name},
      html("div", {class: "card-head"},
           html("h4", {id: `${id}-name`}, name), this.health),
      this.facts, list, this.recent,
      html("h5", {}, "Traffic"),
      html("ul", {class: "legend"},
           html("li", {class: "key original"},
                "packets that were copied ", this.legend.original),
           html("li", {class: "key mirrored"},
                "copies ", this.legend.mirrored, " ", this.legend.share)),
      this.traffic.element, this.lossesBox, this.noLosses);
  }

  update(session, rules, window) {
    const health = healthOf(session.health);
    setText(this.health, `${health.symbol} ${health.word}`);
    setAttribute(this.health, "class", `badge ${health.level}`);
    setText(this.facts, `${several(rules, "rule")} ` +
      `${rules === 1 ? "mirrors" : "mirror"} to it` +
      lastCopyOf(session) + wayOf(session));
    const known = "copies" in session;
    const drops = dropsOf(session.drops);
    for (const [key, figure] of Object.entries(this.figures)) {
      const value = key === "drops" ? sum(drops) : session[key];
      setText(figure, known ? count(value) : "–");
      if (known && key.endsWith("bytes")) {
        setAttribute(figure, "title", bytes(value));
      }
    }
    setAttribute(this.figures.drops, "class",
                 lossesOf(session.recent_drops).length ? "bad" : "");
    this.updateDrops(drops, session.recent_drops || {}, window);
    const {original, mirrored} = session.rate || {};
    setText(this.legend.original, session.rate ? bits(original) : "");
    setText(this.legend.mirrored, session.rate ? bits(mirrored) : "");
    setText(this.legend.share, session.rate && original > 0
      ? `(${percent(mirrored, original)})` : "");
  }

  // A line for each reason for which copies were lost, ever.
  updateDrops(drops, recent, window) {
    const lines = drops.map(([reason, number]) => {
      const lately = recent[reason] || 0;
      return {reason, lately, text: `${lately ? "▲ " : ""}${reason}: ` +
        `${count(number)}, ${lately ? `of these ${count(lately)}` : "none"} ` +
        `in the last ${window} s: ${reasonText(reason)}`};
    });
    while (this.recent.children.length > lines.length) {
      this.recent.lastChild.remove();
    }
    lines.forEach(({reason, lately, text}, i) => {
      const item = this.recent.children[i] ||
        this.recent.appendChild(html("li"));
      setText(item, text);
      setAttribute(item, "data-reason", reason);
      setAttribute(item, "class", lately ? "bad" : "quiet");
    });
    setHidden(this.recent, lines.length === 0);
  }

  // `points`: see FormatPageHistory() of the daemon.
  updateHistory(points, now, window) {
    const perSecond = (number, duration) => (1000 * number) / duration;
    this.traffic.update(
      points.map(([when, duration, , kept, original]) => ({
        when, duration,
        values: {original: perSecond(8 * original, duration),
                 mirrored: perSecond(8 * kept, duration)}})),
      ["original", "mirrored"], now, window);
    const totals = new Map();
    for (const point of points) {
      for (const [reason, number] of Object.entries(point[5])) {
        totals.set(reason, (totals.get(reason) || 0) + number);
      }
    }
    const reasons = [...totals.keys()].sort();
    this.losses.update(
      points.map(([when, duration, , , , drops]) => ({
        when, duration,
        values: Object.fromEntries(Object.entries(drops).map(
          ([reason, number]) => [reason, perSecond(number, duration)]))})),
      reasons, now, window);
    this.lossesLegend.replaceChildren(...reasons.map((reason) => html(
      "li", {class: `key ${reason}`}, `${reason} `,
      html("span", {}, count(totals.get(reason))))));
    setHidden(this.lossesBox, reasons.length === 0);
    setHidden(this.noLosses, reasons.length > 0 || points.length === 0);
  }
}

export class Targets {
  constructor(prefix) {
    this.prefix = prefix;
    this.cards = new Map();
    this.limit = TARGETS_AT_FIRST;
    this.list = html("div", {class: "targets"});
    this.error = html("p", {class: "note"});
    this.more = html("button", {type: "button"});
    this.more.addEventListener("click", () => {
      this.limit = Infinity;
      this.update(this.bridge);
    });
    this.element = html("div", {}, this.error, this.list, this.more);
  }

  // The id of the card of a session.
  idOf(session) {
    return `${this.prefix}-target-${session.index}`;
  }

  update(bridge) {
    this.bridge = bridge;
    setText(this.error, bridge.status.sessions_error
      ? `What the targets get is not known: ${bridge.status.sessions_error}`
      : bridge.sessions.length === 0 ? "No rule mirrors." : "");
    setHidden(this.error, this.error.textContent === "");
    const shown = bridge.sessions.slice(0, this.limit);
    const names = new Set(shown.map(({session}) => session));
    for (const [name, card] of this.cards) {
      if (!names.has(name)) {
        card.element.remove();
        this.cards.delete(name);
      }
    }
    shown.forEach((session, i) => {
      let card = this.cards.get(session.session);
      if (!card) {
        card = new Target(this.idOf(session), session.session);
        card.updateHistory([], bridge.time, 15 * 60000);
        this.cards.set(session.session, card);
      }
      setAttribute(card.element, "id", this.idOf(session));
      if (this.list.children[i] !== card.element) {
        this.list.insertBefore(card.element, this.list.children[i] || null);
      }
      card.update(session, session.rules, bridge.status.window);
    });
    const hidden = bridge.sessions.length - shown.length;
    setText(this.more, `Show ${several(hidden, "more target")}`);
    setHidden(this.more, hidden <= 0);
  }

  updateHistory(series, now, window) {
    for (const {session, points} of series) {
      const card = this.cards.get(session);
      if (card) {
        card.updateHistory(points, now, window);
      }
    }
  }
}
