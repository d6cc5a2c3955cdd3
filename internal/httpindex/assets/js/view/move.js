// Moving among rows: by keys, and to the next match or error, which may lie far
// outside of what is in the page.

import { h, icon } from "../lib/dom.js";
import { rank } from "../lib/levels.js";
import { eventOf, marksOf, rebind, toggle, wholeOf } from "./rows.js";

/** @typedef {import("./source.js").Line} Line */
/** @typedef {import("./rows.js").View} View */

export class Mover {
  /** @type {HTMLElement | null} */
  current = null;

  /**
   * @param {import("./window.js").LogWindow} win
   * @param {{view: () => View, show: (line: Line) => void | Promise<void>, say: (text: string) => void}} told
   */
  constructor(win, told) {
    this.win = win;
    this.told = told;
  }

  /** @param {Element} el @param {View} view */
  rebind(el, view) {
    rebind(el, view);
  }

  /** Makes a row current. @param {HTMLElement | null} el @param {boolean} focus */
  select(el, focus) {
    if (this.current && this.current !== el) {
      this.current.classList.remove("current");
      this.current.tabIndex = -1;
    }
    this.current = el;
    if (!el) return;
    el.classList.add("current");
    el.tabIndex = 0;
    if (focus) {
      el.focus({ preventScroll: true });
      this.#reveal(el);
    }
  }

  focus() {
    this.select(this.current?.isConnected ? this.current : this.win.firstVisible(), true);
  }

