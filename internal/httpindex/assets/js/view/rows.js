// An event as a row of the list.

import { h } from "../lib/dom.js";
import { inertText } from "../lib/inert.js";
import { letter } from "../lib/levels.js";
import { hue, plural, size } from "../lib/number.js";
import { settings } from "../lib/settings.js";
import { timeIn } from "../lib/time.js";
import { detail } from "./detail.js";
import { bare, eventAt, unfold } from "./events.js";
import { structure } from "./structure.js";
import { appendText, find, serverMatches } from "./text.js";

/** @typedef {import("./source.js").Line} Line */
/** @typedef {import("./events.js").Event} Event */

/**
 * What rows need to know of the view they are in.
 *
 * @typedef {object} View
 * @property {import("./state.js").State} state
 * @property {RegExp | null} marker
 * @property {(changes: Partial<import("./state.js").State>) => string} link the address of another view
 * @property {import("./source.js").Source} source
 */

const shown = 2000; // characters of a line before it is opened

/** What belongs to a row. @type {WeakMap<Element, {event: Event, view: View, open: boolean | null}>} open: null = as the settings say */
const rows = new WeakMap();

/** @param {Element} el */
export const eventOf = (el) => rows.get(el)?.event;

/**
 * @param {Event} event
 * @param {View} view
 * @returns {HTMLElement}
 */
export function row(event, view) {
  const el = document.createElement("li");
  el.className = "row";
  el.tabIndex = -1;
  rows.set(el, { event, view, open: null });
  redraw(el);
  return el;
}

/** Opens or closes a row. @param {HTMLElement} el @param {boolean} [open] */
export function toggle(el, open) {
  const r = rows.get(el);
  if (!r || !openable(r.event)) return false;
  r.open = open ?? !isOpen(r);
  redraw(el);
  if (r.open && r.event.partial && r.event.from >= 0) complete(el, r);
  return true;
}

/** Fetches what a filter has left out of an event. @param {HTMLElement} el @param {{event: Event, view: View}} r */
async function complete(el, { event, view }) {
  const { offset } = event.lines[0];
  try {
    const all = eventAt(await view.source.onward(event.lines[0]), offset);
    if (all) Object.assign(event, all, { partial: false, note: "" });
  } catch (err) {
    event.note = `The lines between are not loaded: ${/** @type {Error} */ (err).message}`;
  }
  redraw(el);
}

/** Draws a row again: its event has grown, or it is seen otherwise. @param {HTMLElement} el */
export function redraw(el) {
  const r = rows.get(el);
  if (!r) return;
  const { event, view } = r;
  const line = event.lines[0];
  const level = event.from >= 0 ? worse(line.level) : line.level;
  el.dataset.level = level || "none";
  el.classList.toggle("guess", line.guessed && event.from < 0 && level !== "none");
  el.classList.toggle("around", line.hit === false);
  el.classList.toggle("open", isOpen(r));
  el.replaceChildren(levelMark(level, line.guessed && event.from < 0), timeLink(line, view));
  if (!view.source.single) el.append(h("span", { class: "file" }, line.file.replace(/\.log$/, "")), " ");
  el.append(host(line.host), " ");
  if (line.program) el.append(h("span", { class: "program" }, inertText(line.program + (line.pid ? `[${line.pid}]` : ""))), " ");
  const text = document.createElement("span");
  text.className = "text";
  el.append(text);
  body(text, r, el);
}

/** @param {{event: Event, open: boolean | null}} r */
const isOpen = (r) => r.open ?? (!settings.fold && (r.event.from >= 0 || unfold(r.event.lines[0].text) !== null));

/** @param {string} level */
const worse = (level) => (level === "critical" ? level : "error");

