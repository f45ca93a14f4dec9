/** How long to wait before the next attempt to reach the server. */

/** Short enough that a restarted server is back before the reader looks for a button. */
const FIRST_MS = 500;
/** Long enough that a hundred forgotten tabs do not weigh on a server that is down. */
export const LONGEST_MS = 15_000;

/**
 * Exponential, with jitter so that pages do not come back all at once.
 * @param attempt failed attempts so far, from 0
 * @param chance a number in [0, 1)
 * @returns ms, between half of the exponential delay and all of it
 */
export function backoff_ms(attempt: number, chance: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return full / 2 + (full / 2) * chance;
}
