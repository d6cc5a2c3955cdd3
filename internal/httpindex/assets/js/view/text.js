// The text of a line as nodes: matches marked, docassemble's fields as links,
// dangerous characters as tokens.

import { appendInert, inertText } from "../lib/inert.js";
import { settings } from "../lib/settings.js";
import { docassembleHead, names, sessionField, shortHead, shortInterview } from "./structure.js";

/** @typedef {import("./source.js").Line} Line */

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const ascii = /^[\x00-\x7f]*$/;

/**
 * Where the server found the matches, as positions in line.text.
 *
 * @param {Line} line
 * @returns {[number, number][]}
 */
export function serverMatches(line) {
  if (!line.matches?.length) return [];
  const plain = ascii.test(line.raw);
  const bytes = plain ? null : encoder.encode(line.raw);
  const at = (/** @type {number} */ b) => (bytes ? decoder.decode(bytes.subarray(0, b)).length : b);
  const shift = line.raw.length - line.text.length;
  /** @type {[number, number][]} */
  const found = [];
  for (const [from, to] of line.matches) {
    const [a, b] = [at(from) - shift, at(to) - shift];
    if (b > 0 && b > a) found.push([Math.max(0, a), b]);
  }
  return found;
}

/**
 * A regular expression of the browser for what is searched, to mark with; null
 * where the browser does not understand it.
 *
 * @param {import("./state.js").State} s
 * @returns {RegExp | null}
 */
export function marker(s) {
  if (!s.q || s.invert) return null;
  let flags = s.exact ? "gu" : "giu";
  let source = s.regex ? s.q : s.q.replace(/[\\^$.|?*+()[\]{}/]/g, "\\$&");
  const inline = /^\(\?i\)/.exec(source);
  if (inline) [source, flags] = [source.slice(inline[0].length), "giu"];
  try {
    return new RegExp(source, flags);
  } catch {
    return null;
  }
}

const mostMarks = 200; // in one text

/**
 * @param {string} text
 * @param {RegExp | null} pattern
 * @returns {[number, number][]}
 */
export function find(text, pattern) {
  /** @type {[number, number][]} */
  const found = [];
  if (!pattern) return found;
  pattern.lastIndex = 0;
  for (let m = pattern.exec(text); m && found.length < mostMarks; m = pattern.exec(text)) {
    if (m[0].length === 0) pattern.lastIndex++;
    else found.push([m.index, m.index + m[0].length]);
  }
  return found;
}

/**
 * @param {Node} el
 * @param {string} text
 * @param {[number, number][]} marks in order, not overlapping
 */
function appendMarked(el, text, marks, from = 0) {
  let at = 0;
  for (const [a, b] of marks) {
    const [s, e] = [Math.max(a - from, at), Math.min(b - from, text.length)];
    if (e <= s) continue;
    if (s > at) appendInert(el, text.slice(at, s));
    const mark = document.createElement("mark");
    appendInert(mark, text.slice(s, e));
    el.appendChild(mark);
    at = e;
  }
  if (at < text.length) appendInert(el, text.slice(at));
}

/**
 * @param {Node} el
 * @param {string} text
 * @param {[number, number][]} marks
 * @param {((kind: string, value: string) => string) | null} link gives the address of a session
 */
export function appendText(el, text, marks, link) {
  let at = link ? appendHead(el, text, marks, link) : 0;
  if (link && !at && text.includes("=")) {
    const head = text.slice(0, 600);
    for (const m of head.matchAll(sessionField)) {
      if (!names(m[2], m[3])) continue;
      const from = (m.index || 0) + m[1].length;
      const to = (m.index || 0) + m[0].length;
      appendMarked(el, text.slice(at, from), marks, at);
      const a = document.createElement("a");
      a.className = "field";
      a.href = link(m[2], m[3]);
      a.title = `everything of ${m[2]}=${m[3]}, in all files`;
      a.tabIndex = -1;
      appendMarked(a, text.slice(from, to), marks, from);
      el.appendChild(a);
      at = to;
    }
  }
  if (at < text.length || at === 0) appendMarked(el, text.slice(at), marks, at);
}

/**
 * Appends what programs put before each message, shortened: what stands in the
 * columns already is left out. A match in it shows it as it is, and so does the
 * setting. Returns where the message begins.
 *
 * @param {Node} el
 * @param {string} text
 * @param {[number, number][]} marks
 * @param {(kind: string, value: string) => string} link
 */
function appendHead(el, text, marks, link) {
  if (!settings.short) return 0;
  const who = document.createElement("span");
  who.className = "who";
  let end = 0;
  const head = docassembleHead.exec(text);
  if (head) {
    end = head[0].length;
    ["ip", "i", "uid", "user"].forEach((kind, i) => {
      const value = head[i + 1];
      if (!names(kind, value)) return;
      const a = document.createElement("a");
      a.className = "field f-" + kind;
      a.href = link(kind, value);
      a.title = `${kind}=${value} · everything of it, in all files`;
      a.tabIndex = -1;
      appendInert(a, kind === "i" ? shortInterview(value) : value);
      who.append(a, " ");
    });
  } else {
    const short = shortHead(text);
    if (!short) return 0;
    end = short.length;
    appendInert(who, short.says);
    who.title = inertText(text.slice(0, end));
  }
  if (marks.length && marks[0][0] < end) return 0;
  if (who.textContent) el.appendChild(who);
  return end;
}
