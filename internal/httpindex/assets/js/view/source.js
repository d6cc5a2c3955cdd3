// The lines of one file, or of several merged by time, read a page at a time in
// either direction from a position. A position lies between lines: in one file
// it is the offset of the byte behind it, counted from the first byte the file
// ever held, so rotation does not move it; among several it is the server's
// cursor.

import { getJSON, filePath, url } from "../lib/api.js";
import { filtered, filters } from "./state.js";

/** How much of a line the page holds; the rest of longer ones is fetched when asked for. */
export const cut = 16384;

/**
 * @typedef {object} Line
 * @property {string} file
 * @property {number} offset
 * @property {number} end
 * @property {string} time
 * @property {string} host
 * @property {string} program
 * @property {string} pid
 * @property {string} level
 * @property {boolean} guessed
 * @property {string} text
 * @property {string} raw
 * @property {boolean} [hit]
 * @property {[number, number][]} [matches]
 * @property {number} [cut]
 */

/**
 * @typedef {object} Page
 * @property {Line[]} lines in file order
 * @property {string} place position at which the lines of the asked time begin
 * @property {string} before position before the first line
 * @property {string} after position behind the last line
 * @property {boolean} more whether there is something in the asked direction
 * @property {string} limited which limit ended the answer, "" = none but the number of lines
 * @property {number} scanned bytes
 * @property {number} start of what is still there
 * @property {number} end
 */

export class Source {
  /** @param {import("./state.js").State} state */
  constructor(state) {
    this.state = state;
    this.files = state.files;
    this.single = state.files.length === 1;
    this.path = this.single ? filePath(state.files[0]) : "search";
    this.start = 0;
    this.end = 0;
  }

  /** @param {{marking?: boolean, level?: string}} [also] */
  params(also) {
    const p = filters(this.state, also);
    if (!this.single) for (const f of this.files) p.append("file", f);
    return p;
  }

  /** @param {URLSearchParams} p @param {string} position */
  #place(p, position) {
    if (position) p.set(this.single ? "from" : "cursor", position);
  }

  /**
   * @param {{at?: string, time?: string, direction: "forward" | "backward", limit: number, context?: number, level?: string, marking?: boolean}} want
   *   at: a position, time: where the lines of that time are
   * @param {AbortSignal} [signal]
   * @returns {Promise<Page>}
   */
  async page(want, signal) {
    const p = this.params({ level: want.level, marking: want.marking });
    p.set("format", "json");
    p.set("limit", String(want.limit));
    p.set("direction", want.direction);
    p.set("cut", String(cut));
    if (want.context) p.set("context", String(want.context));
    else if (filtered(this.state)) p.set("events", "1"); // a traceback is found by any of its lines, and shown whole
    if (want.time) p.set("at", want.time);
    else this.#place(p, want.at || "");
    const a = await getJSON(this.path, p, signal);
    return this.#read(a, want);
  }

  /** @param {any} a @param {{at?: string, direction: string}} want @returns {Page} */
  #read(a, want) {
    /** @type {Line[]} */
    const lines = a.lines || [];
    const next = String(a.next ?? "");
    let before, after;
    if (this.single) {
      this.start = a.start;
      this.end = a.end;
      const forward = want.direction === "forward";
      const begun = want.at || String(a.at ?? "");
      const from = begun || String(forward ? a.start : a.end);
      before = forward ? String(lines.length ? lines[0].offset : from) : next || String(lines.length ? lines[0].offset : from);
      after = forward ? next || String(lines.length ? lines[lines.length - 1].end : from) : String(lines.length ? lines[lines.length - 1].end : from);
      // Everything between where it began and the first hit was looked at.
      if (begun && forward) before = begun;
      if (!forward) after = from;
    } else {
      before = String(a.before ?? "");
      after = String(a.after ?? "");
      if (want.direction === "forward" && next) after = next;
      if (want.direction === "backward" && next) before = next;
    }
    return { lines, place: String(a.at ?? ""), before, after, more: Boolean(a.more), limited: a.limited || "", scanned: a.scanned || 0, start: a.start || 0, end: a.end || 0 };
  }

  /** A page without its first n lines, which the one before will have. @param {Page} page @param {number} n @returns {Page} */
  without(page, n) {
    if (!n) return page;
    const [left, lines] = [page.lines.slice(0, n), page.lines.slice(n)];
    if (this.single) return { ...page, lines, before: String(left[n - 1].end), more: true };
    const places = new Map(page.before.split(",").map((place) => [place.slice(0, place.lastIndexOf("=")), place]));
    for (const l of left) places.set(l.file, `${l.file}=${l.end}`);
    return { ...page, lines, before: [...places.values()].join(","), more: true };
  }

  /** One line, whole. @param {Line} line @param {AbortSignal} [signal] @returns {Promise<Line>} */
  async whole(line, signal) {
    const p = new URLSearchParams({ format: "json", from: String(line.offset), limit: "1" });
    return (await getJSON(filePath(line.file), p, signal)).lines[0];
  }

  /** The lines of its writer from a line on, whatever the filters leave of them. @param {Line} line @returns {Promise<Line[]>} */
  async onward(line) {
    const p = new URLSearchParams({ format: "json", from: String(line.offset), limit: "400", cut: String(cut) });
    if (line.host) p.set("host", line.host);
    if (line.program) p.set("program", line.program);
    return (await getJSON(filePath(line.file), p)).lines;
  }

  /** The stream of what comes behind position. @param {string} position */
  followURL(position) {
    const p = this.params();
    p.delete("until");
    p.set("follow", "1");
    p.set("cut", String(cut));
    this.#place(p, position);
    return url(this.path, p);
  }

  /**
   * Counts per step of time and level.
   *
   * @param {{buckets: number, since?: string, until?: string, marking?: boolean, level?: string}} want
   * @param {AbortSignal} signal
   */
  histogram(want, signal) {
    const p = this.params({ marking: want.marking, level: want.level });
    if (this.single) p.append("file", this.files[0]);
    p.set("buckets", String(want.buckets));
    if (want.since) p.set("since", want.since);
    if (want.until) p.set("until", want.until);
    return getJSON("histogram", p, signal);
  }

  /** What a program would be given for the same. @param {Record<string, string>} [more] */
  textURL(more = {}) {
    const p = this.params();
    for (const [name, value] of Object.entries(more)) p.set(name, value);
    return url(this.path, p);
  }
}
