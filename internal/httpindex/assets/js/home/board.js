// The board: what is silent, behind, refused or running full.

import { url } from "../lib/api.js";
import { byId, fill, h } from "../lib/dom.js";
import { inertText } from "../lib/inert.js";
import { count, hue, plural, size } from "../lib/number.js";
import { age, duration } from "../lib/time.js";

/**
 * @typedef {{peer: string, addr: string, host: string, path: string, source: string, first: number, committed: number, skipped_bytes: number, last_seen: string, connected: boolean}} Source
 * @typedef {{host: string, program: string, file: string, last: string, every: number | null, silent: boolean}} Writer
 * @typedef {{hosts?: Writer[], sources?: Source[], sources_total?: number, refused?: Record<string, number>, dropped?: number, disk?: {free: number, total: number, files: number, parts: number}, failed?: string, limited?: string}} Board
 */

/** @param {Board} board */
export function drawBoard(board) {
  const el = byId("board");
  el.hidden = false;
  if (board.failed !== undefined) {
    fill(el, tile("idle", "No board", board.failed));
    return;
  }
  const writers = board.hosts || [];
  const silent = writers.filter((w) => w.silent);
  /** @type {HTMLElement[]} */
  const tiles = [];
  if (silent.length) tiles.push(silence(silent, writers));
  else if (writers.length) tiles.push(tile("good", "Nobody is silent", `${plural(new Set(writers.map((w) => w.host)).size, "host")}, ${plural(writers.length, "program")} that keep their rhythm`));
  else tiles.push(tile("idle", "Nobody writes yet", "Writers appear with their first line"));
  const files = deliveries(board.sources || []);
  if (files.length) tiles.push(delivery(files, board.sources_total || 0));
  const refused = Object.entries(board.refused || {}).filter(([, n]) => n > 0);
  const lost = board.dropped || 0;
  if (refused.length || lost) tiles.push(tile(lost ? "bad" : "warn", lost ? `${plural(lost, "message")} dropped` : `${count(refused.reduce((a, [, n]) => a + n, 0))} refused`, refused.map(([why, n]) => `${why}: ${count(n)}`).join(", ") || "since dalogd started"));
  else tiles.push(tile("good", "Nothing refused or dropped", "since dalogd started"));
  if (board.disk?.total) {
    const free = board.disk.free / board.disk.total;
    const t = tile(free < 0.05 ? "bad" : free < 0.15 ? "warn" : "good", `${size(board.disk.free)} of disk left`, `logs take ${size(board.disk.files + board.disk.parts)}`);
    t.append(h("meter", { min: "0", max: "1", low: "0.05", high: "0.15", optimum: "1", value: String(free), "aria-label": "disk that is free", title: `${Math.round(free * 100)} % free` }));
    tiles.push(t);
  }
  fill(el, ...tiles);
  drawWriters(writers);
  drawDeliveries(files);
}

/**
 * Says who is silent: hosts of which nothing comes any more, else programs.
 *
 * @param {Writer[]} silent
 * @param {Writer[]} writers
 */
function silence(silent, writers) {
  const quiet = (/** @type {Writer} */ w) => age(w.last).replace(" ago", "");
  const hosts = [...new Set(silent.map((w) => w.host))].filter((host) => writers.every((w) => w.host !== host || w.silent || w.every === null));
  if (hosts.length) {
    const latest = (/** @type {string} */ host) => silent.filter((w) => w.host === host).sort((a, b) => Date.parse(b.last) - Date.parse(a.last))[0];
    const others = silent.filter((w) => !hosts.includes(w.host)).length;
    return tile("bad", hosts.length === 1 ? `${inertText(hosts[0])} is silent` : `${plural(hosts.length, "host")} silent`,
      hosts.slice(0, 4).map((host) => `${inertText(host)}: nothing from any program for ${quiet(latest(host))}`).join(", ") + (others ? `; ${plural(others, "program")} on other hosts` : ""));
  }
  return tile("bad", `${plural(silent.length, "program")} silent`,
    silent.slice(0, 4).map((w) => `${inertText(w.host)} ${inertText(w.program)} for ${quiet(w)}`).join(", ") + (silent.length > 4 ? ` and ${silent.length - 4} more` : ""));
}

/** @param {string} kind @param {string} title @param {string} text */
const tile = (kind, title, text) => h("div", { class: "tile " + kind }, h("b", {}, title), h("span", {}, text));

/** Whether somebody is at a link of the table, or selects in it, which drawing would end. @param {HTMLElement} section */
function inUse(section) {
  const body = section.querySelector("tbody");
  const selection = document.getSelection();
  return Boolean(body?.contains(document.activeElement) || (selection && !selection.isCollapsed && body?.contains(selection.anchorNode)));
}

