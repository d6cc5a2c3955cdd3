// Home comes to life: growth, the last hour as small charts, hosts, and the
// board of what is silent. Without scripts it is a list.

import { getJSON, isAbort } from "../lib/api.js";
import { byId } from "../lib/dom.js";
import { set, settings } from "../lib/settings.js";
import { drawBoard } from "./board.js";
import { drawFiles, watchFiles } from "./files.js";

document.documentElement.classList.add("alive");

const every = 10_000; // ms between looks at the list and the board

async function look() {
  if (document.visibilityState !== "visible") return;
  try {
    const [files, board] = await Promise.all([
      getJSON("", new URLSearchParams({ format: "json" })),
      getJSON("board", new URLSearchParams()).catch((err) => (isAbort(err) ? null : { failed: err.message })),
    ]);
    drawFiles(files);
    if (board) drawBoard(board);
    stale("");
  } catch (err) {
    stale(`${/** @type {Error} */ (err).message}. What is shown is from before; trying again every ${every / 1000} s`);
  }
}

/** @param {string} text */
function stale(text) {
  const el = byId("stale");
  el.hidden = !text;
  el.textContent = text;
  document.getElementById("board")?.classList.toggle("stale", Boolean(text));
}

const theme = byId("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = settings.theme === "dark" || (settings.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  set("theme", dark ? "light" : "dark");
});

document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.target instanceof HTMLInputElement || e.ctrlKey || e.metaKey) return;
  e.preventDefault();
  /** @type {HTMLElement | null} */ (document.querySelector(".everywhere input"))?.focus();
});

if (document.getElementById("files")) {
  watchFiles();
  look();
  setInterval(look, every);
  document.addEventListener("visibilitychange", look);
}
