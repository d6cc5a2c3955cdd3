// Lines that carry fields: JSON objects, and key=value pairs.

const most = 100; // fields shown

/**
 * The fields of a line; null where it has none worth a table.
 *
 * @param {string} text
 * @returns {{kind: "json", value: any} | {kind: "pairs", pairs: [string, string][]} | null}
 */
export function structure(text) {
  const brace = text.indexOf("{");
  if (brace >= 0 && brace < 200 && text.trimEnd().endsWith("}")) {
    try {
      const value = JSON.parse(text.slice(brace));
      if (value && typeof value === "object" && Object.keys(value).length) return { kind: "json", value };
    } catch {
      // Looks like it and is not.
    }
  }
  if (text.indexOf("=") < 0) return null;
  /** @type {[string, string][]} */
  const pairs = [];
  for (const m of text.matchAll(/(?:^|[\s,(\[])([A-Za-z_][\w.-]{0,60})=("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,)\]]*)/g)) {
    if (["ip", "i", "uid", "user"].includes(m[1])) continue; // they are seen as it is
    pairs.push([m[1], m[2].replace(/^(["'])(.*)\1$/s, "$2")]);
    if (pairs.length === most) break;
  }
  return pairs.length >= 3 ? { kind: "pairs", pairs } : null;
}

/**
 * Flattens a JSON value into names and values.
 *
 * @param {any} value
 * @param {string} [name]
 * @param {[string, string][]} [into]
 * @param {number} [depth]
 * @returns {[string, string][]}
 */
export function flatten(value, name = "", into = [], depth = 0) {
  if (into.length >= most) return into;
  if (value && typeof value === "object" && depth < 6) {
    const entries = Object.entries(value);
    if (!entries.length) into.push([name, Array.isArray(value) ? "[]" : "{}"]);
    for (const [k, v] of entries) flatten(v, Array.isArray(value) ? `${name}[${k}]` : name ? `${name}.${k}` : k, into, depth + 1);
  } else into.push([name, typeof value === "string" ? value : JSON.stringify(value)]);
  return into;
}

/** What docassemble puts before each message: whom it is about. */
export const docassembleHead = /^(?:docassemble: )?ip=(\S*) i=(\S*) uid=(\S*) user=(\S*)(?: |$)/;

/** Headers of other programs: time and level are columns of the page. @type {[RegExp, (m: RegExpExecArray) => string][]} */
const heads = [
  [/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+: [A-Z]+\/([\w.-]+)\] /, (m) => m[1]], // celery
  [/^\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d(?:,\d+)? \[[a-z]+\] (\d+#\d+: (?:\*\d+ )?)/, (m) => m[1].trim()], // nginx
  [/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ [A-Z]{4,8} /, () => ""], // supervisor
  [/^\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d [\d:.]+ \d{4}\] \[([\w:]+)\] \[pid (\d+)[^\]]*\](?: \[(?:remote|client) ([^\]]*)\])? /, (m) => m.slice(1).filter(Boolean).join(" ")], // apache
];

/** @param {string} text @returns {{length: number, says: string} | null} */
export function shortHead(text) {
  for (const [pattern, says] of heads) {
    const m = pattern.exec(text);
    if (m) return { length: m[0].length, says: says(m) };
  }
  return null;
}

/** An interview without what all of them have in their names. @param {string} name */
export const shortInterview = (name) => name.replace(/^docassemble\./, "").replace(":data/questions/", ":");

/** The fields by which docassemble names whom a line is about. */
export const sessionField = /(^|\s)(ip|i|uid|user)=(\S+)/g;

/** @param {string} kind @param {string} value */
export const names = (kind, value) => !["na", "None", "", "localhost", "anonymous"].includes(value) && !(kind === "ip" && value === "127.0.0.1");
