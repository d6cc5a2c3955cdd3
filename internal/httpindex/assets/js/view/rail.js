// The rail beside the lines: the whole file from its first kept byte to its
// last, and where in it the screen is. Dragging goes there.

import { size } from "../lib/number.js";

export class Rail {
  #dragging = false;

  /**
   * @param {HTMLElement} el
   * @param {(fraction: number) => void} go
   */
  constructor(el, go) {
    this.el = el;
    this.thumb = /** @type {HTMLElement} */ (el.firstElementChild);
    this.go = go;
    this.at = 0;
    el.addEventListener("pointerdown", (e) => {
      this.#dragging = true;
      el.setPointerCapture(e.pointerId);
      this.#drag(e);
    });
    el.addEventListener("pointermove", (e) => this.#dragging && this.#drag(e));
    el.addEventListener("pointerup", (e) => {
      if (!this.#dragging) return;
      this.#dragging = false;
      this.#drag(e);
      go(this.at);
    });
    el.addEventListener("keydown", (e) => {
      const step = { ArrowUp: -0.01, ArrowDown: 0.01, PageUp: -0.1, PageDown: 0.1, Home: -1, End: 1 }[e.key];
      if (!step) return;
      e.preventDefault();
      e.stopPropagation();
      this.at = Math.min(1, Math.max(0, this.at + step));
      go(this.at);
    });
  }

  /** @param {PointerEvent} e */
  #drag(e) {
    const box = this.el.getBoundingClientRect();
    this.at = Math.min(1, Math.max(0, (e.clientY - box.top) / box.height));
    this.thumb.style.top = this.at * 100 + "%";
  }

  /**
   * @param {number} start
   * @param {number} end
   * @param {number} from first byte on the screen
   * @param {number} to
   */
  show(start, end, from, to) {
    const all = end - start;
    if (this.#dragging || all <= 0) return;
    const [a, b] = [Math.max(0, (from - start) / all), Math.min(1, (to - start) / all)];
    this.at = b >= 0.9999 ? 1 : a;
    this.thumb.style.top = a * 100 + "%";
    this.thumb.style.height = Math.max(0, b - a) * 100 + "%";
    this.el.setAttribute("aria-valuenow", String(Math.round(this.at * 100)));
    this.el.setAttribute("aria-valuetext", `${Math.round(this.at * 100)} % of ${size(all)}`);
  }
}
