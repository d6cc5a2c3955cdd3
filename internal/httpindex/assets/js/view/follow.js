// The stream of new lines. It is drawn at most once a frame and within a
// budget: what comes faster than that is left out of the page, and stays where
// it can be scrolled to.

/** @typedef {import("./source.js").Line} Line */

const frameBudget = 8; // ms of drawing in a frame
const mostPending = 1500; // lines that wait to be drawn
const firstWait = 1000;
const longestWait = 30_000;

/** @typedef {"off" | "connecting" | "live" | "waiting" | "refused"} FollowState */

export class Follow {
  /** @type {EventSource | null} */
  #stream = null;
  /** @type {{line: Line, after: string}[]} */
  #pending = [];
  #drawing = false;
  #wait = firstWait;
  #timer = 0;
  #retryAt = 0;
  /** @type {FollowState} */
  state = "off";
  frozen = false;
  waiting = 0; // lines that came while frozen
  waitingErrors = 0;
  position = "";
  reason = "";

  /**
   * @param {{url: (position: string) => string, draw: (lines: Line[], after: string) => void,
   *   skip: (at: string) => void, gap: (gap: {from?: number, to?: number, reason?: string}) => void, changed: () => void}} told
   */
  constructor(told) {
    this.told = told;
  }

  get on() {
    return this.state !== "off";
  }

  /** Seconds until the next try. */
  get retryIn() {
    return Math.max(0, Math.ceil((this.#retryAt - Date.now()) / 1000));
  }

  /** @param {string} position */
  start(position) {
    this.stop();
    this.position = position;
    this.#wait = firstWait;
    this.#connect();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#stream?.close();
    this.#stream = null;
    this.#pending = [];
    this.state = "off";
    this.frozen = false;
    this.waiting = this.waitingErrors = 0;
    this.told.changed();
  }

  /** Nothing is drawn until it is thawed. */
  freeze() {
    if (!this.on || this.frozen) return;
    this.frozen = true;
    this.#count(this.#pending.splice(0));
    this.told.changed();
  }

  #connect() {
    this.state = "connecting";
    this.told.changed();
    const stream = new EventSource(this.told.url(this.position));
    this.#stream = stream;
    stream.addEventListener("open", () => {
      this.state = "live";
      this.reason = "";
      this.#wait = firstWait;
      this.told.changed();
    });
    stream.addEventListener("line", (e) => this.#line(/** @type {MessageEvent} */ (e)));
    stream.addEventListener("gap", (e) => {
      try {
        this.told.gap(JSON.parse(/** @type {MessageEvent} */ (e).data));
      } catch {
        this.told.gap({});
      }
    });
    // The browser's own retries would begin where the URL says; from here it
    // begins behind the last line that was drawn or counted.
    let opened = false;
    stream.addEventListener("open", () => (opened = true));
    stream.addEventListener("error", () => {
      stream.close();
      if (this.#stream !== stream) return;
      this.#again();
      if (!opened) this.#ask();
    });
  }

  /** An event stream does not tell why it was refused; the same request does. */
  async #ask() {
    try {
      const { status } = await fetch(this.told.url(this.position), { method: "HEAD" });
      this.reason = { 401: "not allowed", 403: "not allowed", 404: "the file is gone", 410: "what was followed has expired", 429: "too many clients follow at present" }[status] || "";
      this.told.changed();
    } catch {
      // Nobody answers: it is as it looks.
    }
  }

  #again() {
    this.state = "waiting";
    this.#retryAt = Date.now() + this.#wait;
    const tick = () => {
      if (this.state !== "waiting") return;
      if (Date.now() >= this.#retryAt) this.#connect();
      else {
        this.told.changed();
        this.#timer = setTimeout(tick, 500);
      }
    };
    this.#timer = setTimeout(tick, Math.min(500, this.#wait));
    this.#wait = Math.min(longestWait, this.#wait * 2);
    this.told.changed();
  }

  /** Tries at once. */
  retry() {
    if (this.state !== "waiting") return;
    clearTimeout(this.#timer);
    this.#connect();
  }

  /** @param {MessageEvent} e */
  #line(e) {
    /** @type {Line} */
    const line = JSON.parse(e.data);
    const after = e.lastEventId || String(line.end);
    this.position = after;
    if (this.frozen) {
      this.#count([{ line, after }]);
      return;
    }
    this.#pending.push({ line, after });
    if (this.#pending.length > 2 * mostPending) this.#leaveOut(); // no frames: the tab is hidden
    if (!this.#drawing) {
      this.#drawing = true;
      requestAnimationFrame(() => this.#draw());
    }
  }

  /** @param {{line: Line, after: string}[]} lines */
  #count(lines) {
    this.waiting += lines.length;
    for (const { line } of lines) if (line.level === "error" || line.level === "critical") this.waitingErrors++;
    this.told.changed();
  }

  /** Lets the older ones of the waiting lines go. */
  #leaveOut() {
    const left = this.#pending.splice(0, this.#pending.length - mostPending / 3);
    this.told.skip(left[left.length - 1].after);
  }

  #draw() {
    this.#drawing = false;
    if (this.frozen || !this.on) return;
    if (this.#pending.length > mostPending) this.#leaveOut();
    const until = performance.now() + frameBudget;
    do {
      const some = this.#pending.splice(0, 40);
      if (!some.length) break;
      this.told.draw(some.map((p) => p.line), some[some.length - 1].after);
    } while (performance.now() < until);
    if (this.#pending.length) {
      this.#drawing = true;
      requestAnimationFrame(() => this.#draw());
    }
  }
}
