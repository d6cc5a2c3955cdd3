// The search: as one types, with its switches.

import { byId, debounce } from "../lib/dom.js";

/** @typedef {import("./state.js").State} State */

const pause = 220; // ms without a key before it is asked

/**
 * @param {{state: () => State, change: (c: Partial<State>, how?: {replace?: boolean}) => void, next: () => void, previous: () => void}} on
 */
export function searchBar(on) {
  /** @type {HTMLInputElement} */
  const q = byId("q");
  let typed = false; // the URL of this search is already in the history
  const take = () => {
    if (q.value === on.state().q) return;
    on.change({ q: q.value }, { replace: typed });
    typed = true;
  };
  const takeSoon = debounce(pause, take);
  q.addEventListener("input", takeSoon);
  q.addEventListener("blur", () => (typed = false));
  q.addEventListener("keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    if (q.value !== on.state().q) take();
    else if (e.shiftKey) on.previous();
    else on.next();
  });
  byId("search").addEventListener("submit", (/** @type {Event} */ e) => e.preventDefault());
  for (const name of /** @type {const} */ (["regex", "exact", "invert"])) {
    byId(name).addEventListener("click", () => on.change({ [name]: !on.state()[name] }));
  }
  byId("mode-filter").addEventListener("click", () => on.change({ mark: false }));
  byId("mode-mark").addEventListener("click", () => on.change({ mark: true }));
  byId("next").addEventListener("click", on.next);
  byId("prev").addEventListener("click", on.previous);
  return {
    /** @param {State} s */
    draw(s) {
      if (document.activeElement !== q) q.value = s.q;
      for (const name of /** @type {const} */ (["regex", "exact", "invert"])) byId(name).setAttribute("aria-pressed", String(s[name]));
      byId("mode-filter").setAttribute("aria-pressed", String(!s.mark));
      byId("mode-mark").setAttribute("aria-pressed", String(s.mark));
    },
  };
}
