// What stands at the two ends of the lines, and in their place where there are
// none: why it does not go on, and what can be done.

import { byId, fill, h } from "../lib/dom.js";
import { plural, size } from "../lib/number.js";
import { filtered } from "./state.js";

/** @typedef {import("./window.js").LogWindow} LogWindow */

const limits = /** @type {Record<string, string>} */ ({
  scan: "the limit of one request", time: "the time of one request", lines: "the number of lines", size: "the size of one answer",
});

/**
 * @param {LogWindow} win
 * @param {import("./state.js").State} state
 * @param {import("./source.js").Source} source
 * @param {{extend: (direction: "forward" | "backward") => void, follow: () => void, following: boolean}} act
 */
export function edges(win, state, source, act) {
  const top = byId("top");
  const bottom = byId("bottom");
  const hits = filtered(state);
  if (!win.loaded) {
    fill(top);
    fill(bottom);
    return;
  }
  fill(top, ...edge(win.head, "backward", hits, act, () =>
    state.since ? "Beginning of the chosen time" : source.single && source.start > 0 ? `Here begins what is kept: ${size(source.start)} before it were removed` : "Beginning"));
  fill(bottom, ...edge(win.tail, "forward", hits, act, () => (state.until ? "End of the chosen time" : "")));
  if (win.tail.done && !state.until && !act.following && win.lines) {
    fill(bottom, h("button", { type: "button", class: "quiet", onclick: act.follow }, "End. Follow what comes"));
  }
}

/**
 * @param {import("./window.js").End} end
 * @param {"forward" | "backward"} direction
 * @param {boolean} hits
 * @param {{extend: (direction: "forward" | "backward") => void}} act
 * @param {() => string} last
 */
function edge(end, direction, hits, act, last) {
  const where = direction === "forward" ? "later" : "earlier";
  const on = (/** @type {string} */ text) => h("button", { type: "button", class: "quiet", onclick: () => act.extend(direction) }, text);
  if (end.state === "failed") return [h("span", { class: "wrong" }, `Not loaded: ${end.note}.`), on("Try again")];
  if (end.state === "loading") return [h("span", { class: "faint busy" }, end.scanned ? `Looking ${where}: ${size(end.scanned)} without a hit` : `Loading ${where} lines`)];
  if (end.state === "paused") return [h("span", { class: "faint" }, `${size(end.scanned)} ${where} without a hit (stopped at ${limits[end.note] || "a limit"}).`), on("Look on")];
  if (end.done) {
    const text = last();
    return text ? [h("span", { class: "faint" }, text)] : [];
  }
  return hits ? [on(`Look ${where}`)] : [on(`Load ${where} lines`)];
}

/**
 * What is shown instead of lines.
 *
 * @param {"loading" | "empty" | "failed" | "none"} kind
 * @param {{title?: string, text?: any, buttons?: [string, () => void][]}} [what]
 */
export function state(kind, what = {}) {
  const el = byId("state");
  el.hidden = kind === "none";
  el.dataset.kind = kind;
  if (kind === "none") return;
  if (kind === "loading") {
    fill(el, h("div", { class: "ghost", "aria-hidden": "true" }, ...Array.from({ length: 14 }, (_, i) => h("i", { class: "w" + ((i * 7) % 5) }))), h("p", { class: "hidden", role: "status" }, "Loading lines"));
    return;
  }
  fill(el, h("div", { class: "card", role: kind === "failed" ? "alert" : "status" }, h("h2", {}, what.title || ""), what.text ? h("p", {}, what.text) : null,
    what.buttons?.length ? h("p", { class: "buttons" }, what.buttons.map(([text, run], i) => h("button", { type: "button", class: i ? "quiet" : "main", onclick: run }, text))) : null));
}

/** @param {number} loaded @param {number | null} total @param {boolean} atLeast @param {boolean} hits */
export function limitText(loaded, total, atLeast, hits) {
  if (total === null) return "";
  const all = `${atLeast ? "at least " : ""}${plural(total, hits ? "matching line" : "line")}`;
  return loaded < total ? `${loaded.toLocaleString("en")} of ${all} on this page` : all;
}
