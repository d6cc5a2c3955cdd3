// The answer of /histogram.

import { stamp } from "./time.js";

/**
 * @typedef {{time: string, counts: Record<string, number>}} Bucket
 * @typedef {{from: string, to: string, step: number, buckets: Bucket[], hosts?: Record<string, number>, programs?: Record<string, number>, limited: string}} Answer
 */

/**
 * The server leaves empty buckets out; here they are.
 *
 * @param {Answer} answer
 * @returns {Bucket[]}
 */
export function fillUp(answer) {
  const some = answer.buckets || [];
  if (!some.length) return [];
  const step = answer.step * 1000;
  const known = Date.parse(some[0].time);
  const before = Math.max(0, Math.ceil((known - Date.parse(answer.from)) / step));
  const from = known - before * step;
  const n = Math.max(1, Math.min(2000, Math.ceil((Date.parse(answer.to) - from) / step)));
  /** @type {Bucket[]} */
  const all = Array.from({ length: n }, (_, i) => ({ time: stamp(from + i * step), counts: {} }));
  for (const b of some) {
    const i = Math.min(n - 1, Math.max(0, Math.round((Date.parse(b.time) - from) / step)));
    all[i] = b;
  }
  return all;
}
