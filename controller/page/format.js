// SPDX-License-Identifier: Apache-2.0
//
// Figures for people.

const THIN_SPACE = "\u202f";

// "1 234 567"
export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
}

// At most three digits, and a prefix: "0", "0.25", "12.3", "1.23" and "k".
function scale(number) {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  let prefix = 0;
  while (number >= 999.5 && prefix < prefixes.length - 1) {
    number /= 1000;
    prefix++;
  }
  const digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  const text = number.toFixed(digits);
  return [text.includes(".") ? text.replace(/\.?0+$/, "") : text,
          prefixes[prefix]];
}

// "12.3", "1.23k"
export function rate(number) {
  return scale(number).join("");
}

// "1.23 Mbit/s"
export function bits(number) {
  const [text, prefix] = scale(number);
  return `${text} ${prefix}bit/s`;
}

// "1.23 MB"
export function bytes(number) {
  const [text, prefix] = scale(number);
  return `${text} ${prefix}B`;
}

export function percent(part, whole) {
  return whole > 0 ? `${scale((100 * part) / whole)[0]}\u00a0%` : "";
}

// "1 rule", "2 rules"
export function several(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

// The time of day, of milliseconds of Unix time.
export function clock(time) {
  const date = new Date(time);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
}

// At most `length` characters of `text`.
export function shorten(text, length) {
  const characters = [...text];
  return characters.length <= length
    ? text : characters.slice(0, length - 1).join("") + "…";
}
