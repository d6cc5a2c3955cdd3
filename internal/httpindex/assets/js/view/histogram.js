// Volume over time by level, as bars. A drag over them is a range of time, a
// click a place to go to; by keyboard the arrows move, Shift with them selects,
// Enter takes.

import { fillUp } from "../lib/buckets.js";
import { fill, h, svg } from "../lib/dom.js";
import { stacked } from "../lib/levels.js";
import { count, plural } from "../lib/number.js";
import { settings } from "../lib/settings.js";
import { label, stamp } from "../lib/time.js";

const height = 44;

/**
 * @typedef {import("../lib/buckets.js").Bucket} Bucket
 * @typedef {import("../lib/buckets.js").Answer} Answer
 */

export class Histogram {
  /** @type {Answer | null} */
  answer = null;
  #from = 0;
  #step = 1;
  #n = 0;
  /** @type {Bucket[]} */
  #buckets = [];
  #anchor = -1; // bucket where a selection began
  #cursor = -1;

  /**
   * @param {HTMLElement} el
   * @param {{range: (since: string, until: string) => void, go: (time: string) => void}} told
   */
  constructor(el, told) {
    this.el = el;
    this.told = told;
    this.tip = h("div", { class: "tip", hidden: true });
    this.seen = h("div", { class: "seen", hidden: true });
    this.brush = h("div", { class: "brush", hidden: true });
    this.plot = h("div", { class: "plot", tabIndex: 0, role: "application", "aria-roledescription": "chart" });
    this.axis = h("div", { class: "axis", "aria-hidden": "true" });
    fill(el, this.plot, this.axis);
    this.plot.addEventListener("pointerdown", (e) => this.#down(e));
    this.plot.addEventListener("pointermove", (e) => this.#move(e));
    this.plot.addEventListener("pointerup", (e) => this.#up(e));
    this.plot.addEventListener("pointerleave", () => this.#hideTip());
    this.plot.addEventListener("keydown", (e) => this.#key(e));
    this.plot.addEventListener("blur", () => this.#hideTip());
  }

  /** How many bars fit. */
  get wanted() {
    return Math.max(20, Math.min(240, Math.floor((this.plot.clientWidth || 600) / 5)));
  }

  loading() {
    this.el.classList.add("loading");
  }

  /** @param {string} text */
  failed(text) {
    this.el.classList.remove("loading");
    this.answer = null;
    fill(this.plot, h("p", { class: "chart-note" }, text));
    fill(this.axis);
  }

  /** @param {Answer} answer */
  show(answer) {
    this.el.classList.remove("loading");
    this.answer = answer;
    const buckets = (this.#buckets = fillUp(answer));
    this.#n = buckets.length;
    this.#step = answer.step;
    this.#from = buckets.length ? Date.parse(buckets[0].time) : 0;
    this.#anchor = this.#cursor = -1;
    if (!this.#n) {
      fill(this.plot, h("p", { class: "chart-note" }, "No lines to count"));
      fill(this.axis);
      return;
    }
    const totals = buckets.map((b) => Object.values(b.counts).reduce((a, c) => a + c, 0));
    const top = Math.max(1, ...totals);
    const chart = svg("svg", { viewBox: `0 0 ${this.#n * 10} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    buckets.forEach((b, i) => {
      let y = height;
      for (const level of stacked) {
        const n = b.counts[level || "none"] ?? b.counts[level] ?? 0;
        if (!n) continue;
        const bar = Math.max(1.5, (n / top) * (height - 2));
        y -= bar;
        chart.append(svg("rect", { x: i * 10 + 0.8, y: Math.max(0, y), width: 8.4, height: bar, class: "bar l-" + (level || "none") }));
      }
    });
    fill(this.plot, chart, this.seen, this.brush, this.tip);
    this.brush.hidden = true;
    const sum = totals.reduce((a, c) => a + c, 0);
    this.plot.setAttribute("aria-label", `${plural(sum, "line")} from ${this.#label(0)} to ${this.#label(this.#n)}, ${count(top)} at most in ${this.#stepText()}. Left and right move over the bars, Shift selects, Enter goes there.`);
    this.#drawAxis();
  }

  /** All lines that were counted, and those of a level or worse. */
  total() {
    let all = 0;
    for (const b of this.answer?.buckets || []) for (const n of Object.values(b.counts)) all += n;
    return all;
  }

  /** Marks the time of what is on the screen. @param {string} first @param {string} last */
  mark(first, last) {
    const [a, b] = [Date.parse(first), Date.parse(last)];
    const width = this.#n * this.#step * 1000;
    this.seen.hidden = Number.isNaN(a) || Number.isNaN(b) || !width;
    if (this.seen.hidden) return;
    const from = Math.min(1, Math.max(0, (Math.min(a, b) - this.#from) / width));
    const to = Math.min(1, Math.max(0, (Math.max(a, b) - this.#from) / width));
    this.seen.style.left = from * 100 + "%";
    this.seen.style.width = `max(3px, ${(to - from) * 100}%)`;
  }

  #drawAxis() {
    const n = Math.max(2, Math.min(8, Math.floor((this.plot.clientWidth || 600) / 130)));
    const ticks = [];
    for (let i = 0; i < n; i++) ticks.push(h("span", {}, this.#label(Math.round((i * this.#n) / (n - 1)))));
    fill(this.axis, ...ticks);
  }

  /** @param {number} i */
  #time(i) {
    return this.#from + i * this.#step * 1000;
  }

  /** @param {number} i */
  #label(i) {
    return label(this.#time(i), settings.zone === "sent" ? "server" : settings.zone);
  }

  #stepText() {
    const s = this.#step;
    return s < 1 ? `${Math.round(s * 1000)} ms` : s < 120 ? `${+s.toFixed(1)} s` : s < 7200 ? `${+(s / 60).toFixed(1)} min` : `${+(s / 3600).toFixed(1)} h`;
  }

  /** @param {PointerEvent} e */
  #bucketAt(e) {
    const box = this.plot.getBoundingClientRect();
    return Math.min(this.#n - 1, Math.max(0, Math.floor(((e.clientX - box.left) / box.width) * this.#n)));
  }

  /** @param {PointerEvent} e */
  #down(e) {
    if (!this.#n || e.button !== 0) return;
    this.plot.setPointerCapture(e.pointerId);
    this.#anchor = this.#cursor = this.#bucketAt(e);
  }

  /** @param {PointerEvent} e */
  #move(e) {
    if (!this.#n) return;
    this.#cursor = this.#bucketAt(e);
    this.#showTip();
    if (e.buttons & 1 && this.#anchor >= 0 && this.#anchor !== this.#cursor) this.#showBrush();
  }

  /** @param {PointerEvent} e */
  #up(e) {
    if (!this.#n || this.#anchor < 0) return;
    this.#cursor = this.#bucketAt(e);
    this.#take();
  }

  #take() {
    const [a, b] = [Math.min(this.#anchor, this.#cursor), Math.max(this.#anchor, this.#cursor)];
    this.brush.hidden = true;
    const single = this.#anchor < 0 || a === b;
    this.#anchor = -1;
    if (single) this.told.go(stamp(this.#time(this.#cursor)));
    else this.told.range(stamp(this.#time(a)), stamp(this.#time(b + 1)));
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    if (!this.#n) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -this.#n, End: this.#n }[e.key];
    if (step) {
      const at = this.#cursor < 0 ? this.#n : this.#cursor;
      if (e.shiftKey && this.#anchor < 0) this.#anchor = Math.min(this.#n - 1, at);
      if (!e.shiftKey) this.#anchor = -1;
      this.#cursor = Math.min(this.#n - 1, Math.max(0, at + step));
      this.#showTip();
      if (this.#anchor >= 0) this.#showBrush();
      else this.brush.hidden = true;
    } else if (e.key === "Enter" && this.#cursor >= 0) this.#take();
    else if (e.key === "Escape" && this.#anchor >= 0) {
      this.#anchor = -1;
      this.brush.hidden = true;
    } else return;
    e.preventDefault();
    e.stopPropagation();
  }

  #showBrush() {
    const [a, b] = [Math.min(this.#anchor, this.#cursor), Math.max(this.#anchor, this.#cursor)];
    this.brush.hidden = false;
    this.brush.style.left = (a / this.#n) * 100 + "%";
    this.brush.style.width = ((b + 1 - a) / this.#n) * 100 + "%";
  }

  #showTip() {
    const b = this.#buckets[this.#cursor];
    if (!b) return;
    const parts = [];
    for (const level of stacked) {
      const n = b.counts[level || "none"] ?? b.counts[level] ?? 0;
      if (n) parts.push(h("span", { class: "l-" + (level || "none") }, `${count(n)} ${level || "without a level"}`));
    }
    const [a, z] = this.#anchor >= 0 ? [Math.min(this.#anchor, this.#cursor), Math.max(this.#anchor, this.#cursor)] : [this.#cursor, this.#cursor];
    const when = this.#anchor >= 0 && a !== z ? `${this.#label(a)} to ${this.#label(z + 1)}` : `${this.#label(this.#cursor)}, ${this.#stepText()}`;
    fill(this.tip, h("b", {}, when), ...(parts.length ? parts : [h("span", {}, "nothing")]));
    this.tip.hidden = false;
    this.tip.setAttribute("role", "status");
    const at = ((this.#cursor + 0.5) / this.#n) * 100;
    this.tip.style.left = at > 60 ? "auto" : at + "%";
    this.tip.style.right = at > 60 ? 100 - at + "%" : "auto";
  }

  #hideTip() {
    this.tip.hidden = true;
  }
}
