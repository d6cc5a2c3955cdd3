// The keyboard: in the tradition of less and lnav. One table, from which the
// help is made as well.

import { fill, h } from "../lib/dom.js";

/**
 * @typedef {{keys: string[], does: string, run: (e: KeyboardEvent) => void}} Key
 * @typedef {{title: string, keys: Key[]}} Group
 */

/** @param {KeyboardEvent} e */
function nameOf(e) {
  const plain = e.key.length === 1 ? e.key : (e.shiftKey ? "Shift+" : "") + e.key;
  return (e.ctrlKey ? "Ctrl+" : "") + (e.altKey ? "Alt+" : "") + plain;
}

/** @param {EventTarget | null} el */
function typing(el) {
  return el instanceof HTMLElement && (el.isContentEditable || el instanceof HTMLTextAreaElement || el instanceof HTMLSelectElement ||
    (el instanceof HTMLInputElement && !["checkbox", "radio", "button"].includes(el.type)));
}

/** @param {Group[]} groups */
export function listen(groups) {
  /** @type {Map<string, Key>} */
  const table = new Map();
  for (const g of groups) for (const k of g.keys) for (const name of k.keys) table.set(name, k);
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.metaKey || e.isComposing || document.querySelector("dialog[open]")) return;
    const name = nameOf(e);
    if (typing(e.target) && name !== "Escape") return;
    const control = e.target instanceof HTMLElement && e.target.closest("button, a[href], summary, [role=slider]");
    if (control && !control.closest(".row") && ["Enter", " "].includes(e.key)) return; // its own
    const key = table.get(name);
    if (!key) return;
    e.preventDefault();
    key.run(e);
  });
}

const shownAs = /** @type {Record<string, string>} */ ({
  ArrowDown: "↓", ArrowUp: "↑", PageDown: "Page ↓", PageUp: "Page ↑", " ": "Space", "Shift+ ": "Shift Space", Escape: "Esc", Home: "Home", End: "End",
});

/** @param {HTMLElement} el @param {Group[]} groups */
export function help(el, groups) {
  fill(el, ...groups.map((g) =>
    h("section", {}, h("h3", {}, g.title), h("dl", {}, g.keys.map((k) =>
      h("div", {}, h("dt", {}, k.keys.map((name) => h("kbd", {}, shownAs[name] || name))), h("dd", {}, k.does)))))));
}
