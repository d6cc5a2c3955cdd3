// Log text made harmless for the eye: whatever would turn, hide or colour the
// text around it is shown as a token with its name.

// Controls, direction marks, invisible characters and line separators.
const odd = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]|\\x1b\[[0-9;]{0,20}[A-Za-z]|\\x[0-9a-fA-F]{2}/g;

/**
 * Appends text to el, its dangerous characters as tokens.
 *
 * @param {Node} el
 * @param {string} text
 */
export function appendInert(el, text) {
  odd.lastIndex = 0;
  let at = 0;
  for (let m = odd.exec(text); m; m = odd.exec(text)) {
    if (m.index > at) el.appendChild(document.createTextNode(text.slice(at, m.index)));
    el.appendChild(token(m[0]));
    at = m.index + m[0].length;
  }
  if (at < text.length) el.appendChild(document.createTextNode(at ? text.slice(at) : text));
}

/** @param {string} s */
function token(s) {
  const span = document.createElement("span");
  span.className = "odd";
  span.textContent = s.startsWith("\\x") ? s : "U+" + (s.codePointAt(0) || 0).toString(16).toUpperCase().padStart(4, "0");
  return span;
}

/** The same for one string, for titles and labels. @param {string} text */
export const inertText = (text) => text.replace(odd, (s) => (s.startsWith("\\x") ? s : "\ufffd"));
