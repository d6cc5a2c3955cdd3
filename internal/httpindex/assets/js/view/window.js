// The part of the lines that is in the page: a few pages around what is seen.
// Scrolling to either end reads the next page there and lets the farthest one
// at the other end go, so a file of 10 GB takes no more room than a small one.

import { perFrame } from "../lib/dom.js";
import { Latest, isAbort } from "../lib/api.js";
import { Grouper, torn } from "./events.js";
import { eventOf, redraw, row } from "./rows.js";
import { filtered } from "./state.js";

/** @typedef {import("./source.js").Line} Line */
/** @typedef {import("./source.js").Page} Page */

const pageLines = 120;
const linesBefore = 60; // before the place that is opened
const mostLines = 2400; // in the page at once
const nearEnd = 1.5; // screens from an end at which the next page is read
const mostTries = 6; // pages without a hit that are read unasked

/**
 * @typedef {object} Chunk
 * @property {HTMLElement} el
 * @property {string} before
 * @property {string} after
 * @property {number} lines
 */

/**
 * An end of the window.
 *
 * @typedef {object} End
 * @property {string} at where to go on
 * @property {boolean} done nothing lies beyond
 * @property {"idle" | "loading" | "paused" | "failed"} state
 * @property {string} note which limit or error it waits at
 * @property {number} scanned bytes looked at without a hit
 */

/** @returns {End} */
const newEnd = (at = "", done = false) => ({ at, done, state: "idle", note: "", scanned: 0 });

export class LogWindow {
  /** @type {Chunk[]} */
  chunks = [];
  head = newEnd();
  tail = newEnd();
  lines = 0;
  loaded = false;
  /** @type {import("./rows.js").View | null} */
  view = null;
  /** The one who puts appended lines into events. @type {Grouper} */
  #grouper = new Grouper();
  /** @type {Map<import("./events.js").Event, HTMLElement>} */
  #grown = new Map();
  /** @type {Set<string>} */
  #programs = new Set();
  #opening = new Latest();
  #extending = { backward: new Latest(), forward: new Latest() };

  /**
   * @param {HTMLElement} el the element that scrolls
   * @param {HTMLElement} list the element the pages are put into
   * @param {{changed: () => void, scrolled: () => void, failed: (err: Error) => boolean}} told failed: true = what is shown stays
   */
  constructor(el, list, told) {
    this.el = el;
    this.list = list;
    this.told = told;
    this.look = perFrame(() => {
      this.#fill();
      told.scrolled();
    });
    el.addEventListener("scroll", this.look, { passive: true });
    new ResizeObserver(this.look).observe(el);
  }

  /**
   * Begins anew at a position, a time, or the end.
   *
   * @param {import("./rows.js").View} view
   * @param {{at?: string, time?: string, start?: boolean, keep?: boolean}} place
   * @returns {Promise<boolean>} false when something else was wanted meanwhile
   */
  async open(view, place) {
    const signal = this.#opening.next();
    this.#extending.backward.cancel();
    this.#extending.forward.cancel();
    this.view = view;
    const { source, state } = view;
    const common = { limit: pageLines, context: state.context };
    try {
      /** @type {Page[]} */
      let pages;
      if (place.at || place.time) {
        const { at, time } = place;
        pages = await Promise.all([
          source.page({ ...common, limit: linesBefore, at, time, direction: "backward" }, signal),
          source.page({ ...common, at, time, direction: "forward" }, signal),
        ]);
        // What came meanwhile may have moved the place of a time among lines out of order.
        if (pages[0].place !== pages[1].place) pages[0] = await source.page({ ...common, limit: linesBefore, at: pages[1].place, direction: "backward" }, signal);
      } else if (place.start) pages = [await source.page({ ...common, direction: "forward" }, signal)];
      else pages = [await source.page({ ...common, direction: "backward" }, signal)];
      if (signal.aborted) return false;
      this.#reset();
      const backward = !place.start ? this.#untorn(pages[0]) : null;
      const forward = place.start ? pages[0] : pages[1];
      if (backward) {
        this.head = { ...newEnd(backward.before, !backward.more), scanned: backward.lines.length ? 0 : backward.scanned, note: backward.limited };
        this.#add(backward, "forward");
      } else if (forward) this.head = newEnd(forward.before, true);
      if (forward) {
        this.tail = { ...newEnd(forward.after, !forward.more), scanned: forward.lines.length ? 0 : forward.scanned, note: forward.limited };
        this.#add(forward, "forward");
      } else if (backward) this.tail = newEnd(backward.after, true);
      this.loaded = true;
      if (place.start) this.el.scrollTop = 0;
      else if (forward && backward) this.#scrollToChunk(backward.lines.length ? 1 : 0);
      else this.toEnd();
      this.told.changed();
      this.look();
      return true;
    } catch (err) {
      if (isAbort(err) || signal.aborted) return false;
      if (!this.told.failed(/** @type {Error} */ (err))) {
        this.#reset();
        this.loaded = false;
        this.told.changed();
      }
      return false;
    }
  }

