// Times as people write and read them.

/** Zones that can be shown: "sent" is the sender's own, "server" the log server's. */
export const zones = /** @type {const} */ (["sent", "local", "server", "UTC"]);

const serverZone = document.documentElement.dataset.zone || "UTC";

/** @param {number} n @param {number} [width] */
const pad = (n, width = 2) => String(n).padStart(width, "0");

/** @type {Map<string, Intl.DateTimeFormat | null>} */
const formats = new Map();

/** @param {string} zone an IANA name */
function format(zone) {
  let f = formats.get(zone);
  if (f === undefined) {
    try {
      f = new Intl.DateTimeFormat("en-CA", {
        timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", second: "2-digit",
      });
    } catch {
      f = null; // a zone this browser does not know
    }
    formats.set(zone, f);
  }
  return f;
}

/** Offsets are the same for a quarter of an hour at least. @type {Map<string, number>} */
const offsets = new Map();

/**
 * What the clocks of a zone are ahead of UTC at that time, in minutes.
 *
 * @param {number} ms
 * @param {string} zone
 */
export function offsetOf(ms, zone) {
  if (zone === "UTC") return 0;
  if (zone === "local") return -new Date(ms).getTimezoneOffset();
  if (zone === "server") zone = serverZone;
  const key = zone + Math.floor(ms / 900_000);
  let offset = offsets.get(key);
  if (offset === undefined) {
    const f = format(zone);
    if (!f) return 0;
    const p = Object.fromEntries(f.formatToParts(ms).map((x) => [x.type, Number(x.value)]));
    offset = Math.round((Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - ms) / 60_000);
    if (offsets.size > 5000) offsets.clear();
    offsets.set(key, offset);
  }
  return offset;
}

/**
 * The parts of a time in a zone.
 *
 * @param {string} stamp RFC 3339
 * @param {string} zone one of zones
 * @returns {{date: string, clock: string, fraction: string, offset: string} | null}
 */
export function timeIn(stamp, zone) {
  if (!stamp) return null;
  if (zone === "sent") {
    const sent = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(stamp);
    if (sent) return { date: sent[1], clock: sent[2], fraction: (sent[3] || "").padEnd(3, "0").slice(0, 3), offset: sent[4] };
  }
  const ms = Date.parse(stamp);
  if (Number.isNaN(ms)) return null;
  const offset = offsetOf(ms, zone === "sent" ? "UTC" : zone);
  const d = new Date(ms + offset * 60_000);
  return {
    date: `${pad(d.getUTCFullYear(), 4)}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`,
    clock: `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`,
    fraction: pad(d.getUTCMilliseconds(), 3),
    offset: offsetText(offset),
  };
}

/** @param {number} minutes */
function offsetText(minutes) {
  if (minutes === 0) return "Z";
  const a = Math.abs(minutes);
  return (minutes < 0 ? "-" : "+") + pad(Math.floor(a / 60)) + ":" + pad(a % 60);
}

/**
 * A time for labels: the date only where it is not today's.
 *
 * @param {number} ms
 * @param {string} zone
 */
export function label(ms, zone) {
  const now = timeIn(new Date().toISOString(), zone);
  const t = timeIn(new Date(ms).toISOString(), zone);
  if (!t || !now) return "";
  return t.date === now.date ? t.clock : `${t.date} ${t.clock}`;
}

/** RFC 3339 in UTC. @param {number} ms */
export const stamp = (ms) => new Date(ms).toISOString();

/**
 * How long something takes or took, in its largest unit.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  const s = Math.max(0, seconds);
  if (s < 1) return "under 1 s";
  if (s < 90) return `${Math.round(s)} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/**
 * How long ago a time is.
 *
 * @param {string} at RFC 3339
 */
export function age(at) {
  const seconds = (Date.now() - Date.parse(at)) / 1000;
  if (Number.isNaN(seconds)) return "";
  if (seconds < -60) return "clock ahead";
  return seconds < 1 ? "now" : duration(seconds) + " ago";
}

/**
 * Reads a time as people type it: "15:04", "2026-11-23 08:00", "-2h", "now",
 * "yesterday 5pm", "23 nov 17:30". Returns what the server understands, or
 * throws with what it takes.
 *
 * @param {string} text
 * @param {string} zone the zone that is shown
 * @param {number} [now]
 * @returns {string} RFC 3339 in UTC
 */
export function readTime(text, zone, now = Date.now()) {
  const t = text.trim().toLowerCase().replace(/\s+/g, " ");
  const refuse = () => new Error(`“${text.trim()}” is no time. Give 15:04, 5pm, yesterday 17:30, 2026-11-23 08:00 or -2h`);
  if (t === "now") return stamp(now);
  const ago = /^-?\s?(\d+(?:\.\d+)?) ?(s|sec|m|min|h|hours?|d|days?|w|weeks?)(?: ago)?$/.exec(t);
  if (ago) {
    const unit = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }[ago[2][0]] || 0;
    return stamp(now - Number(ago[1]) * unit * 1000);
  }
  if (/^\d{4}-\d\d-\d\dt/.test(t) && /(z|[+-]\d\d:\d\d)$/.test(t)) {
    const ms = Date.parse(t.toUpperCase());
    if (Number.isNaN(ms)) throw refuse();
    return stamp(ms);
  }
  const wall = zone === "sent" ? "server" : zone;
  const today = new Date(now + offsetOf(now, wall) * 60_000);
  let [y, m, d] = [today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate()];
  let dated = true;
  let rest = t;
  const iso = /^(\d{4})-(\d\d?)-(\d\d?)(?:[t ]|$)/.exec(t);
  const named = /^(\d\d?) (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*(?: (\d{4}))?(?: |$)/.exec(t);
  const word = /^(today|yesterday)(?: |$)/.exec(t);
  if (iso) [y, m, d, rest] = [Number(iso[1]), Number(iso[2]) - 1, Number(iso[3]), t.slice(iso[0].length)];
  else if (named) {
    const month = "janfebmaraprmayjunjulaugsepoctnovdec".indexOf(named[2]) / 3;
    [y, m, d, rest] = [named[3] ? Number(named[3]) : y, month, Number(named[1]), t.slice(named[0].length)];
  } else if (word) [d, rest] = [d - (word[1] === "yesterday" ? 1 : 0), t.slice(word[0].length)];
  else dated = false;
  const clock = /^(?:(\d\d?):(\d\d)(?::(\d\d))?(?:[.,]\d+)?|(\d\d?)(?::(\d\d))? ?(am|pm))$/.exec(rest.trim());
  if (!clock && !(dated && rest.trim() === "")) throw refuse();
  let [hh, mm, ss] = [0, 0, 0];
  if (clock && clock[6]) [hh, mm] = [(Number(clock[4]) % 12) + (clock[6] === "pm" ? 12 : 0), Number(clock[5] || 0)];
  else if (clock) [hh, mm, ss] = [Number(clock[1]), Number(clock[2]), Number(clock[3] || 0)];
  if (hh > 24 || mm > 59 || ss > 60) throw refuse();
  const wallTime = Date.UTC(y, m, d, hh, mm, ss);
  // The offset is that of the time meant: near a change of clocks, of the guess.
  let ms = wallTime - offsetOf(wallTime - offsetOf(wallTime, wall) * 60_000, wall) * 60_000;
  if (!dated && ms > now) ms -= 86_400_000; // the latest such time
  if (Number.isNaN(ms)) throw refuse();
  return stamp(ms);
}