  /** @param {HTMLElement} el */
  #reveal(el) {
    const box = this.win.el.getBoundingClientRect();
    const b = el.getBoundingClientRect();
    if (b.top < box.top + 4) this.win.el.scrollTop -= box.top + 4 - b.top;
    else if (b.bottom > box.bottom - 4) this.win.el.scrollTop += Math.min(b.bottom - box.bottom + 4, b.top - box.top);
  }

  /** The row after or before one. @param {Element} el @param {1 | -1} way @returns {HTMLElement | null} */
  #beside(el, way) {
    const sibling = way > 0 ? el.nextElementSibling : el.previousElementSibling;
    if (sibling) return /** @type {HTMLElement} */ (sibling);
    for (let chunk = el.parentElement; chunk; ) {
      chunk = /** @type {HTMLElement | null} */ (way > 0 ? chunk.nextElementSibling : chunk.previousElementSibling);
      const row = way > 0 ? chunk?.firstElementChild : chunk?.lastElementChild;
      if (row) return /** @type {HTMLElement} */ (row);
    }
    return null;
  }

  #start() {
    return this.current?.isConnected ? this.current : null;
  }

  /** @param {1 | -1} way */
  step(way) {
    const from = this.#start();
    const to = from ? this.#beside(from, way) : this.win.firstVisible();
    if (to) this.select(to, true);
    else this.win.extend(way > 0 ? "forward" : "backward", true);
  }

  /** @param {1 | -1} way */
  screen(way) {
    this.win.el.scrollTop += way * (this.win.el.clientHeight - 40);
    this.select(this.win.firstVisible(), false);
    this.current?.focus({ preventScroll: true });
  }

  /** @param {1 | -1} way */
  match(way) {
    const { state, marker } = this.told.view();
    if (!state.q && !state.mark) return this.step(way);
    if (!state.q) return this.told.say("Search for something first ( / )");
    if (!state.mark) return this.step(way);
    // A pattern that this browser does not understand is the server's alone.
    const here = marker ? (/** @type {Line} */ line) => marksOf(line, this.told.view()).length > 0 : null;
    return this.#far(way, here, { marking: true }, "match");
  }

  /** @param {string} level @param {1 | -1} way */
  level(level, way) {
    return this.#far(way, (line) => rank(line.level) >= rank(level), { level }, level);
  }

  /**
   * @param {1 | -1} way
   * @param {((line: Line) => boolean) | null} want null = only the server can tell
   * @param {{marking?: boolean, level?: string}} ask
   * @param {string} name
   */
  async #far(way, want, ask, name) {
    const from = this.#start() || (way > 0 ? this.win.firstVisible() : this.win.lastVisible());
    for (let el = want && from && (this.#start() ? this.#beside(from, way) : from); want && el; el = this.#beside(el, way)) {
      const event = eventOf(el);
      if (event && (event.lines.some(want) || (event.from >= 0 && ask.level))) return this.select(el, true);
    }
    const direction = way > 0 ? "forward" : "backward";
    const end = way > 0 ? this.win.tail : this.win.head;
    const { source } = this.told.view();
    const line = !want && source.single && from ? eventOf(from)?.lines[0] : undefined;
    if (end.done && !line) return this.told.say(`No ${name} ${way > 0 ? "below" : "above"}`);
    let at = line ? String(way > 0 ? line.end : line.offset) : end.at;
    let scanned = 0;
    try {
      for (let tries = 0; tries < 12; tries++) {
        const page = await source.page({ at, direction, limit: 1, ...ask });
        if (page.lines.length) return void (await this.told.show(page.lines[0]));
        scanned += page.scanned;
        const next = way > 0 ? page.after : page.before;
        if (!page.more || next === at) return this.told.say(`No ${name} ${way > 0 ? "below" : "above"}`);
        at = next;
      }
      this.told.say(`No ${name} in ${(scanned / 1e9).toFixed(1)} GB ${way > 0 ? "below" : "above"}; filter by it to search everything`);
    } catch (err) {
      this.told.say(/** @type {Error} */ (err).message);
    }
  }

  toggle() {
    const el = this.#start();
    if (el && toggle(el)) this.#reveal(el);
  }

  /** The stored lines of the current row; "" = there is none. */
  async raw() {
    const el = this.#start();
    return el ? (await wholeOf(el)).join("\n") : "";
  }

  /**
   * Clicks and focus, and the small tools of the row under the pointer.
   *
   * @param {{around: () => void, copyLine: (raw: string) => void, link: () => void, point: (line: Line) => void}} act
   */
  listen(act) {
    const tool = (/** @type {string} */ name, /** @type {string} */ title, /** @type {() => unknown} */ run) =>
      h("button", { type: "button", class: "plain", title, "aria-label": title, tabIndex: -1, onclick: (/** @type {globalThis.Event} */ e) => { e.stopPropagation(); this.select(/** @type {HTMLElement} */ (tools.closest(".row")), false); run(); } }, icon(name));
    const tools = h("span", { class: "row-tools" },
      tool("around", "Show it among its neighbours, unfiltered (x)", act.around),
      tool("copy", "Copy the line (y)", async () => act.copyLine(await this.raw())),
      tool("link", "Copy the link to the line (l)", act.link));
    const { list } = this.win;
    list.addEventListener("pointerover", (e) => {
      const row = /** @type {HTMLElement} */ (e.target).closest(".row");
      if (row && tools.parentElement !== row && e.pointerType === "mouse") row.insertBefore(tools, row.querySelector(":scope > .detail"));
    });
    list.addEventListener("pointerleave", () => tools.remove());
    list.addEventListener("focusin", (e) => {
      const row = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (e.target).closest(".row"));
      if (row && row !== this.current) this.select(row, false);
    });
    list.addEventListener("click", (e) => {
      const target = /** @type {HTMLElement} */ (e.target);
      const row = /** @type {HTMLElement | null} */ (target.closest(".row"));
      if (!row) return;
      const time = target.closest("a.time");
      if (time && !e.ctrlKey && !e.metaKey && !e.shiftKey) {
        e.preventDefault();
        const line = eventOf(row)?.lines[0];
        if (line) act.point(line);
      }
      this.select(row, !document.getSelection()?.toString() && !target.closest("a, button"));
      if (target.closest(".last")) toggle(row);
    });
    list.addEventListener("dblclick", (e) => {
      const row = /** @type {HTMLElement} */ (e.target).closest(".row");
      if (row && !/** @type {HTMLElement} */ (e.target).closest("a, button, .detail")) toggle(/** @type {HTMLElement} */ (row));
    });
  }
}
