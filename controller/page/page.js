// SPDX-License-Identifier: Apache-2.0
//
// Asks the daemon again and again and shows what it says.

import {html, setAttribute, setHidden, setText} from "./dom.js";
import {bits, clock, count, percent, rate, several} from "./format.js";
import {Picture} from "./picture.js";
import {PolicyTable} from "./policy.js";
import {lossesOf, reasonText, Targets} from "./targets.js";

// Milliseconds: between questions; when an answer is given up; and between
// questions for the history, of which there is news every 5 seconds.
const INTERVAL = 2000;
const PATIENCE = 10000;
const HISTORY_INTERVAL = 5000;

// So many lines say what is wrong with a bridge.
const PROBLEMS = 8;

const byId = (id) => document.getElementById(id);

async function ask(path) {
  const answer = await fetch(path, {
    cache: "no-store", signal: AbortSignal.timeout(PATIENCE)});
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status}`);
  }
  return answer.json();
}

// A counter that has become less was reset meanwhile.
const growth = (before, now) => (now >= before ? now - before : now);

// Adds to `sessions` their rates since `before`, which were counted `elapsed`
// milliseconds ago.
function addSessionRates(sessions, before, elapsed) {
  const former = new Map(
    before.map((session) => [session.session, session]));
  for (const session of sessions) {
    const was = former.get(session.session);
    if (!was || !("copies" in was) || !("copies" in session)) {
      continue;
    }
    if (elapsed === 0) {
      session.rate = was.rate;
      continue;
    }
    const perSecond = (name) =>
      (1000 * growth(was[name], session[name])) / elapsed;
    session.rate = {copies: perSecond("copies"),
                    mirrored: 8 * perSecond("bytes"),
                    original: 8 * perSecond("original_bytes")};
  }
}

// What the parts of the page show of a bridge.  `texts` are the rules of its
// policy; `before` is the same of the last state, if there is one.
function makeBridge(state, {status, policy}, texts, before) {
  const bridge = {name: status.bridge, status, time: state.time,
                  hasCounters: Boolean(policy && texts), policyId: null,
                  sessions: status.sessions, rules: [], chains: [], ports: [],
                  clock: state.clock, sessionsClock: state.sessions_clock};
  bridge.sessions.forEach((session, index) => {
    session.index = index;
    session.rules = 0;
  });
  if (before && before.sessionsClock !== null &&
      bridge.sessionsClock !== null) {
    addSessionRates(bridge.sessions, before.sessions,
                    bridge.sessionsClock - before.sessionsClock);
  }
  if (!bridge.hasCounters) {
    return bridge;
  }
  Object.assign(bridge, {policyId: policy.id, chains: policy.chains,
                         ports: policy.ports});
  const dormant = new Set(policy.dormant);
  const sessions = new Map(bridge.sessions.map(
    (session) => [session.session, session]));
  const numbers = new Map();
  const comparable = before && before.policyId === policy.id &&
    state.clock > before.clock;
  bridge.rules = texts.map((text, index) => {
    const [packets, bytes] = policy.rules[index];
    const number = (numbers.get(text.chain) || 0) + 1;
    numbers.set(text.chain, number);
    if (sessions.has(text.session)) {
      sessions.get(text.session).rules++;
    }
    const perSecond = (figure, now) => comparable
      ? (1000 * growth(before.rules[index][figure], now)) /
        (state.clock - before.clock) : 0;
    return {...text, index, number, packets, bytes,
            dormant: dormant.has(index), pps: perSecond("packets", packets),
            bps: 8 * perSecond("bytes", bytes)};
  });
  return bridge;
}

// What is wrong with a bridge, in sentences, the worst first.
function problemsOf({status}) {
  const problems = [];
  if (!status.connected) {
    problems.push(`There is no connection to the switch: ${status.switch}`);
  }
  if (!status.in_force) {
    problems.push("No policy is in force: nothing is mirrored.");
  }
  if (status.error) {
    problems.push(`The switch is not as the policy says: ${status.error}`);
  }
  if (status.policy_error) {
    problems.push("The policy file has an error, " + (status.last_good
      ? `the copy ${status.last_good} is in force` : "what was in force stays")
      + `: ${status.policy_error}`);
  }
  for (const session of status.sessions) {
    for (const [reason, number] of lossesOf(session.recent_drops)) {
      problems.push(`${session.session}: ${several(number, "copy")
        .replace(/copys$/, "copies")} lost in the last ${status.window} s: ` +
        `${reasonText(reason)} (${reason})`);
    }
  }
  if (status.recent_no_session > 0) {
    problems.push(`${several(status.recent_no_session, "packet")} not copied ` +
      `in the last ${status.window} s: the datapath has too many sessions`);
  }
  return problems;
}

function factsOf({status}) {
  return [
    status.tier ? `tier ${status.tier}` : "",
    status.connected ? "connected" : "not connected",
    status.in_force ? `${several(status.rules, "rule")} as ` +
      several(status.flows, "flow") : "",
    status.dormant ? `${several(status.dormant, "rule")} waiting for a port`
      : "",
    status.foreign ? `${several(status.foreign, "flow")} of others` : "",
    status.state,
    `policy ${status.policy}`,
  ].filter(Boolean).join(" · ");
}

class BridgeView {
  constructor(index, name) {
    const prefix = `bridge-${index}`;
    this.id = prefix;
    this.targets = new Targets(prefix);
    this.table = new PolicyTable(prefix, `Rules of ${name}`);
    this.picture = new Picture({
      rule: (rule) => this.table.idOf(rule),
      target: (session) => this.targets.idOf(session),
    }, `Flow of copies through ${name}`);
    this.badge = html("span", {class: "badge"});
    this.facts = html("p", {class: "facts"});
    this.problems = html("ul", {class: "problems"});
    this.element = html(
      "section", {class: "bridge", id: prefix, tabindex: "-1",
                  "aria-labelledby": `${prefix}-name`, "data-bridge": name},
      html("div", {class: "bridge-head"},
           html("h2", {id: `${prefix}-name`}, `Bridge ${name}`), this.badge),
      this.facts, this.problems,
      html("h3", {}, "Flow of copies"), this.picture.element,
      html("h3", {}, "Targets"), this.targets.element,
      html("h3", {}, "Policy"), this.table.element);
  }

  update(bridge) {
    const all = problemsOf(bridge);
    const problems = all.length <= PROBLEMS ? all
      : [...all.slice(0, PROBLEMS - 1),
         `… and ${count(all.length - PROBLEMS + 1)} more: see the targets`];
    setText(this.badge, bridge.status.good && problems.length === 0
      ? "● in order" : "▲ something is wrong");
    setAttribute(this.badge, "class",
                 `badge ${problems.length === 0 ? "good" : "bad"}`);
    setText(this.facts, factsOf(bridge));
    if (this.problemsText !== problems.join("\n")) {
      this.problemsText = problems.join("\n");
      this.problems.replaceChildren(
        ...problems.map((problem) => html("li", {}, `▲ ${problem}`)));
    }
    setHidden(this.problems, problems.length === 0);
    this.targets.update(bridge);
    this.picture.update(bridge);
    this.table.update(bridge);
  }
}

// Whether the mirror works, what it costs and what is lost.
class Summary {
  constructor(element) {
    this.tiles = ["works", "costs", "lost"].map((name, i) => {
      const tile = {
        head: html("h3", {}, ["Does it mirror?", "What does it cost?",
                              "What is lost?"][i]),
        figure: html("p", {class: "big", "data-figure": name}),
        more: html("p", {class: "facts"}),
      };
      tile.element = html("div", {class: "card tile"}, tile.head, tile.figure,
                          tile.more);
      return tile;
    });
    element.append(...this.tiles.map((tile) => tile.element));
  }

  set(i, level, figure, more) {
    const tile = this.tiles[i];
    setText(tile.figure, figure);
    setAttribute(tile.figure, "class", `big ${level}`);
    setText(tile.more, more);
  }

  update(bridges) {
    const wrong = bridges.filter((bridge) => problemsOf(bridge).length > 0);
    const dark = bridges.filter(({status}) =>
      !status.connected || !status.in_force);
    const sessions = bridges.flatMap((bridge) => bridge.sessions);
    const rules = bridges.flatMap((bridge) => bridge.rules);
    const lately = Math.max(...bridges.map(({status}) => status.window));
    const names = (some) => some.map(({name}) => name).join(", ");
    this.set(0, dark.length ? "bad" : wrong.length ? "warn" : "good",
             dark.length === bridges.length ? "▲ No"
               : dark.length ? `▲ Not ${names(dark)}`
               : wrong.length ? "▲ Yes, with trouble" : "● Yes",
             (wrong.length ? `See what is wrong with ${names(wrong)} below. `
                           : "") +
             `${several(bridges.length, "bridge")}, ` +
             `${several(rules.length, "rule")}, ` +
             several(sessions.length, "target"));
    const rated = sessions.filter((session) => session.rate);
    const add = (name) => rated.reduce(
      (sum, session) => sum + session.rate[name], 0);
    const known = sessions.filter((session) => "copies" in session);
    this.set(1, "", rated.length || !sessions.length ? bits(add("mirrored"))
      : known.length ? "…" : "? Not known", rated.length
      ? `${rate(add("copies"))} copies/s to the collectors` +
        (add("original") > 0 ? `: ${percent(add("mirrored"), add("original"))}`
          + ` of the ${bits(add("original"))} that rules copy` : "")
      : known.length ? "" : "nothing counts the copies in this tier");
    const reasons = new Map();
    let lost = 0;
    for (const session of known) {
      for (const [reason, number] of lossesOf(session.recent_drops)) {
        reasons.set(reason, (reasons.get(reason) || 0) + number);
        lost += number;
      }
    }
    const spared = bridges.reduce(
      (sum, {status}) => sum + status.recent_no_session, 0);
    if (spared > 0) {
      reasons.set("no_session", spared);
      lost += spared;
    }
    this.set(2, lost ? "bad" : known.length ? "good" : "",
             lost ? `▲ ${count(lost)}` : known.length ? "● Nothing"
               : "? Not known",
             lost ? `${lost === 1 ? "copy" : "copies"} in the last ` +
               `${lately} s: ` + [...reasons].map(([reason, number]) =>
                 `${reason} ${count(number)}`).join(", ")
               : known.length ? `in the last ${lately} s` : "");
  }
}

class Page {
  constructor() {
    this.summary = new Summary(byId("summary"));
    this.views = new Map();
    this.bridges = new Map();
    this.texts = new Map();  // By bridge: {id, rules}.
    this.historyTime = -Infinity;
    this.answered = null;    // When there was an answer last.
    this.failed = false;
    document.addEventListener("visibilitychange", () => this.wake());
    setInterval(() => this.tell(), 1000);
    this.run();
  }

  // Asks as long as somebody looks.
  async run() {
    for (;;) {
      if (!document.hidden) {
        try {
          await this.refresh();
          this.answered = Date.now();
          this.failed = false;
        } catch {
          this.failed = true;
        }
        this.tell();
      }
      await new Promise((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, INTERVAL);
      });
    }
  }

  wake() {}

  async refresh() {
    const state = await ask("/api/state");
    if (state.bridges.some(({status, policy}) => policy &&
        (this.texts.get(status.bridge) || {}).id !== policy.id)) {
      const policies = await ask("/api/policies");
      this.texts = new Map(policies.map((each) => [each.bridge, each]));
    }
    setText(byId("host"), state.host ? ` on ${state.host}` : "");
    setText(byId("version"), state.version);
    const bridges = state.bridges.map((entry) => {
      const name = entry.status.bridge;
      const texts = this.texts.get(name);
      return makeBridge(
        state, entry,
        entry.policy && texts && texts.id === entry.policy.id && texts.rules,
        this.bridges.get(name));
    });
    this.arrange(bridges);
    for (const bridge of bridges) {
      this.views.get(bridge.name).update(bridge);
      // Where the counters of the rules are missing this once, the next rates
      // are since the last ones that there were.
      this.bridges.set(bridge.name, bridge);
    }
    this.summary.update(bridges);
    if (state.clock >= this.historyTime + HISTORY_INTERVAL ||
        state.clock < this.historyTime) {
      await this.refreshHistory();
      this.historyTime = state.clock;
    }
  }

  async refreshHistory() {
    const {time, window, series} = await ask("/api/history");
    for (const [name, view] of this.views) {
      view.targets.updateHistory(
        series.filter(({bridge}) => bridge === name), time, window);
    }
  }

  // Makes the views of the bridges that there are.
  arrange(bridges) {
    const names = bridges.map(({name}) => name);
    if (names.join("\n") === [...this.views.keys()].join("\n")) {
      return;
    }
    this.views = new Map(names.map(
      (name, i) => [name, new BridgeView(i, name)]));
    this.historyTime = -Infinity;
    byId("bridges").replaceChildren(
      ...[...this.views.values()].map(({element}) => element));
    byId("contents").replaceChildren(...(names.length > 1 ? names : []).map(
      (name) => html("a", {href: `#${this.views.get(name).id}`}, name)));
  }

  // Says whether what is shown is so now.
  tell() {
    const stale = this.failed;
    setAttribute(document.body, "class", stale ? "stale" : "");
    setAttribute(byId("connection"), "class",
                 `badge ${stale ? "bad" : "good"}`);
    setText(byId("connection-text"), stale
      ? "▲ Not connected to ovs-rmirrord" + (this.answered
        ? `: these figures are of ${clock(this.answered)}` : "")
      : this.answered ? "● Live" : "Connecting to ovs-rmirrord");
    const age = this.answered
      ? Math.round((Date.now() - this.answered) / 1000) : 0;
    setText(byId("age"), !stale && age > 5 ? `, ${age} s old` : "");
  }
}

new Page();
