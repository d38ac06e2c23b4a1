// How long to wait before a lost stream is opened again.

const FIRST_SECONDS = 0.5;
const MAX_SECONDS = 15;

/**
 * The delay after a number of failures in a row, in seconds: 0.5 s, doubled each time, at most
 * 15 s, of which up to a half is taken off at random so that the tabs of a gateway that restarts
 * do not come back all at once. `random` is in [0, 1).
 */
export function retryDelay(failures: number, random: number): number {
  const full = Math.min(MAX_SECONDS, FIRST_SECONDS * 2 ** Math.max(0, failures - 1));
  return full * (1 - random / 2);
}