  /**
   * A page that was read backward may begin in the middle of a traceback. Its
   * lines are left to the page before, so that they come in one row; but for
   * one that is longer than half a page.
   *
   * @param {Page} page
   */
  #untorn(page) {
    const { source, state } = /** @type {import("./rows.js").View} */ (this.view);
    if (!page.more || filtered(state)) return page; // a search hands over whole events
    const n = torn(page.lines.slice(0, page.lines.length / 2));
    return source.without(page, n);
  }

  #reset() {
    this.chunks = [];
    this.lines = 0;
    this.list.replaceChildren();
    this.#grouper = new Grouper();
    this.#grown.clear();
    this.#programs.clear();
    this.head = newEnd();
    this.tail = newEnd();
  }

  /** Puts a page in at one end. @param {{lines: Line[], before: string, after: string}} page @param {"forward" | "backward"} where */
  #add(page, where) {
    if (!page.lines.length) return;
    const el = document.createElement("ol");
    el.className = "chunk";
    const grouper = where === "forward" ? this.#grouper : new Grouper();
    this.#rows(page.lines, grouper, el);
    const chunk = { el, before: page.before, after: page.after, lines: page.lines.length };
    if (where === "forward") {
      this.list.append(el);
      this.chunks.push(chunk);
    } else {
      this.list.prepend(el);
      this.chunks.unshift(chunk);
    }
    this.lines += chunk.lines;
  }

  /** @param {Line[]} lines @param {Grouper} grouper @param {HTMLElement} el @param {boolean} [partial] there may be more to their events */
  #rows(lines, grouper, el, partial = false) {
    const view = /** @type {import("./rows.js").View} */ (this.view);
    const grown = new Set();
    for (const line of lines) {
      if (!this.#programs.has(line.program) && line.program) this.#seeProgram(line.program);
      const { event, isNew } = grouper.push(line);
      if (partial) event.partial = true;
      if (isNew) {
        const li = row(event, view);
        this.#grown.set(event, li);
        el.append(li);
      } else grown.add(event);
    }
    for (const event of grown) {
      const li = this.#grown.get(event);
      if (li?.isConnected || li?.parentNode === el) redraw(/** @type {HTMLElement} */ (li));
    }
    if (this.#grown.size > 4 * mostLines) this.#grown.clear();
  }

  /** A column that says the same in all rows is left out. @param {string} program */
  #seeProgram(program) {
    this.#programs.add(program);
    this.list.classList.toggle("one-program", this.#programs.size < 2);
  }

  /** Lets pages at one end go until what is left fits. @param {"forward" | "backward"} where */
  #trim(where) {
    while (this.lines > mostLines && this.chunks.length > 2) {
      const chunk = /** @type {Chunk} */ (where === "forward" ? this.chunks.pop() : this.chunks.shift());
      chunk.el.remove();
      this.lines -= chunk.lines;
      if (where === "forward") {
        this.tail = newEnd(chunk.before);
        this.#resume();
      } else this.head = newEnd(chunk.after);
    }
  }

  /** Lets appended lines go on with the events of the last page. */
  #resume() {
    const rows = [.../** @type {Chunk} */ (this.chunks[this.chunks.length - 1]).el.children];
    for (const el of rows) this.#grown.set(/** @type {import("./events.js").Event} */ (eventOf(el)), /** @type {HTMLElement} */ (el));
    this.#grouper = new Grouper();
    this.#grouper.resume(rows.map((el) => /** @type {import("./events.js").Event} */ (eventOf(el))));
  }

  /** Reads on where the screen is near an end. */
  #fill() {
    if (!this.loaded) return;
    const { scrollTop, clientHeight, scrollHeight } = this.el;
    const margin = nearEnd * clientHeight;
    if (scrollTop < margin) this.extend("backward");
    if (scrollHeight - scrollTop - clientHeight < margin) this.extend("forward");
  }

  /**
   * Reads the next page at an end.
   *
   * @param {"forward" | "backward"} direction
   * @param {boolean} [asked] by a person, so also behind a limit
   */
  async extend(direction, asked = false) {
    const end = direction === "forward" ? this.tail : this.head;
    if (end.done || end.state === "loading" || (!asked && end.state !== "idle")) return;
    const view = /** @type {import("./rows.js").View} */ (this.view);
    end.state = "loading";
    if (asked) end.scanned = 0;
    const signal = this.#extending[direction].next();
    this.told.changed();
    for (let tries = 1; ; tries++) {
      /** @type {Page} */
      let page;
      try {
        page = await view.source.page({ at: end.at, direction, limit: pageLines, context: view.state.context }, signal);
      } catch (err) {
        if (isAbort(err) || signal.aborted) return;
        end.state = "failed";
        end.note = /** @type {Error} */ (err).message;
        this.told.changed();
        return;
      }
      if (signal.aborted || view !== this.view) return;
      const stuck = !page.lines.length && (direction === "forward" ? page.after : page.before) === end.at;
      if (direction === "backward") page = this.#untorn(page);
      end.at = direction === "forward" ? page.after : page.before;
      end.done = !page.more;
      end.note = page.limited;
      if (page.lines.length) {
        end.scanned = 0;
        this.#insert(page, direction);
        end.state = "idle";
        break;
      }
      end.scanned += page.scanned;
      if (end.done || stuck) {
        end.state = "idle";
        end.done = true;
        break;
      }
      if (tries >= mostTries) {
        end.state = "paused";
        break;
      }
      this.told.changed();
    }
    this.told.changed();
    this.look();
  }

  /** @param {Page} page @param {"forward" | "backward"} direction */
  #insert(page, direction) {
    const anchor = this.firstVisible();
    const top = anchor ? anchor.getBoundingClientRect().top : 0;
    this.#add(page, direction);
    this.#trim(direction === "forward" ? "backward" : "forward");
    if (anchor?.isConnected) this.el.scrollTop += anchor.getBoundingClientRect().top - top;
  }

  /**
   * Appends lines that have just come. The window must reach to the end.
   *
   * @param {Line[]} lines
   * @param {string} after position behind the last of them
   */
  append(lines, after) {
    if (!lines.length) return;
    let chunk = this.chunks[this.chunks.length - 1];
    if (!chunk || chunk.lines >= pageLines) {
      const el = document.createElement("ol");
      el.className = "chunk";
      this.list.append(el);
      chunk = { el, before: this.tail.at, after, lines: 0 };
      this.chunks.push(chunk);
    }
    this.#rows(lines, this.#grouper, chunk.el, filtered(/** @type {import("./rows.js").View} */ (this.view).state));
    chunk.lines += lines.length;
    chunk.after = after;
    this.lines += lines.length;
    this.tail = newEnd(after, true);
    this.#trim("backward");
  }

  /** Forgets everything that is held, so that what comes is all there is. @param {string} at */
  restart(at) {
    this.#reset();
    this.head = newEnd(at);
    this.tail = newEnd(at, true);
  }

  toEnd() {
    this.el.scrollTop = this.el.scrollHeight;
  }

  /** Whether the screen shows the end. */
  atEnd() {
    return this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight < 24;
  }

  /** Puts the first row of a page a third down the screen and makes it current. @param {number} i */
  #scrollToChunk(i) {
    const first = /** @type {HTMLElement | null} */ (this.chunks[Math.min(i, this.chunks.length - 1)]?.el.firstElementChild);
    if (first) this.showRow(first);
  }

  /** @param {HTMLElement} el */
  showRow(el) {
    const box = this.el.getBoundingClientRect();
    this.el.scrollTop += el.getBoundingClientRect().top - box.top - box.height / 3;
  }

  /** @returns {HTMLElement | null} the first row on the screen */
  firstVisible() {
    return this.#at(this.el.getBoundingClientRect().top + 1);
  }

  lastVisible() {
    return this.#at(this.el.getBoundingClientRect().bottom - 2);
  }

  /** The row at this height, or the first one below. @param {number} y @returns {HTMLElement | null} */
  #at(y) {
    for (const chunk of this.chunks) {
      if (chunk.el.getBoundingClientRect().bottom <= y) continue;
      const all = chunk.el.children;
      let [low, high] = [0, all.length - 1];
      while (low < high) {
        const mid = (low + high) >> 1;
        if (all[mid].getBoundingClientRect().bottom <= y) low = mid + 1;
        else high = mid;
      }
      return /** @type {HTMLElement} */ (all[low]);
    }
    return /** @type {HTMLElement | null} */ (this.list.lastElementChild?.lastElementChild || null);
  }

  /** @param {(el: HTMLElement) => boolean} want @returns {HTMLElement | null} */
  findRow(want) {
    for (const chunk of this.chunks) {
      for (const el of chunk.el.children) if (want(/** @type {HTMLElement} */ (el))) return /** @type {HTMLElement} */ (el);
    }
    return null;
  }

  /** The row that holds the line at this offset. @param {string} file @param {number} offset */
  rowOf(file, offset) {
    return this.findRow((el) => Boolean(eventOf(el)?.lines.some((l) => l.offset === offset && (!file || l.file === file))));
  }

  /** Draws all rows again, the first visible one staying where it is. */
  redrawAll() {
    const anchor = this.firstVisible();
    const top = anchor ? anchor.getBoundingClientRect().top : 0;
    for (const chunk of this.chunks) for (const el of chunk.el.children) redraw(/** @type {HTMLElement} */ (el));
    if (anchor) this.el.scrollTop += anchor.getBoundingClientRect().top - top;
  }
}
