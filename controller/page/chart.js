// SPDX-License-Identifier: Apache-2.0
//
// A time series as a picture with a cursor, for pointer and arrow keys.

import {html, svg, setAttribute, setText} from "./dom.js";
import {clock} from "./format.js";

const WIDTH = 560;
const HEIGHT = 132;
const LEFT = 74;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;

// The least number that is not below `number` and is easy to halve; 0 if that
// is.
function ceiling(number) {
  if (number <= 0) {
    return 0;
  }
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 4, 6, 8, 10].find((step) => step * power >= number) * power;
}

export class Chart {
  // `label` says what it shows.  `stacks`: bars on top of each other, else
  // areas, the first one behind.  `unit` makes a text of a value, `describe`
  // of a point.
  constructor({label, stacks, unit, describe}) {
    this.stacks = stacks;
    this.unit = unit;
    this.describe = describe;
    this.points = [];
    this.chosen = null;  // The time of the point that is read.
    this.grid = [0, 0.5, 1].map((part) => ({
      part,
      line: svg("line", {class: "grid", x1: LEFT, x2: WIDTH - RIGHT}),
      text: svg("text", {class: "axis", x: LEFT - 6, "text-anchor": "end"}),
    }));
    this.minutes = [15, 10, 5, 0].map((ago) => ({
      ago,
      line: svg("line", {class: "grid", y1: HEIGHT - BOTTOM,
                         y2: HEIGHT - BOTTOM + 4}),
      text: svg("text", {class: "axis", y: HEIGHT - 4,
                         "text-anchor": ago ? "middle" : "end"},
                ago ? `${ago} min ago` : "now"),
    }));
    this.area = svg("g");
    this.paths = new Map();
    this.cursor = svg("line", {class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM,
                               visibility: "hidden"});
    this.readout = html("p", {class: "readout"});
    this.picture = svg(
      "svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true"},
      ...this.grid.flatMap(({line, text}) => [line, text]),
      ...this.minutes.flatMap(({line, text}) => [line, text]),
      this.area, this.cursor);
    this.frame = html("div", {
      class: "chart", role: "slider", tabindex: "0", "aria-label": label,
      "aria-orientation": "horizontal", "aria-valuemin": "-900",
      "aria-valuemax": "0", "aria-valuenow": "0",
    }, this.picture);
    this.element = html("div", {}, this.frame, this.readout);
    this.frame.addEventListener("pointermove", (event) => {
      const box = this.picture.getBoundingClientRect();
      this.readAt(((event.clientX - box.left) / box.width) * WIDTH);
    });
    this.frame.addEventListener("pointerleave", () => this.choose(null));
    this.frame.addEventListener("blur", () => this.choose(null));
    this.frame.addEventListener("keydown", (event) => this.press(event));
  }

  x(time) {
    return LEFT + (WIDTH - LEFT - RIGHT) *
      (1 - (this.now - time) / this.window);
  }

  y(value) {
    return HEIGHT - BOTTOM -
      (HEIGHT - TOP - BOTTOM) * (value / (this.top || 1));
  }

  // `points` are {when, duration, values}, in the order of time, where `values`
  // are {NAME: VALUE}; all times are in milliseconds.  `names` are those of
  // the values, each of which is a CSS class, too.
  update(points, names, now, window) {
    this.points = points;
    this.now = now;
    this.window = window;
    const height = ({values}) => this.stacks
      ? names.reduce((sum, name) => sum + (values[name] || 0), 0)
      : Math.max(...names.map((name) => values[name] || 0));
    this.top = ceiling(Math.max(0, ...points.map(height)));
    for (const {part, line, text} of this.grid) {
      const y = this.y(part * this.top).toFixed(1);
      setAttribute(line, "y1", y);
      setAttribute(line, "y2", y);
      setAttribute(text, "y", Number(y) + 3.5);
      setText(text, this.top > 0 || part === 0 ? this.unit(part * this.top)
                                                 : "");
    }
    for (const {ago, line, text} of this.minutes) {
      const x = this.x(now - ago * 60000).toFixed(1);
      setAttribute(line, "x1", x);
      setAttribute(line, "x2", x);
      setAttribute(text, "x", ago ? Math.max(x, LEFT + 8) : x);
    }
    for (const [name, path] of this.paths) {
      if (!names.includes(name)) {
        path.remove();
        this.paths.delete(name);
      }
    }
    const base = points.map(() => 0);
    for (const name of names) {
      if (!this.paths.has(name)) {
        const path = svg("path", {class: `series ${name}`});
        this.paths.set(name, path);
        this.area.append(path);
      }
      setAttribute(this.paths.get(name), "d", this.stacks
        ? this.bars(name, base) : this.areas(name));
    }
    this.choose(this.chosen);
  }

  // A bar for each point, on top of `base`, which it makes higher.
  bars(name, base) {
    return this.points.map(({when, duration, values}, i) => {
      const value = values[name] || 0;
      const bottom = this.y(base[i]);
      base[i] += value;
      return value === 0 ? "" : `M${this.x(when - duration).toFixed(1)} ` +
        `${bottom.toFixed(1)}V${this.y(base[i]).toFixed(1)}` +
        `H${(this.x(when) - 0.5).toFixed(1)}V${bottom.toFixed(1)}Z`;
    }).join("");
  }

  // An area for each stretch without a gap.
  areas(name) {
    const floor = this.y(0).toFixed(1);
    let path = "";
    for (let i = 0; i < this.points.length; i++) {
      const {when, duration, values} = this.points[i];
      const before = this.points[i - 1];
      const y = this.y(values[name] || 0).toFixed(1);
      if (!before || when - duration > before.when + duration / 2) {
        path += (before ? `V${floor}Z` : "") +
          `M${this.x(when - duration).toFixed(1)} ${floor}V${y}`;
      }
      path += `L${this.x(when).toFixed(1)} ${y}`;
    }
    return path && `${path}V${floor}Z`;
  }

  readAt(x) {
    let nearest = null;
    for (const {when, duration} of this.points) {
      const distance = Math.abs(this.x(when - duration / 2) - x);
      if (!nearest || distance < nearest.distance) {
        nearest = {when, distance};
      }
    }
    this.choose(nearest && nearest.when);
  }

  press(event) {
    const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1,
                   PageDown: -12, PageUp: 12, Home: -Infinity, End: Infinity};
    if (!(event.key in steps) || this.points.length === 0) {
      return;
    }
    event.preventDefault();
    const last = this.points.length - 1;
    const at = this.points.findIndex(({when}) => when === this.chosen);
    const next = at < 0 && steps[event.key] < 0 && steps[event.key] > -Infinity
      ? last : Math.min(last, Math.max(0, (at < 0 ? last : at) +
                                          steps[event.key]));
    this.choose(this.points[next].when);
  }

  choose(when) {
    const point = this.points.find((each) => each.when === when);
    this.chosen = point ? when : null;
    setAttribute(this.cursor, "visibility", point ? "visible" : "hidden");
    const shown = point || this.points[this.points.length - 1];
    const text = shown
      ? `${clock(shown.when)}: ${this.describe(shown)}` : "no figures yet";
    setText(this.readout, point ? text : "");
    setAttribute(this.frame, "aria-valuetext", text);
    setAttribute(this.frame, "aria-valuenow", shown
      ? Math.round((shown.when - this.now) / 1000) : 0);
    if (point) {
      const x = this.x(point.when - point.duration / 2).toFixed(1);
      setAttribute(this.cursor, "x1", x);
      setAttribute(this.cursor, "x2", x);
    }
  }
}
