// The dialogs that choose files, times, and how lines are shown.

import { getJSON } from "../lib/api.js";
import { byId, fill, h } from "../lib/dom.js";
import { size } from "../lib/number.js";
import { set, settings } from "../lib/settings.js";
import { age, readTime } from "../lib/time.js";

/** @typedef {import("./state.js").State} State */

/** @param {string} id */
export function open(id) {
  /** @type {HTMLDialogElement} */
  const d = byId(id);
  if (!d.open) d.showModal();
  return d;
}

/** Their buttons that close, and a click beside them. */
export function closers() {
  for (const d of document.querySelectorAll("dialog")) {
    for (const b of d.querySelectorAll("[data-close]")) b.addEventListener("click", () => d.close("cancel"));
    d.addEventListener("click", (e) => {
      if (e.target !== d) return;
      const b = d.getBoundingClientRect();
      const inside = e.clientX >= b.left && e.clientX <= b.right && e.clientY >= b.top && e.clientY <= b.bottom;
      if (!inside) d.close("cancel");
    });
  }
}

/** @param {() => State} current @param {(files: string[]) => void} choose */
export function filesDialog(current, choose) {
  const dialog = byId("files-dialog");
  const list = byId("files-list");
  const filter = byId("files-filter");
  byId("files").addEventListener("click", async () => {
    open("files-dialog");
    filter.value = "";
    fill(list, h("p", { class: "faint" }, "Loading the list"));
    try {
      const files = await getJSON("", new URLSearchParams({ format: "json" }));
      show(list, whole(files), current().files);
    } catch (err) {
      fill(list, h("p", { class: "wrong" }, `The list is not there: ${/** @type {Error} */ (err).message}`));
    }
  });
  filter.addEventListener("input", () => {
    for (const row of list.children) row.hidden = !row.textContent?.toLowerCase().includes(filter.value.toLowerCase());
  });
  const picked = () => {
    const ticked = [...list.querySelectorAll("input:checked")].map((i) => i.value);
    const left = [...list.children].filter((row) => !row.hidden);
    return filter.value && left.length === 1 ? [left[0].querySelector("input")?.value] : ticked;
  };
  byId("files-all").addEventListener("click", () => {
    dialog.close("cancel");
    choose([]);
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "ok" && picked().length) choose(picked());
    dialog.returnValue = "";
  });
  list.addEventListener("click", (/** @type {MouseEvent} */ e) => {
    const name = /** @type {HTMLElement} */ (e.target).closest("button")?.dataset.name;
    if (!name) return;
    dialog.close("cancel");
    choose([name]);
  });
}

/** Parts are part of their file. @param {{name: string}[]} files */
export function whole(files) {
  const names = new Set(files.map((f) => f.name));
  return files.filter((f) => {
    const part = /^(.+)\.\d+$/.exec(f.name);
    return !(part && names.has(part[1])) && !/\.(?:gz|zst|xz|bz2|zip|lz4)$/.test(f.name);
  });
}

/** @param {HTMLElement} list @param {any[]} files @param {string[]} chosen */
function show(list, files, chosen) {
  fill(list, ...files.map((f) =>
    h("div", { class: "item" + (f.size ? "" : " empty") },
      h("label", {}, h("input", { type: "checkbox", value: f.name, checked: chosen.includes(f.name), "aria-label": `merge ${f.name}` })),
      h("button", { type: "button", class: "name", data: { name: f.name }, title: `only ${f.name}` }, f.name),
      h("span", { class: "faint" }, f.size ? age(f.last || f.modified) : "empty"), h("span", { class: "faint number" }, size(f.virtual_size ?? f.size)))));
  list.querySelector("button")?.focus();
}

/**
 * @param {() => State} current
 * @param {{range: (since: string, until: string) => void, go: (time: string) => void}} told
 */
export function rangeDialog(current, told) {
  const dialog = byId("range-dialog");
  const wrong = byId("range-error");
  const [since, until, goto] = [byId("since"), byId("until"), byId("goto")];
  byId("range").addEventListener("click", () => {
    wrong.textContent = "";
    goto.value = "";
    since.value = current().since;
    until.value = current().until;
    byId("range-zone").textContent = { sent: "the server’s", server: "the server’s", local: "this browser’s", UTC: "UTC" }[settings.zone];
    open("range-dialog");
    goto.focus();
  });
  /** @param {() => void} f */
  const attempt = (f) => {
    try {
      f();
      dialog.close("cancel");
    } catch (err) {
      wrong.textContent = /** @type {Error} */ (err).message;
    }
  };
  const go = () => attempt(() => told.go(readTime(goto.value, settings.zone)));
  const take = () => attempt(() => told.range(since.value.trim() && readTime(since.value, settings.zone), until.value.trim() && readTime(until.value, settings.zone)));
  byId("goto-ok").addEventListener("click", go);
  byId("range-ok").addEventListener("click", take);
  /** @param {KeyboardEvent} e @param {() => void} f */
  const enter = (e, f) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    f();
  };
  goto.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => enter(e, go));
  for (const el of [since, until]) el.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => enter(e, take));
  for (const b of dialog.querySelectorAll("[data-ago]")) {
    b.addEventListener("click", () => attempt(() => told.range(b.dataset.ago, "")));
  }
}

/** @param {() => State} current @param {(context: number) => void} context */
export function settingsDialog(current, context) {
  const dialog = byId("settings-dialog");
  byId("settings").addEventListener("click", () => {
    for (const name of /** @type {const} */ (["zone", "theme"])) {
      for (const radio of dialog.querySelectorAll(`input[name=${name}]`)) radio.checked = radio.value === settings[name];
    }
    for (const name of /** @type {const} */ (["date", "wrap", "fold", "short"])) byId("set-" + name).checked = settings[name];
    byId("set-context").value = String(current().context);
    open("settings-dialog");
  });
  dialog.addEventListener("change", (/** @type {Event} */ e) => {
    const el = /** @type {HTMLInputElement} */ (e.target);
    if (el.name === "zone") set("zone", el.value);
    else if (el.name === "theme") set("theme", /** @type {"auto"} */ (el.value));
    else if (el.id === "set-context") context(Number(el.value));
    else if (el.id.startsWith("set-")) set(/** @type {"wrap"} */ (el.id.slice(4)), el.checked);
  });
}
