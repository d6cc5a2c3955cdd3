// A file, or several merged by time: the controller that joins the parts of the
// view. What is seen is the state in the URL; every change goes through change.

import { AnswerError, Latest, isAbort, url } from "../lib/api.js";
import { byId, debounce, fill, h, perFrame } from "../lib/dom.js";
import { count, plural, size } from "../lib/number.js";
import { onSettings, set, settings } from "../lib/settings.js";
import { timeIn } from "../lib/time.js";
import { chips, rangeName, split } from "./chips.js";
import { copy, copyClean } from "./clipboard.js";
import { closers, filesDialog, open, rangeDialog, settingsDialog } from "./dialogs.js";
import { edges, limitText, state as card } from "./edges.js";
import { Follow } from "./follow.js";
import { Histogram } from "./histogram.js";
import { help, listen } from "./keys.js";
import { Mover } from "./move.js";
import { Rail } from "./rail.js";
import { eventOf, pointTo } from "./rows.js";
import { searchBar } from "./search.js";
import { Source } from "./source.js";
import { blank, filtered, read, write } from "./state.js";
import { takeDialog } from "./take.js";
import { marker } from "./text.js";
import { LogWindow } from "./window.js";

/** @typedef {import("./state.js").State} State */

let state = read(location.search);
let source = new Source(state);
/** @type {import("./histogram.js").Answer | null} */
let seen = null; // the histogram of what is shown
/** @type {number | null} */
let marked = null; // lines that match while marking
const lines = byId("lines");
const counting = new Latest();
const countingMarks = new Latest();

/** @param {Partial<State>} changes */
const link = (changes) => url("-/view", write({ ...state, ...changes }));

/** @returns {import("./rows.js").View} */
const newView = () => ({ state, source, marker: marker(state), link });
let view = newView();

const win = new LogWindow(byId("log"), lines, { changed: () => drawEdges(), scrolled, failed });
const histogram = new Histogram(byId("histogram"), { range: (since, until) => change({ since, until }), go: (time) => goTo(time) });
const rail = new Rail(byId("rail"), goFraction);
const follow = new Follow({
  url: (position) => source.followURL(position),
  draw: (some, after) => {
    const stay = !win.atEnd() && !follow.frozen;
    win.append(some, after);
    if (!stay) win.toEnd();
    announceSoon(some);
    drawStatusSoon();
  },
  skip: (at) => win.restart(at),
  gap: (gap) => {
    // What was left out is read when one scrolls up to it.
    if (source.single && gap.to !== undefined) win.restart(String(gap.to));
    say(`Some lines were left out here: ${gap.reason || "they came too fast"}. Scroll up to read what is kept of them.`);
  },
  changed: () => {
    if (follow.frozen) drawFollowSoon(); // with each line that comes
    else drawFollow();
    if (follow.on === following) return;
    following = follow.on;
    if (win.loaded) drawEdges();
  },
});
let following = false; // as the edges say
const drawFollowSoon = perFrame(() => drawFollow());
const mover = new Mover(win, {
  view: () => view,
  show: (line) => point(line, false),
  say,
});

// ---- What is seen

/**
 * @param {Partial<State>} changes
 * @param {{replace?: boolean, keep?: boolean}} [how] keep: what is on the screen stays in view
 */
