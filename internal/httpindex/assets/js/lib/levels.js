// Levels, from the mildest to the worst, as the server names them.

export const levels = ["debug", "info", "notice", "warning", "error", "critical"];

/** Those that the histogram stacks, from the bottom. */
export const stacked = ["critical", "error", "warning", "notice", "info", "debug", ""];

/** @param {string} level */
export const rank = (level) => levels.indexOf(level);

/** One letter for narrow places and for those who cannot tell the colours. @param {string} level */
export const letter = (level) => ({ critical: "C", error: "E", warning: "W", notice: "N", info: "I", debug: "D" })[level] || "·";
