// Asking dalogd. Every address is relative to the root that the page names, so
// that a proxy may serve it below a path of its own.

const root = new URL(document.documentElement.dataset.root || "./", location.href);

/**
 * The URL of a page or file of this server.
 *
 * @param {string} path without a leading slash
 * @param {URLSearchParams | null} [params]
 * @returns {string}
 */
export function url(path, params) {
  const u = new URL(path, root);
  if (params) u.search = params.toString();
  return u.href;
}

/** The path of a log file: names may hold what URLs quote. @param {string} name */
export const filePath = (name) => encodeURIComponent(name);

/** What the server answered instead of what was wanted. */
export class AnswerError extends Error {
  /**
   * @param {number} status 0 = no answer
   * @param {string} text one line for people
   * @param {any} [detail] of a JSON answer
   * @param {number} [retryAfter] seconds
   */
  constructor(status, text, detail, retryAfter) {
    super(text);
    this.status = status;
    this.detail = detail;
    this.retryAfter = retryAfter || 0;
  }
}

/**
 * @param {string} path
 * @param {URLSearchParams} params
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function getJSON(path, params, signal) {
  let answer;
  try {
    answer = await fetch(url(path, params), { signal, headers: { Accept: "application/json" }, credentials: "same-origin" });
  } catch (err) {
    if (isAbort(err)) throw err;
    throw new AnswerError(0, "dalogd does not answer");
  }
  if (!answer.ok) throw await failure(answer);
  try {
    return await answer.json();
  } catch (err) {
    if (isAbort(err)) throw err;
    throw new AnswerError(0, "the answer ended before its end");
  }
}

/** @param {Response} answer */
async function failure(answer) {
  const text = (await answer.text().catch(() => "")).trim();
  let detail;
  try {
    detail = JSON.parse(text);
  } catch {
    // A line of text.
  }
  const line = detail?.error || text.split("\n")[0] || answer.statusText || "status " + answer.status;
  return new AnswerError(answer.status, line, detail, Number(answer.headers.get("Retry-After")));
}

/** @param {unknown} err */
export const isAbort = (err) => err instanceof DOMException && err.name === "AbortError";

/** The latest of a series of requests; beginning the next one ends the one before. */
export class Latest {
  #controller = new AbortController();

  /** @returns {AbortSignal} */
  next() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }

  cancel() {
    this.#controller.abort();
  }
}
