// Copying: what is selected or pointed to goes out as the stored lines, without
// the marks, links and tokens of the page.

import { rawOf } from "./rows.js";

/** @param {string} text @returns {Promise<boolean>} */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOld(text); // the page came over plain HTTP
  }
}

/** @param {string} text */
function copyOld(text) {
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "hidden";
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  (document.querySelector("dialog[open]") || document.body).append(box);
  box.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    // Said by the result.
  }
  box.remove();
  focused?.focus();
  return done;
}

/** The rows that a selection touches. @param {HTMLElement} list @param {Selection} selection */
export function selectedRows(list, selection) {
  if (selection.isCollapsed || !selection.rangeCount) return [];
  const range = selection.getRangeAt(0);
  if (!range.intersectsNode(list)) return [];
  return [...list.querySelectorAll(".row")].filter((el) => range.intersectsNode(el));
}

/** @param {HTMLElement} list */
export function copyClean(list) {
  document.addEventListener("copy", (e) => {
    const selection = document.getSelection();
    if (!selection || !e.clipboardData) return;
    const rows = selectedRows(list, selection);
    // Within one row it is the selected words that are wanted.
    if (rows.length < 2) return;
    e.clipboardData.setData("text/plain", rows.flatMap(rawOf).join("\n") + "\n");
    e.preventDefault();
  });
}
