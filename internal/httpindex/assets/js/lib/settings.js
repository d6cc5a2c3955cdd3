// What a person has chosen for this browser. It is kept in local storage, where
// there is one; the page's URL holds everything that belongs to what is seen.

/** @typedef {{theme: "auto" | "light" | "dark", wrap: boolean, zone: string, date: boolean, fold: boolean, short: boolean}} Settings */

const key = "dalog";

/** @type {Settings} */
export const settings = { theme: "auto", wrap: false, zone: "sent", date: false, fold: true, short: true, ...load() };

function load() {
  try {
    return JSON.parse(localStorage.getItem(key) || "{}");
  } catch {
    return {};
  }
}

/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {() => void} f called after each change */
export function onSettings(f) {
  listeners.add(f);
}

/**
 * @template {keyof Settings} K
 * @param {K} name
 * @param {Settings[K]} value
 */
export function set(name, value) {
  settings[name] = value;
  try {
    localStorage.setItem(key, JSON.stringify(settings));
  } catch {
    // No storage: it holds until the page is left.
  }
  apply();
  for (const f of listeners) f();
}

/** Puts the theme onto the page. */
export function apply() {
  const root = document.documentElement;
  if (settings.theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = settings.theme;
}

apply();
