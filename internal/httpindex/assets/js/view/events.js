// Several lines that are one event: a Python traceback, as it comes line by
// line from celery, uwsgi and apache. Lines of other hosts and programs may
// stand between them; an event has the lines of one.

/** @typedef {import("./source.js").Line} Line */

/**
 * @typedef {object} Event
 * @property {Line[]} lines
 * @property {number} from index in lines where the traceback begins; -1 = there is none
 * @property {string} last the line that says what went wrong
 * @property {boolean} [partial] a filter has left some of its lines out
 * @property {string} [note] why they are still missing
 */

const begins = /^(?:\s*[+|] ?\s*)*(?:Exception Group )?Traceback \(most recent call last\):\s*$/;
const chained = /^(?:During handling of the above exception|The above exception was the direct cause)/;
const within = /^(?:\s|[+|]|$)/;
const names = /^[A-Za-z_][\w.]*(?:: |:?$)/;

/** apache says on each line which worker it was. */
const apache = /^\[[^\]]*\] \[[\w:]*\] \[pid [^\]]*\](?: \[(?:remote|client) [^\]]*\])? ?/;

/** The text of a line without what its writer puts before each. @param {Line} line */
export const bare = (line) => (line.text.startsWith("[") ? line.text.replace(apache, "") : line.text);

/** @param {Line} line */
const writer = (line) => `${line.file}\n${line.host}\n${line.program}\n${line.pid}`;

const sameMoment = 2000; // ms between a line and the traceback that explains it
const most = 2000; // lines of one event
const mostWriters = 500; // that are told apart at one time

/**
 * Puts lines that come in file order into events.
 */
export class Grouper {
  /** open: the exception has not come yet; chained: it is said that another traceback follows. @type {Map<string, {event: Event, open: boolean, chained: boolean}>} */
  #latest = new Map();

  /**
   * @param {Line} line
   * @returns {{event: Event, isNew: boolean}}
   */
  push(line) {
    const key = writer(line);
    const latest = this.#latest.get(key);
    const text = bare(line);
    // A page that is read once more begins with lines that an event has already.
    if (latest && line.offset <= latest.event.lines[latest.event.lines.length - 1].offset) return { event: latest.event, isNew: false };
    if (latest && latest.event.lines.length < most) {
      const event = latest.event;
      const has = event.from >= 0;
      if (has && latest.open && (within.test(text) || begins.test(text))) return this.#take(event, line);
      if (has && latest.open && names.test(text)) {
        event.last = text;
        latest.open = latest.chained = false;
        return this.#take(event, line);
      }
      if (has && !latest.open && (chained.test(text) || text.trim() === "" || (latest.chained && begins.test(text)))) {
        latest.chained ||= chained.test(text);
        latest.open = begins.test(text);
        return this.#take(event, line);
      }
      if (!has && begins.test(text) && explains(event.lines[0], line)) {
        event.from = event.lines.length;
        latest.open = true;
        return this.#take(event, line);
      }
    }
    const starts = begins.test(text);
    const event = { lines: [line], from: starts ? 0 : -1, last: "" };
    if (this.#latest.size >= mostWriters) this.#latest.clear();
    this.#latest.set(key, { event, open: starts, chained: false });
    return { event, isNew: true };
  }

  /** Goes on behind these events. @param {Iterable<Event>} events in file order */
  resume(events) {
    this.#latest.clear();
    for (const event of events) {
      const last = bare(event.lines[event.lines.length - 1]);
      const open = event.from >= 0 && (!event.last || within.test(last) || begins.test(last));
      this.#latest.set(writer(event.lines[0]), { event, open, chained: event.from >= 0 && event.lines.slice(-3).some((l) => chained.test(bare(l))) });
    }
  }

  /** @param {Event} event @param {Line} line */
  #take(event, line) {
    event.lines.push(line);
    return { event, isNew: false };
  }
}

/** The event among lines that has the one at this offset. @param {Line[]} lines @param {number} offset */
export function eventAt(lines, offset) {
  const grouper = new Grouper();
  const events = new Set(lines.map((line) => grouper.push(line).event));
  return [...events].find((e) => e.lines.some((l) => l.offset === offset));
}

/**
 * How many of the first lines hold all those that go on with an event whose
 * beginning is not among them.
 *
 * @param {Line[]} lines
 */
export function torn(lines) {
  /** Where the lines of each writer are: in a traceback, behind its exception, or past it. @type {Map<string, "in" | "ended" | "past">} */
  const writers = new Map();
  let n = 0;
  for (let i = 0; i < lines.length; i++) {
    const key = writer(lines[i]);
    const at = writers.get(key);
    if (at === "past") continue;
    const text = bare(lines[i]);
    const error = lines[i].level === "error" || lines[i].level === "critical";
    if (chained.test(text) || begins.test(text) || (at === "ended" ? text.trim() === "" : within.test(text))) writers.set(key, "in");
    else if (names.test(text) && (at === "in" || (!at && error))) writers.set(key, "ended");
    else {
      writers.set(key, "past");
      continue;
    }
    n = i + 1;
  }
  return n;
}

/** Whether a line may be the head of a traceback that follows it. @param {Line} head @param {Line} line */
function explains(head, line) {
  if (head.level !== "error" && head.level !== "critical" && head.level !== "warning") return false;
  const apart = Math.abs(Date.parse(line.time) - Date.parse(head.time));
  return !(apart > sameMoment);
}

/**
 * docassemble writes a traceback as one line, its line ends turned into
 * blanks. This gives the lines back; null where there is none.
 *
 * @param {string} text
 * @returns {{before: string, lines: string[], last: string} | null}
 */
export function unfold(text) {
  const start = text.indexOf("Traceback (most recent call last):");
  if (start < 0) return null;
  const body = text.slice(start);
  if (!/^Traceback \(most recent call last\): +File "/.test(body)) return null;
  const lines = [];
  let rest = body;
  // Before each frame stood a line end and two blanks, before its code a line
  // end and four, before carets and the last line a line end alone.
  rest = rest.replace(/ {3}(?=File ")/g, "\n  ").replace(/ {5,}(?=\S)/g, (s) => "\n" + s.slice(1));
  rest = rest.replace(/ (?=(?:During handling of the above exception|The above exception was the direct cause))/g, "\n\n");
  rest = rest.replace(/ {1,2}(?=Traceback \(most recent call last\):)/g, "\n\n");
  for (const line of rest.split("\n")) {
    if (/^ {4,}\S/.test(line)) {
      // Behind the code of the last frame comes the exception.
      const m = /^(.*?) +((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit|Iteration|NotFound|Timeout|Failure|Fault|Group|Stop)\w*(?::.*)?)\s*$/.exec(line);
      if (m) {
        lines.push(m[1], m[2]);
        continue;
      }
    } else if (/^ {2}File "/.test(line)) {
      // A frame whose code is not known: the exception stands right behind.
      const m = /^( {2}File "[^"]*", line \d+, in \S+) ((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)\w*(?::.*)?)\s*$/.exec(line.replace("in <code block>", "in <code block>"));
      if (m) {
        lines.push(m[1], m[2]);
        continue;
      }
    }
    lines.push(line.replace(/\s+$/, ""));
  }
  const last = [...lines].reverse().find((l) => l && !/^\s/.test(l)) || "";
  return { before: text.slice(0, start).trimEnd(), lines, last: last.startsWith("Traceback") ? "" : last };
}