/** @param {Writer[]} writers */
function drawWriters(writers) {
  const section = byId("writers");
  section.hidden = !writers.length;
  if (inUse(section)) return;
  const sorted = [...writers].sort((a, b) => Number(b.silent) - Number(a.silent) || a.host.localeCompare(b.host) || a.program.localeCompare(b.program));
  fill(section.querySelector("tbody"), ...sorted.map((w) =>
    h("tr", { role: "row", class: w.silent ? "silent" : "" },
      h("th", { role: "rowheader", scope: "row" }, h("span", { class: "dot c" + hue(w.host), "aria-hidden": "true" }), " ", h("a", { href: url("-/view", new URLSearchParams({ host: w.host })) }, inertText(w.host))),
      h("td", { role: "cell" }, inertText(w.program)),
      h("td", { role: "cell" }, h("a", { href: url("-/view", new URLSearchParams({ file: w.file, host: w.host })) }, w.file)),
      h("td", { role: "cell", class: "change" }, h("time", { dateTime: w.last, title: w.last }, age(w.last))),
      h("td", { role: "cell" }, w.every === null ? h("span", { class: "faint" }, "not known yet") : duration(w.every)),
      h("td", { role: "cell" }, w.silent ? "silent" : "writes"))));
}

/**
 * A file of a sender: its latest incarnation, and what is missing of all of
 * them.
 *
 * @typedef {Source & {missing: number, older: number, sender: string}} Delivery
 */

/** @param {Source[]} sources @returns {Delivery[]} those of which something is missing first */
function deliveries(sources) {
  /** @type {Map<string, Delivery>} */
  const files = new Map();
  for (const s of sources) {
    const key = s.path ? `${s.host}\n${s.path}` : s.source;
    const before = files.get(key);
    const missing = s.skipped_bytes + (before?.missing || 0);
    const older = before ? before.older + 1 : 0;
    const latest = before && Date.parse(before.last_seen) > Date.parse(s.last_seen) ? before : s;
    files.set(key, { ...latest, missing, older, sender: s.host || s.peer || "a sender not seen since dalogd started" });
  }
  return [...files.values()].sort((a, b) => b.missing - a.missing || a.host.localeCompare(b.host) || a.path.localeCompare(b.path));
}

/** @param {Delivery[]} files @param {number} total sources, incarnations of files */
function delivery(files, total) {
  const gaps = files.filter((f) => f.missing);
  const hosts = new Set(files.map((f) => f.sender)).size;
  if (!gaps.length) return tile("good", "Delivery is complete", `${plural(total > 1000 ? total : files.length, "file")} of ${plural(hosts, "sender")}: every byte up to where they stand is here`);
  const sum = gaps.reduce((n, f) => n + f.missing, 0);
  return tile("warn", `${size(sum)} missing`, gaps.slice(0, 3).map((f) => `${inertText(f.sender)} ${inertText(f.path || f.source)}: ${size(f.missing)}`).join(", ") + (gaps.length > 3 ? ` and ${plural(gaps.length - 3, "other file")}` : ""));
}

/** @param {Delivery[]} files */
function drawDeliveries(files) {
  byId("deliveries").hidden = !files.length;
  if (inUse(byId("deliveries"))) return;
  const most = 300;
  fill(byId("deliveries-more"), files.length > most ? `${most} of ${files.length} files, those with something missing first` : "");
  fill(byId("deliveries").querySelector("tbody"), ...files.slice(0, most).map((f) =>
    h("tr", { role: "row", class: f.missing ? "missing" : "" },
      h("th", { role: "rowheader", scope: "row" }, f.host ? h("span", { class: "dot c" + hue(f.host), "aria-hidden": "true" }) : null, " ", inertText(f.sender)),
      h("td", { role: "cell", class: "path" }, inertText(f.path || f.source), f.older ? h("span", { class: "faint" }, ` and ${f.older} rotated`) : null),
      h("td", { role: "cell" }, h("data", { value: String(f.committed), title: `bytes ${f.first.toLocaleString("en")} to ${f.committed.toLocaleString("en")}` }, `${size(f.first)} to ${size(f.committed)}`)),
      h("td", { role: "cell" }, f.missing ? `${size(f.missing)} missing` : "none"),
      h("td", { role: "cell", class: "change" }, h("time", { dateTime: f.last_seen, title: f.last_seen }, age(f.last_seen))),
      h("td", { role: "cell" }, f.connected ? "connected" : h("span", { class: "faint" }, "not connected")))));
}
