// Errors, grouped: what goes wrong, how often, since when and where.

import { Latest, getJSON, isAbort, url } from "../lib/api.js";
import { byId, fill, h, svg } from "../lib/dom.js";
import { inertText } from "../lib/inert.js";
import { count, hue, plural } from "../lib/number.js";
import { age } from "../lib/time.js";

/**
 * @typedef {{fingerprint: string, title: string, pattern: string, level: string, count: number, first: string, last: string,
 *   hosts: Record<string, number>, programs: Record<string, number>, files: Record<string, number>, trend: number[]}} Group
 */

const height = 34;
const asking = new Latest();
/** @type {{groups: Group[], limited: string, dropped?: number} | null} */
let answer = null;
const [since, level, order, filter] = ["since", "level", "order", "filter"].map(byId);

const given = new URLSearchParams(location.search);
const files = given.getAll("file");
since.value = given.get("since") ?? "-24h";
level.value = given.get("level") || "error";
order.value = given.get("order") || "last";
filter.value = given.get("q") || "";

/** The choice as it stands in the URL. */
function params() {
  const p = new URLSearchParams();
  for (const f of files) p.append("file", f);
  p.set("since", since.value);
  if (level.value !== "error") p.set("level", level.value);
  if (order.value !== "last") p.set("order", order.value);
  if (filter.value) p.set("q", filter.value);
  return p;
}

async function load() {
  history.replaceState(null, "", url("-/errors", params()));
  const p = new URLSearchParams({ level: level.value });
  for (const f of files) p.append("file", f);
  if (since.value) p.set("since", since.value);
  byId("groups").classList.add("busy");
  if (!answer) byId("sum").textContent = "Looking through the logs";
  try {
    answer = await getJSON("errors", p, asking.next());
    draw();
  } catch (err) {
    if (isAbort(err)) return;
    fill(byId("sum"), h("span", { class: "wrong" }, `The errors cannot be shown: ${/** @type {Error} */ (err).message}. `), h("button", { type: "button", onclick: load }, "Try again"));
  }
  byId("groups").classList.remove("busy");
}

function draw() {
  if (!answer) return;
  const wanted = filter.value.toLowerCase();
  const groups = answer.groups.filter((g) => !wanted || g.title.toLowerCase().includes(wanted));
  const by = /** @type {Record<string, (a: Group, b: Group) => number>} */ ({
    last: (a, b) => Date.parse(b.last) - Date.parse(a.last), first: (a, b) => Date.parse(b.first) - Date.parse(a.first), count: (a, b) => b.count - a.count,
  });
  groups.sort(by[order.value]);
  const all = groups.reduce((sum, g) => sum + g.count, 0);
  const limits = { scan: " in as much as one request may look through", time: " in the time one request may take" }[answer.limited] || "";
  byId("sum").textContent = groups.length
    ? `${plural(groups.length, "kind")}, ${plural(all, "event")}${limits}${answer.dropped ? `; ${plural(answer.dropped, "event")} more of further kinds` : ""}${files.length ? ` in ${files.join(", ")}` : ""}`
    : "";
  // Where the logs begin within the hour, all would be new.
  const allFresh = answer.groups.every(isFresh);
  fill(byId("groups"), ...(groups.length ? groups.map((g) => group(g, isFresh(g) && !allFresh)) : [h("li", { class: "card" }, h("h2", {}, "No errors"), h("p", {}, wanted ? "None of this kind in the chosen time." : `Nothing of this level${limits} in the chosen time.`))]));
}

/** @param {Group} g */
const isFresh = (g) => Date.now() - Date.parse(g.first) < 3600_000 && since.value !== "-1h";

/** @param {Group} g @param {boolean} fresh */
function group(g, fresh) {
  const open = new URLSearchParams();
  for (const f of Object.keys(g.files || {})) open.append("file", f);
  open.set("pattern", g.pattern);
  open.set("level", level.value);
  if (since.value) open.set("since", since.value);
  return h("li", { class: "group", data: { level: g.level } },
    h("span", { class: "times", title: `${g.count} times` }, count(g.count)),
    h("h2", {}, h("a", { href: url("-/view", open) }, inertText(g.title || "(an event without words)"))),
    h("div", { class: "about" },
      fresh ? h("span", { class: "new" }, "new in the last hour") : null,
      h("span", {}, "last ", h("time", { dateTime: g.last, title: g.last }, age(g.last))),
      h("span", {}, "first ", h("time", { dateTime: g.first, title: g.first }, age(g.first))),
      names(g.hosts, "host", open), names(g.programs, "program", open)),
    h("div", { class: "trend" }, trend(g)));
}

/** @param {Record<string, number>} counts @param {string} kind @param {URLSearchParams} open */
function names(counts, kind, open) {
  const sorted = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  return h("span", {}, ...sorted.slice(0, 6).flatMap(([name, n]) => {
    const p = new URLSearchParams(open);
    p.append(kind, name);
    return [h("a", { href: url("-/view", p), title: `${n} of ${kind} ${name}` }, kind === "host" ? h("span", { class: "dot c" + hue(name), "aria-hidden": "true" }) : null, inertText(name)), " "];
  }), sorted.length > 6 ? `and ${sorted.length - 6} more` : "");
}

/** @param {Group} g */
function trend(g) {
  const top = Math.max(1, ...g.trend);
  const n = Math.max(1, g.trend.length);
  const el = svg("svg", { viewBox: `0 0 ${n * 4} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `over time: ${g.trend.join(", ")}` });
  g.trend.forEach((v, i) => {
    if (!v) return;
    const tall = Math.max(2, (v / top) * height);
    el.append(svg("rect", { x: i * 4, y: height - tall, width: 3.2, height: tall }));
  });
  return el;
}

for (const el of [since, level]) el.addEventListener("change", load);
order.addEventListener("change", () => {
  history.replaceState(null, "", url("-/errors", params()));
  draw();
});
filter.addEventListener("input", () => {
  history.replaceState(null, "", url("-/errors", params()));
  draw();
});
byId("choice").addEventListener("submit", (/** @type {Event} */ e) => e.preventDefault());
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey) return;
  e.preventDefault();
  filter.focus();
});
load();