/** @param {HTMLElement} text @param {{event: Event, view: View, open: boolean | null}} r @param {HTMLElement} el */
function body(text, r, el) {
  const { event, view } = r;
  const open = isOpen(r);
  const line = event.lines[0];
  const session = (/** @type {string} */ kind, /** @type {string} */ value) => view.link({ files: [], session: `${kind}:${value}`, q: "", pattern: "", at: "", level: "", hosts: [], programs: [], follow: false });
  const folded = event.from >= 0 ? null : unfold(line.text);
  let head = folded ? folded.before : line.text;
  if (event.from === 0) head = ""; // nothing stands before the traceback
  const marks = marksOf(line, view);
  const cutOff = head.length > shown;
  const last = event.from >= 0 ? event.last || bare(event.lines[event.lines.length - 1]).trim() : folded?.last;
  if (last !== undefined) {
    const n = event.from >= 0 ? event.lines.length - event.from : folded?.lines.length || 0;
    text.append(opener(el, open, event.partial && event.from >= 0 ? "traceback" : plural(n, "line"), "traceback"));
    const summary = document.createElement("span");
    summary.className = "last";
    appendText(summary, last.slice(0, shown), find(last, view.marker), null);
    text.append(summary);
    if (head) text.append("  ");
    appendText(text, head.slice(0, shown), marks, session);
  } else {
    if (cutOff || line.cut) text.append(opener(el, open, size(line.cut || head.length), "whole line"));
    else if (structure(line.text)) text.append(opener(el, open, "", "fields"));
    appendText(text, cutOff ? head.slice(0, shown) + "…" : head, marks, session);
  }
  if (open) el.append(detail(event, folded, view));
}

/** Whether there is more to a row than it shows. @param {Event} event */
function openable(event) {
  const line = event.lines[0];
  return event.from >= 0 || Boolean(line.cut) || line.text.length > shown || unfold(line.text) !== null || structure(line.text) !== null;
}

/** @param {HTMLElement} el @param {boolean} open @param {string} text @param {string} what */
function opener(el, open, text, what) {
  return h("button", {
    class: "opener", type: "button", tabIndex: -1, "aria-expanded": String(open), "aria-label": text && text !== what ? `${what}, ${text}` : what,
    title: (open ? "close" : "open") + " (Enter)",
    onclick: (/** @type {globalThis.Event} */ e) => {
      e.stopPropagation();
      toggle(el);
    },
  }, text);
}

/** @param {Line} line @param {View} view @returns {[number, number][]} */
export function marksOf(line, view) {
  // Of a session every line says the same; what is searched in it is marked.
  const { q, session, pattern, mark } = view.state;
  const server = session || (pattern && q) || mark ? [] : serverMatches(line);
  return server.length ? server : find(line.text, view.marker);
}

/** @param {string} level @param {boolean} guessed */
function levelMark(level, guessed) {
  const el = document.createElement("span");
  el.className = "level";
  el.textContent = letter(level);
  if (level && level !== "none") el.title = guessed ? `${level}, guessed from the text` : level;
  return el;
}

/** @param {Line} line @param {View} view */
function timeLink(line, view) {
  const t = timeIn(line.time, settings.zone);
  const a = document.createElement("a");
  a.className = "time";
  a.tabIndex = -1;
  a.href = view.link(pointTo(line, view.source.single));
  if (!t) {
    a.textContent = "no time";
    return a;
  }
  a.title = `${t.date} ${t.clock}.${t.fraction} ${t.offset} · link to this line`;
  if (settings.date) a.append(h("span", { class: "date" }, t.date + " "));
  a.append(t.clock, h("span", { class: "fraction" }, "." + t.fraction));
  return a;
}

/**
 * What a link says to point to a line. Rotation moves neither.
 *
 * @param {Line} line
 * @param {boolean} single
 */
export const pointTo = (line, single) =>
  single ? { at: String(line.offset), time: "", follow: false } : { at: `${line.file}=${line.offset}`, time: line.time, follow: false };

/** @param {string} name */
function host(name) {
  const el = document.createElement("span");
  el.className = "host c" + hue(name);
  el.textContent = inertText(name || "-");
  return el;
}

/** The stored lines of a row. @param {Element} el */
export const rawOf = (el) => rows.get(el)?.event.lines.map((l) => l.raw) || [];

/** The same, with what a filter has left out. @param {HTMLElement} el */
export async function wholeOf(el) {
  const r = rows.get(el);
  if (r?.event.partial && r.event.from >= 0) await complete(el, r);
  return rawOf(el);
}

/** Lets a row belong to another view of the same lines. @param {Element} el @param {View} view */
export function rebind(el, view) {
  const r = rows.get(el);
  if (r) r.view = view;
}
