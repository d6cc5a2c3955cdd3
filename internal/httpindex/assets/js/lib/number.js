// Numbers for people.

/** @param {number} n */
export const count = (n) => (n < 1e6 ? n.toLocaleString("en") : n < 1e9 ? (n / 1e6).toFixed(n < 1e7 ? 1 : 0) + " M" : (n / 1e9).toFixed(1) + " G");

/** @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

/** @param {number} n bytes */
export function size(n) {
  if (n < 1024) return `${n} B`;
  let value = n;
  for (const unit of ["KiB", "MiB", "GiB", "TiB"]) {
    value /= 1024;
    if (value < 9.95) return `${value.toFixed(1)} ${unit}`;
    if (value < 1023.5) return `${value.toFixed(0)} ${unit}`;
  }
  return `${(value / 1024).toFixed(0)} PiB`;
}

/**
 * A number from 0 to 11 for a name, always the same, for its colour.
 *
 * @param {string} name
 */
export function hue(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return (hash >>> 0) % 12;
}
