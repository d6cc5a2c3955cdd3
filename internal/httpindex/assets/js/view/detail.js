// What a row shows when it is open.

import { h } from "../lib/dom.js";
import { appendInert } from "../lib/inert.js";
import { size } from "../lib/number.js";
import { bare } from "./events.js";
import { flatten, structure } from "./structure.js";
import { appendText, find } from "./text.js";

/** @typedef {import("./source.js").Line} Line */

/**
 * @param {import("./events.js").Event} event
 * @param {{lines: string[], last: string} | null} folded
 * @param {import("./rows.js").View} view
 */
export function detail(event, folded, view) {
  const el = h("div", { class: "detail" });
  const line = event.lines[0];
  if (event.from >= 0) el.append(traceback(event.lines.slice(event.from).map(bare), view));
  else if (folded) el.append(traceback(folded.lines, view));
  else if (line.cut) el.append(longLine(line, view));
  else {
    const fields = structure(line.text);
    if (fields) el.append(table(fields.kind === "json" ? flatten(fields.value) : fields.pairs, view));
    else el.append(h("pre", {}, marked(line.text, view)));
  }
  if (event.note) el.append(h("p", { class: "wrong" }, event.note));
  return el;
}

/** @param {string[]} lines @param {import("./rows.js").View} view */
function traceback(lines, view) {
  const pre = h("pre", { class: "traceback" });
  for (const text of lines) {
    const kind = /^\s*File "/.test(text) ? (/(?:site|dist)-packages|\/lib\/python/.test(text) && !/docassemble/.test(text) ? "frame library" : "frame") : /^\s/.test(text) ? "code" : "says";
    pre.append(h("span", { class: kind }, marked(text, view)), "\n");
  }
  return pre;
}

/** @param {[string, string][]} pairs @param {import("./rows.js").View} view */
function table(pairs, view) {
  const dl = h("dl", { class: "fields" });
  for (const [name, value] of pairs) {
    const dt = h("dt");
    appendInert(dt, name);
    dl.append(h("div", {}, dt, h("dd", {}, marked(value, view))));
  }
  return dl;
}

/** @param {string} text @param {import("./rows.js").View} view */
function marked(text, view) {
  const f = document.createDocumentFragment();
  appendText(f, text, find(text, view.marker), null);
  return f;
}

const block = 32768; // characters that are laid out at once

/**
 * A line that is too long to be held: what is held of it, and the rest when
 * asked for, block by block, so that the page never stands still.
 *
 * @param {Line} line
 * @param {import("./rows.js").View} view
 */
function longLine(line, view) {
  const pre = h("pre", { class: "long" }, marked(line.text, view));
  const more = /** @type {HTMLButtonElement} */ (h("button", { type: "button", class: "quiet" }, `Show all ${size(line.cut || 0)} of this line`));
  more.addEventListener("click", async () => {
    more.disabled = true;
    more.textContent = "Loading…";
    try {
      const { text } = await view.source.whole(line);
      pre.replaceChildren();
      for (let at = 0; at < text.length; at += block) {
        await new Promise((f) => setTimeout(f));
        const part = h("span", { class: "block" });
        appendInert(part, text.slice(at, at + block));
        pre.append(part);
      }
      more.remove();
    } catch (err) {
      more.disabled = false;
      more.textContent = `Not loaded: ${/** @type {Error} */ (err).message}. Try again`;
    }
  });
  return h("div", {}, pre, more);
}
