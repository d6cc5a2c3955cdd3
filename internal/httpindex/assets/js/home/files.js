// The rows of the table of files.

import { getJSON, isAbort, url } from "../lib/api.js";
import { fillUp } from "../lib/buckets.js";
import { fill, h, svg } from "../lib/dom.js";
import { inertText } from "../lib/inert.js";
import { stacked } from "../lib/levels.js";
import { hue, plural, size } from "../lib/number.js";
import { age } from "../lib/time.js";

const bars = 60;
const height = 24;
const charts = 3; // that are asked for at once
const chartAge = 60_000; // ms for which a chart is good

/** @type {Map<string, {end: number, at: number}>} */
const last = new Map();
/** @type {Map<string, number>} */
const charted = new Map();
/** @type {Set<HTMLElement>} */
const visible = new Set();
/** @type {HTMLElement[]} */
const queue = [];
let asking = 0;

const rows = () => /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#files tbody tr"));

/** Charts are drawn of the rows that are on the screen. */
export function watchFiles() {
  const watch = new IntersectionObserver((entries) => {
    for (const e of entries) {
      const row = /** @type {HTMLElement} */ (e.target);
      if (!e.isIntersecting) visible.delete(row);
      else {
        visible.add(row);
        chartSoon(row);
      }
    }
  });
  for (const row of rows()) watch.observe(row);
}

/**
 * @param {{name: string, size: number, start: number, end?: number, virtual_size?: number, modified: string, last?: string}[]} files
 */
export function drawFiles(files) {
  const byName = new Map(files.map((f) => [f.name, f]));
  const now = Date.now();
  for (const row of rows()) {
    const name = row.dataset.file || "";
    const f = byName.get(name);
    if (!f) continue;
    const end = f.end ?? f.start + f.size;
    const before = last.get(name) || { end: Number(row.dataset.end), at: now };
    const rate = now > before.at ? Math.max(0, end - before.end) / ((now - before.at) / 1000) : 0;
    last.set(name, { end, at: now });
    cell(row, ".growth").textContent = rate >= 0.5 ? `${size(Math.round(rate))}/s` : "";
    const time = /** @type {HTMLTimeElement} */ (cell(row, "time"));
    const at = f.last || f.modified;
    time.dateTime = at;
    const empty = end === f.start && !f.virtual_size;
    time.textContent = empty ? "none yet" : age(at);
    if (f.virtual_size !== undefined) {
      cell(row, "data").textContent = size(f.virtual_size);
      cell(row, "data").title = `${f.virtual_size} bytes`;
    }
    row.classList.toggle("empty", empty);
    if (visible.has(row) && end !== before.end) chartSoon(row);
  }
}

/** @param {HTMLElement} row @param {string} selector */
const cell = (row, selector) => /** @type {HTMLElement} */ (row.querySelector(selector));

/** @param {HTMLElement} row */
function chartSoon(row) {
  const name = row.dataset.file || "";
  if (row.classList.contains("empty") || Date.now() - (charted.get(name) || 0) < chartAge || queue.includes(row)) return;
  queue.push(row);
  work();
}

function work() {
  while (asking < charts && queue.length) {
    const row = /** @type {HTMLElement} */ (queue.shift());
    asking++;
    chart(row).finally(() => {
      asking--;
      work();
    });
  }
}

/** @param {HTMLElement} row */
async function chart(row) {
  const name = row.dataset.file || "";
  charted.set(name, Date.now());
  const spark = cell(row, "td.spark");
  const hosts = cell(row, "td.hosts");
  try {
    const answer = await getJSON("histogram", new URLSearchParams({ file: name, since: "-1h", until: new Date().toISOString(), buckets: String(bars) }));
    const counts = fillUp(answer).map((b) => b.counts);
    const totals = counts.map(sum);
    const all = totals.reduce((/** @type {number} */ a, /** @type {number} */ n) => a + n, 0);
    const bad = counts.reduce((/** @type {number} */ a, /** @type {any} */ c) => a + (c.error || 0) + (c.critical || 0), 0);
    const label = all ? `${plural(all, "line")}${bad ? `, ${plural(bad, "error")}` : ""} in the last hour` : "nothing in the last hour";
    fill(spark, h("a", { href: url("-/view", new URLSearchParams({ file: name, since: "-1h" })), title: label, "aria-label": label }, bar(counts, totals)));
    const names = Object.entries(answer.hosts || {}).sort((a, b) => Number(b[1]) - Number(a[1]));
    fill(hosts, ...names.slice(0, 4).map(([host]) =>
      h("a", { href: url("-/view", new URLSearchParams({ file: name, host })) }, h("span", { class: "dot c" + hue(host), "aria-hidden": "true" }), inertText(host))), names.length > 4 ? `and ${names.length - 4} more` : "");
  } catch (err) {
    if (isAbort(err)) return;
    charted.delete(name);
    fill(spark, h("span", { class: "faint", title: /** @type {Error} */ (err).message }, "no counts"));
  }
}

/** @param {Record<string, number>} c */
const sum = (c) => Object.values(c).reduce((a, n) => a + n, 0);

/** @param {Record<string, number>[]} counts @param {number[]} totals */
function bar(counts, totals) {
  const n = Math.max(1, counts.length);
  const top = Math.max(1, ...totals);
  const el = svg("svg", { viewBox: `0 0 ${n * 3} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  counts.forEach((c, i) => {
    let y = height;
    for (const level of stacked) {
      const v = c[level || "none"] ?? c[level] ?? 0;
      if (!v) continue;
      const tall = Math.max(1, (v / top) * (height - 1));
      y -= tall;
      el.append(svg("rect", { x: i * 3, y: Math.max(0, y), width: 2.4, height: tall, class: "bar l-" + (level || "none") }));
    }
  });
  return el;
}
