// The filters at work, as chips that can be taken away, and the hosts and
// programs of what is seen, as chips that can be put on.

import { byId, fill, h, icon } from "../lib/dom.js";
import { inertText } from "../lib/inert.js";
import { count, hue } from "../lib/number.js";
import { settings } from "../lib/settings.js";
import { label } from "../lib/time.js";

/** @typedef {import("./state.js").State} State */

const most = 12; // chips of one kind that are offered

/**
 * @param {State} state
 * @param {import("./histogram.js").Answer | null} seen
 * @param {(changes: Partial<State>) => void} change
 */
export function chips(state, seen, change) {
  const el = byId("chips");
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.chip;
  /** @type {HTMLElement[]} */
  const all = [];
  if (state.session) {
    const [kind, value] = split(state.session);
    all.push(set("session", ["session of ", h("b", {}, `${kind}=${inertText(value)}`)], () => change({ session: "" })));
  }
  if (state.pattern) all.push(set("pattern", "one kind of error", () => change({ pattern: "" })));
  if (state.since || state.until) all.push(set("range", rangeName(state), () => change({ since: "", until: "" })));
  if (state.context) all.push(set("context", `${state.context} lines around each hit`, () => change({ context: 0 })));
  all.push(...offer("host", state.hosts, seen?.hosts, (hosts) => change({ hosts })));
  if (state.files.length !== 1 || Object.keys(seen?.programs || {}).length > 1 || state.programs.length) {
    all.push(...offer("program", state.programs, seen?.programs, (programs) => change({ programs })));
  }
  fill(el, ...all);
  el.hidden = !all.length;
  if (focused) /** @type {HTMLElement | null} */ (el.querySelector(`[data-chip="${CSS.escape(focused)}"]`))?.focus();
}

/** @param {string} session @returns {[string, string]} */
export const split = (session) => [session.slice(0, session.indexOf(":")), session.slice(session.indexOf(":") + 1)];

/** @param {State} state */
export function rangeName(state) {
  if (!state.since && !state.until) return "All time";
  const text = (/** @type {string} */ t) => {
    const ms = Date.parse(t);
    return Number.isNaN(ms) ? t : label(ms, settings.zone === "sent" ? "server" : settings.zone);
  };
  const ago = /^-(\d+)([smhd])$/.exec(state.since);
  if (ago && !state.until) return `Last ${ago[1]} ${{ s: "s", m: "min", h: "h", d: "days" }[ago[2]]}`;
  if (!state.until) return `Since ${text(state.since)}`;
  if (!state.since) return `Until ${text(state.until)}`;
  return `${text(state.since)} – ${text(state.until)}`;
}

/** @param {string} name @param {any} text @param {() => void} off */
function set(name, text, off) {
  return h("button", { type: "button", class: "chip on", data: { chip: name }, onclick: off, title: "take this filter away" }, text, icon("close"));
}

/**
 * @param {string} kind
 * @param {string[]} chosen
 * @param {Record<string, number> | undefined} seen
 * @param {(chosen: string[]) => void} change
 */
function offer(kind, chosen, seen, change) {
  const names = Object.keys(seen || {}).sort((a, b) => (seen?.[b] || 0) - (seen?.[a] || 0));
  for (const name of chosen) if (!names.includes(name)) names.unshift(name);
  if (names.length < 2 && !chosen.length) return [];
  const shown = names.filter((n, i) => i < most || chosen.includes(n));
  const list = shown.map((name) => {
    const on = chosen.includes(name);
    return h("button", {
      type: "button", class: "chip" + (on ? " on" : ""), "aria-pressed": String(on), data: { chip: kind + "=" + name },
      title: on ? `take ${kind} ${name} away` : `only ${kind} ${name}`,
      onclick: () => change(on ? chosen.filter((n) => n !== name) : [...chosen, name]),
    }, kind === "host" ? h("span", { class: "dot c" + hue(name), "aria-hidden": "true" }) : null, inertText(name), seen?.[name] ? h("small", {}, count(seen[name])) : null);
  });
  list.unshift(h("span", { class: "chip-label" }, kind === "host" ? "Hosts" : "Programs"));
  if (names.length > shown.length) list.push(h("span", { class: "chip-label" }, `and ${names.length - shown.length} more`));
  return list;
}