function change(changes, how = {}) {
  const before = state;
  const anchor = how.keep === false ? null : chosenLine() || (win.atEnd() ? null : firstLine());
  state = { ...state, ...changes };
  const address = link({});
  if (address !== location.href) {
    if (how.replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  const onlyMarks = (/** @type {State} */ s) => JSON.stringify({ ...s, at: "", time: "", follow: false, ...(s.mark ? { q: "", regex: false, exact: false, invert: false } : {}) });
  const sameLines = onlyMarks(before) === onlyMarks(state) && !("at" in changes && changes.at) && !("time" in changes && changes.time);
  source = sameLines ? source : new Source(state);
  source.state = state;
  view = newView();
  if (sameLines) {
    win.view = view;
    for (const el of lines.querySelectorAll(".row")) setView(el);
    win.redrawAll();
    drawBar();
    if (state.mark) countMarks();
    if (state.follow && !follow.on) startFollow();
    return;
  }
  show(anchor && !("at" in changes) && !("time" in changes) ? anchor : null);
}

/** @param {Element} el */
const setView = (el) => mover.rebind(el, view);

/** Shows the state from scratch. @param {import("./source.js").Line | null} [anchor] line to stay near */
async function show(anchor = null) {
  follow.stop();
  drawBar();
  card(win.loaded ? "none" : "loading");
  lines.setAttribute("aria-busy", "true");
  // The lines come first: counting may keep all cores of the server busy.
  histogram.loading();
  const counts = setTimeout(loadHistogram, countsWait);
  const at = state.at || (anchor && source.single ? String(anchor.offset) : "");
  const time = state.time || (anchor && !source.single ? anchor.time : "");
  const opened = await win.open(view, source.single && at ? { at } : time ? { time } : {});
  lines.removeAttribute("aria-busy");
  clearTimeout(counts);
  loadHistogram();
  if (!opened) return;
  performance.mark("lines-shown");
  byId("q").removeAttribute("aria-invalid");
  if (state.at) pointAt();
  else if (anchor) mover.select(win.rowOf(anchor.file, anchor.offset), false);
  drawEmpty();
  if (state.follow) startFollow();
}

function drawEmpty() {
  if (win.lines || !win.head.done || !win.tail.done) {
    card("none");
    return;
  }
  if (filtered(state) || state.since || state.until) {
    card("empty", {
      title: "No line matches",
      text: state.since || state.until ? `Nothing in ${rangeName(state).toLowerCase()} passes the filters.` : "Nothing in these files passes the filters.",
      buttons: [
        ["Take all filters away", () => change({ ...blank(), files: state.files })],
        ...(/** @type {[string, () => void][]} */ (state.since || state.until ? [["Search all time", () => change({ since: "", until: "" })]] : [])),
      ],
    });
  } else {
    card("empty", { title: "No lines yet", text: "The first line appears here by itself when the page follows.", buttons: [["Follow", () => change({ follow: true })]] });
  }
}

/** @param {Error} err @returns {boolean} whether what is shown stays */
function failed(err) {
  lines.removeAttribute("aria-busy");
  if (!(err instanceof AnswerError)) {
    console.error(err);
    card("failed", { title: "This page has a fault", text: err.message, buttons: [["Load the page again", () => location.reload()], ["All files", () => void (location.href = url(""))]] });
    return false;
  }
  const { status } = err;
  if (status === 400 && state.q) {
    // Half a pattern while typing: it is told beside the search.
    byId("q").setAttribute("aria-invalid", "true");
    fill(byId("count"), h("span", { class: "wrong" }, err.message));
    if (win.loaded) return true;
  }
  const again = () => void show();
  const home = () => void (location.href = url(""));
  if (status === 404) card("failed", { title: `There is no file ${state.files[0] || ""}`, text: "It may have had no line yet, or was removed.", buttons: [["All files", home]] });
  else if (status === 410) {
    const start = err.detail?.start;
    card("failed", { title: "That line is no longer kept", text: err.message, buttons: [["Show the oldest lines kept", () => change({ at: start !== undefined ? String(start) : "", time: "" })], ["Show the newest", () => change({ at: "", time: "" })]] });
  } else if (status === 429) {
    const wait = err.retryAfter || 2;
    card("failed", { title: "dalogd is busy", text: `${err.message}. Trying again in ${wait} s.`, buttons: [["Try now", again]] });
    setTimeout(() => !win.loaded && again(), wait * 1000);
  } else if (status === 401 || status === 403) card("failed", { title: "Not allowed", text: err.message, buttons: [["All files", home]] });
  else if (status === 0) {
    card("failed", { title: "dalogd does not answer", text: "The page tries again by itself every few seconds.", buttons: [["Try now", again]] });
    setTimeout(() => byId("state").dataset.kind === "failed" && !byId("state").hidden && again(), 4000);
  } else card("failed", { title: "The lines cannot be shown", text: err.message, buttons: [["Try again", again], ["Take all filters away", () => change({ ...blank(), files: state.files })]] });
  return false;
}

/** What was counted, and when; "" = nothing yet. */
let counted = { what: "", at: 0 };
let countTook = 0; // ms
const countsAge = 15_000; // ms for which the same counts are good
const countsWait = 600; // ms that counting waits for lines

/** Counts over time, unless the same were counted a moment ago. */
async function loadHistogram() {
  const what = `${source.path}?${source.params()}&${histogram.wanted}`;
  if (what === counted.what && Date.now() - counted.at < countsAge) {
    byId("histogram").classList.toggle("loading", !seen);
    return;
  }
  counted = { what, at: Date.now() };
  const begun = performance.now();
  const signal = counting.next();
  histogram.loading();
  marked = null;
  try {
    const answer = await source.histogram({ buckets: histogram.wanted }, signal);
    countTook = performance.now() - begun;
    seen = answer;
    histogram.show(answer);
    if (state.mark) countMarks();
  } catch (err) {
    if (isAbort(err)) return;
    counted.what = "";
    seen = null;
    histogram.failed(err instanceof AnswerError && [400, 404, 410].includes(err.status) ? "" : `No counts: ${/** @type {Error} */ (err).message}`);
  }
  chips(state, seen, change);
  drawStatus();
}

/** Counts what is only marked. */
async function countMarks() {
  marked = null;
  if (!state.q) return drawStatus();
  try {
    const answer = await source.histogram({ buckets: 1, marking: true }, countingMarks.next());
    marked = (answer.buckets || []).reduce((/** @type {number} */ sum, /** @type {any} */ b) => sum + Object.values(b.counts).reduce((/** @type {number} */ a, /** @type {any} */ n) => a + n, 0), 0);
    byId("q").removeAttribute("aria-invalid");
  } catch (err) {
    if (isAbort(err)) return;
    byId("q").setAttribute("aria-invalid", "true");
    fill(byId("count"), h("span", { class: "wrong" }, /** @type {Error} */ (err).message));
    return;
  }
  drawStatus();
}

// ---- Going places

/** @param {string} time */
function goTo(time) {
  change({ time, at: "", follow: false });
}

/** @param {number} fraction of the file */
async function goFraction(fraction) {
  if (!source.single) return;
  if (fraction >= 0.999) return goEnd();
  if (fraction <= 0) return goStart();
  follow.stop();
  const at = Math.round(source.start + fraction * (source.end - source.start));
  await win.open(view, { at: String(at) });
}

async function goEnd() {
  if (!win.tail.done) await win.open(view, {});
  win.toEnd();
  mover.select(win.lastVisible(), true);
}

async function goStart() {
  if (follow.on) stopFollow();
  if (!win.head.done) await win.open(view, { start: true });
  else byId("log").scrollTop = 0;
  mover.select(win.firstVisible(), true);
}

/** Makes a line the one the page points to. @param {import("./source.js").Line} line @param {boolean} push */
async function point(line, push) {
  const to = pointTo(line, source.single);
  const present = win.rowOf(line.file, line.offset);
  if (push) {
    state = { ...state, ...to };
    history.pushState(null, "", link({}));
    markTarget(present);
    return;
  }
  if (present) {
    mover.select(present, true);
    return;
  }
  follow.stop();
  if (await win.open(view, source.single ? { at: to.at } : { time: line.time })) mover.select(win.rowOf(line.file, line.offset), true);
}

/** Shows the line of the URL. */
function pointAt() {
  const cut = state.at.lastIndexOf("=");
  const el = win.rowOf(cut < 0 ? "" : state.at.slice(0, cut), Number(state.at.slice(cut + 1)));
  markTarget(el);
  if (el) win.showRow(el);
  mover.select(el, false);
}

/** @param {HTMLElement | null} el */
function markTarget(el) {
  for (const old of lines.querySelectorAll(".target")) old.classList.remove("target");
  el?.classList.add("target");
}

function firstLine() {
  const el = win.firstVisible();
  return (el && eventOf(el)?.lines[0]) || null;
}

/** The line that was chosen, while it is seen. */
function chosenLine() {
  const el = mover.current;
  if (!el?.isConnected) return null;
  const [box, row] = [byId("log").getBoundingClientRect(), el.getBoundingClientRect()];
  return row.bottom > box.top && row.top < box.bottom ? eventOf(el)?.lines[0] || null : null;
}

// ---- Following

async function startFollow() {
  if (!win.tail.done || !win.loaded) {
    if (!(await win.open(view, {}))) return;
  }
  card("none");
  win.toEnd();
  follow.start(win.tail.at);
}

function stopFollow() {
  follow.stop();
  if (state.follow) {
    state = { ...state, follow: false };
    history.replaceState(null, "", link({}));
  }
  drawEdges();
}

function toggleFollow() {
  if (follow.on) stopFollow();
  else change({ follow: true, at: "", time: "", until: "" }, { keep: false });
}

async function thaw() {
  follow.stop();
  await win.open(view, {});
  startFollow();
}

function freeze() {
  if (!follow.on || follow.frozen) return;
  follow.freeze();
  win.tail = { ...win.tail, done: false, state: "paused", note: "" };
}

function drawFollow() {
  const button = byId("follow");
  const names = { off: "Follow", connecting: "Connecting", live: "Following", waiting: `${follow.reason ? `Not followed: ${follow.reason}` : "Connection lost"}, next try in ${follow.retryIn} s`, refused: "Not followed" };
  button.dataset.state = follow.frozen && follow.state === "live" ? "frozen" : follow.state;
  button.setAttribute("aria-pressed", String(follow.on));
  byId("follow-name").textContent = follow.frozen && follow.state === "live" ? "Held" : names[follow.state];
  const box = byId("thaw");
  box.hidden = !follow.frozen;
  if (follow.frozen) fill(box, `${plural(follow.waiting, "new line")}${follow.waitingErrors ? `, ${plural(follow.waitingErrors, "error")}` : ""}. Go on`);
}

/** What came in the last seconds, for screen readers. */
let fresh = { lines: 0, errors: 0 };
const announce = debounce(3000, () => {
  byId("announce").textContent = `${plural(fresh.lines, "new line")}${fresh.errors ? `, ${plural(fresh.errors, "error")}` : ""}`;
  fresh = { lines: 0, errors: 0 };
});

/** @param {import("./source.js").Line[]} some */
function announceSoon(some) {
  fresh.lines += some.length;
  for (const l of some) if (l.level === "error" || l.level === "critical") fresh.errors++;
  announce();
}

// ---- Drawing around the lines

let lastTop = 0;
function scrolled() {
  const top = byId("log").scrollTop;
  if (follow.on && !follow.frozen && top < lastTop - 2 && !win.atEnd()) freeze();
  lastTop = top;
  drawStatusSoon();
}

function drawEdges() {
  edges(win, state, source, { extend: (direction) => win.extend(direction, true), follow: toggleFollow, following: follow.on });
  if (win.loaded) drawEmpty();
  lines.classList.toggle("merged", !source.single);
  drawStatusSoon();
}

function drawStatus() {
  const first = win.firstVisible();
  const last = win.lastVisible();
  const [a, b] = [first && eventOf(first)?.lines[0], last && eventOf(last)?.lines.at(-1)];
  if (a && b) {
    histogram.mark(a.time, b.time);
    if (source.single) rail.show(source.start, Math.max(source.end, b.end), a.offset, b.end);
    const t = (/** @type {string} */ s) => timeIn(s, settings.zone);
    const [ta, tb] = [t(a.time), t(b.time)];
    const range = ta && tb ? (ta.date === tb.date ? `${ta.date} ${ta.clock} – ${tb.clock}` : `${ta.date} ${ta.clock} – ${tb.date} ${tb.clock}`) : "";
    byId("where").textContent = range + (source.single ? ` · ${size(Math.max(source.end, b.end) - source.start)}` : "");
  } else byId("where").textContent = "";
  byId("rail").hidden = !source.single;
  const total = seen ? histogram.total() : null;
  const hits = filtered(state);
  byId("limits").textContent = limitText(win.lines, total, Boolean(seen?.limited), hits);
  const n = state.mark ? marked : state.q && hits ? total : null;
  if (!byId("q").hasAttribute("aria-invalid")) fill(byId("count"), n === null || !state.q ? "" : `${!state.mark && seen?.limited ? "≥ " : ""}${count(n)}`);
}
const drawStatusSoon = perFrame(drawStatus);

function drawBar() {
  const name = state.session ? split(state.session).join("=") : state.files.length === 1 ? state.files[0] : state.files.length ? `${state.files.length} files merged` : "All files";
  byId("files-name").textContent = state.session ? `Session ${name}` : name;
  document.title = `${state.q ? state.q + " · " : ""}${name} · ${document.documentElement.dataset.server || "dalog"}`;
  lines.setAttribute("aria-label", `Lines of ${name}`);
  byId("level").value = state.level;
  byId("range-name").textContent = rangeName(state);
  byId("range").classList.toggle("on", Boolean(state.since || state.until));
  byId("level").classList.toggle("on", Boolean(state.level));
  const errors = new URLSearchParams();
  for (const f of state.files) errors.append("file", f);
  byId("errors").href = url("-/errors", errors);
  search.draw(state);
  chips(state, seen, change);
}

let toastTimer = 0;
/** @param {string} text */
function say(text) {
  const el = byId("toast");
  el.textContent = text;
  el.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (el.hidden = true), 4000);
}

/** @param {string} text @param {string} what @param {string} [instead] */
async function copyAndSay(text, what, instead = "select it and copy it by hand") {
  say((await copy(text)) ? `${what} copied` : `The browser does not let the page copy: ${instead}`);
}

/** @param {string} what */
const copyAddress = (what) => copyAndSay(location.href, what, "the link stands in its address bar");

function currentLine() {
  const el = mover.current || win.firstVisible();
  return (el && eventOf(el)?.lines[0]) || null;
}

function copyLink() {
  const line = mover.current && eventOf(mover.current)?.lines[0];
  if (line) point(line, true);
  copyAddress(line ? "Link to this line" : "Link to this view");
}

/** The current line among its neighbours, without any filter. */
function around() {
  const line = currentLine();
  if (line) change({ ...blank(), files: [line.file], ...pointTo(line, true), q: state.q, regex: state.regex, exact: state.exact, mark: true });
}

/** @param {string[]} kinds */
function sessionOf(kinds) {
  const line = currentLine();
  for (const kind of kinds) {
    const m = line && new RegExp(`(?:^|\\s)${kind}=(\\S+)`).exec(line.text);
    if (m && !["na", "None", "anonymous"].includes(m[1])) return change({ ...blank(), session: `${kind}:${m[1]}` });
  }
  say("This line names no session: no uid=, user=, ip= or i=");
}

// ---- Wiring

const search = searchBar({ state: () => state, change, next: () => mover.match(1), previous: () => mover.match(-1) });
filesDialog(() => state, (files) => change({ ...blank(), files, q: state.q, regex: state.regex, exact: state.exact, mark: state.mark, level: state.level }, { keep: false }));
rangeDialog(() => state, { range: (since, until) => change({ since, until, at: "", time: "" }, { keep: false }), go: goTo });
settingsDialog(() => state, (context) => change({ context }));
takeDialog(() => ({ source, time: currentLine()?.time || "" }), say);
closers();
copyClean(lines);
mover.listen({ around: around, copyLine: (raw) => copyAndSay(raw, "Line"), link: copyLink, point: (line) => { point(line, true); copyAddress("Link to this line"); } });

byId("level").addEventListener("change", () => change({ level: byId("level").value }));
byId("follow").addEventListener("click", () => (follow.state === "waiting" ? follow.retry() : toggleFollow()));
byId("thaw").addEventListener("click", thaw);
byId("share").addEventListener("click", copyLink);
byId("help").addEventListener("click", () => open("help-dialog"));
document.addEventListener("selectionchange", () => {
  const s = document.getSelection();
  if (s && !s.isCollapsed && s.anchorNode && lines.contains(s.anchorNode)) freeze();
});
window.addEventListener("popstate", () => {
  state = read(location.search);
  source = new Source(state);
  view = newView();
  show();
});
window.addEventListener("online", () => follow.retry());
onSettings(() => {
  lines.classList.toggle("wrap", settings.wrap);
  win.redrawAll();
  drawBar();
  if (seen) histogram.show(seen);
});
new ResizeObserver(debounce(300, () => seen && Math.abs(histogram.wanted - (seen.buckets?.length || 0)) > 20 && loadHistogram())).observe(byId("histogram"));
// While one follows, counting takes the server a twentieth of the time at most.
setInterval(() => follow.on && document.visibilityState === "visible" && Date.now() - counted.at > 20 * countTook && loadHistogram(), 20_000);

/** @type {import("./keys.js").Group[]} */
const keys = [
  { title: "Move", keys: [
    { keys: ["j", "ArrowDown"], does: "next line", run: () => mover.step(1) },
    { keys: ["k", "ArrowUp"], does: "line before", run: () => mover.step(-1) },
    { keys: [" ", "PageDown"], does: "a screen down", run: () => mover.screen(1) },
    { keys: ["Shift+ ", "PageUp"], does: "a screen up", run: () => mover.screen(-1) },
    { keys: ["g", "Home"], does: "first line", run: goStart },
    { keys: ["G", "End"], does: "last line", run: goEnd },
    { keys: ["t"], does: "go to a time, choose a range", run: () => byId("range").click() },
    { keys: ["[", "]"], does: "an hour earlier, later", run: (e) => { const l = currentLine(); if (l) goTo(new Date(Date.parse(l.time) + (e.key === "]" ? 3.6e6 : -3.6e6)).toISOString()); } },
    { keys: ["f", "F"], does: "follow, or stop following", run: toggleFollow },
  ] },
  { title: "Find", keys: [
    { keys: ["/"], does: "search", run: () => { byId("q").focus(); byId("q").select(); } },
    { keys: ["n"], does: "next match", run: () => mover.match(1) },
    { keys: ["N"], does: "match before", run: () => mover.match(-1) },
    { keys: ["e", "E"], does: "next error, error before", run: (e) => mover.level("error", e.key === "e" ? 1 : -1) },
    { keys: ["w", "W"], does: "next warning or worse, one before", run: (e) => mover.level("warning", e.key === "w" ? 1 : -1) },
    { keys: ["m"], does: "filter or only mark", run: () => change({ mark: !state.mark }) },
    { keys: ["x"], does: "the line among its neighbours, unfiltered", run: around },
    { keys: ["u"], does: "the session of the line (uid, user, ip)", run: () => sessionOf(["uid", "user", "ip"]) },
    { keys: ["Escape"], does: "leave the search, then take it away", run: escape },
  ] },
  { title: "Lines", keys: [
    { keys: ["Enter", "o"], does: "open or close a traceback, fields, a long line", run: () => mover.toggle() },
    { keys: ["y"], does: "copy the line", run: async () => { const l = await mover.raw(); if (l) copyAndSay(l, "Line"); } },
    { keys: ["l"], does: "copy the link to the line", run: copyLink },
    { keys: ["b"], does: "download, incident bundle", run: () => byId("bundle").click() },
    { keys: ["v"], does: "wrap long lines", run: () => set("wrap", !settings.wrap) },
    { keys: ["z"], does: "next time zone", run: () => { const all = ["sent", "local", "server", "UTC"]; set("zone", all[(all.indexOf(settings.zone) + 1) % 4]); say(`Times: ${{ sent: "as the senders wrote them", local: "this browser’s zone", server: "the server’s zone", UTC: "UTC" }[settings.zone]}`); } },
  ] },
  { title: "Pages", keys: [
    { keys: ["p"], does: "choose files", run: () => byId("files").click() },
    { keys: ["h"], does: "all files", run: () => void (location.href = url("")) },
    { keys: ["i"], does: "errors, grouped", run: () => byId("errors").click() },
    { keys: ["s"], does: "how lines are shown", run: () => byId("settings").click() },
    { keys: ["?"], does: "this help", run: () => open("help-dialog") },
  ] },
];

function escape() {
  if (document.activeElement === byId("q")) mover.focus();
  else if (state.q) change({ q: "" });
  else if (follow.frozen) thaw();
}

listen(keys);
help(byId("help-keys"), keys);
lines.classList.toggle("wrap", settings.wrap);
await show();
if (location.hash === "#bundle") { // from home
  history.replaceState(null, "", link({}));
  byId("bundle").click();
}
