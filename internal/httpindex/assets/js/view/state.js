// What is seen, as the page's URL says it. Everything a person would want to
// send on is here; what is only taste is in settings.js.

/**
 * @typedef {object} State
 * @property {string[]} files   none = all, merged by time
 * @property {string} q         what is searched for
 * @property {boolean} regex    q is a regular expression (RE2)
 * @property {boolean} exact    q's capitals count
 * @property {boolean} invert   lines without q
 * @property {boolean} mark     q is marked, not filtered by
 * @property {string} level     this one and worse; "" = all
 * @property {string[]} hosts
 * @property {string[]} programs
 * @property {string} session   "uid:VALUE", "user:", "i:" or "ip:"
 * @property {string} pattern   one more regular expression, of an error group
 * @property {string} since     RFC 3339 or what the server takes
 * @property {string} until
 * @property {number} context   lines around hits
 * @property {string} at        the line that is pointed to: OFFSET, or NAME=OFFSET among several files
 * @property {string} time      time to begin at; among several files also that of the line
 * @property {boolean} follow
 */

/** @returns {State} */
export const blank = () => ({
  files: [], q: "", regex: false, exact: false, invert: false, mark: false, level: "", hosts: [], programs: [],
  session: "", pattern: "", since: "", until: "", context: 0, at: "", time: "", follow: false,
});

const texts = /** @type {const} */ (["q", "level", "session", "pattern", "since", "until", "at", "time"]);
const switches = /** @type {const} */ (["regex", "exact", "invert", "mark", "follow"]);
/** @type {[("files" | "hosts" | "programs"), string][]} */
const lists = [["files", "file"], ["hosts", "host"], ["programs", "program"]];

/**
 * @param {string} search the part of a URL from "?" on
 * @returns {State}
 */
export function read(search) {
  const p = new URLSearchParams(search);
  const s = blank();
  for (const name of texts) s[name] = p.get(name) || "";
  for (const name of switches) s[name] = p.has(name) && p.get(name) !== "0";
  for (const [name, param] of lists) s[name] = [...new Set(p.getAll(param).flatMap((v) => v.split(",")).filter(Boolean))];
  s.context = Math.min(100, Math.max(0, Number(p.get("context")) || 0));
  return s;
}

/**
 * @param {State} s
 * @returns {URLSearchParams}
 */
export function write(s) {
  const p = new URLSearchParams();
  for (const [name, param] of lists) for (const v of s[name]) p.append(param, v);
  for (const name of texts) if (s[name]) p.set(name, s[name]);
  for (const name of switches) if (s[name]) p.set(name, "1");
  if (s.context) p.set("context", String(s.context));
  return p;
}

/** @param {string} text */
export const quoteRegex = (text) => text.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");

/**
 * The pattern by which the lines of a session are found, over programs that
 * write the same thing differently: nginx has the address alone, uwsgi quotes
 * the colon of an interview's name.
 *
 * @param {string} session
 */
export function sessionPattern(session) {
  const cut = session.indexOf(":");
  const kind = session.slice(0, cut);
  const value = session.slice(cut + 1);
  if (kind === "ip") return `(?:^|[^0-9A-Za-z.:])${quoteRegex(value)}(?:$|[^0-9A-Za-z.]|\\.(?:$|[^0-9]))`;
  if (kind === "i") return quoteRegex(value).replaceAll(":", "(?::|%3A)").replaceAll("/", "(?:/|%2F)");
  if (kind === "uid" && value.length >= 12) return quoteRegex(value);
  if (kind === "user" && value.includes("@")) return quoteRegex(value).replace("@", "(?:@|%40)");
  return ` ${quoteRegex(kind)}=${quoteRegex(value)}(?: |$)`;
}

/**
 * The filters of s as the server takes them. marking asks for q although it
 * does not filter.
 *
 * @param {State} s
 * @param {{marking?: boolean, level?: string}} [also]
 * @returns {URLSearchParams}
 */
export function filters(s, also = {}) {
  const p = new URLSearchParams();
  const q = s.q && (!s.mark || also.marking) ? s.q : "";
  const more = [];
  if (s.session) more.push(sessionPattern(s.session));
  if (s.pattern) more.push(s.pattern);
  if (q && more.length === 0) {
    p.append("grep", q);
    p.set("match", s.regex ? "regex" : "literal");
    if (!s.exact) p.set("case", "ignore");
    if (s.invert) p.set("invert", "1");
  } else if (more.length) {
    // One kind of pattern for all: text is quoted.
    for (const pattern of more) p.append("grep", pattern);
    if (q) p.append(s.invert ? "exclude" : "grep", (s.exact ? "" : "(?i)") + (s.regex ? q : quoteRegex(q)));
    p.set("match", "regex");
  }
  const level = also.level || s.level;
  if (level) p.set("level", level);
  for (const v of s.hosts) p.append("host", v);
  for (const v of s.programs) p.append("program", v);
  if (s.since) p.set("since", s.since);
  if (s.until) p.set("until", s.until);
  return p;
}

/** Tells whether lines are left out. @param {State} s */
export const filtered = (s) =>
  Boolean((s.q && !s.mark) || s.level || s.hosts.length || s.programs.length || s.session || s.pattern);
