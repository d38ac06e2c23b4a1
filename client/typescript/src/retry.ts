// When to try again, and for how long.

import { MeshError } from "./errors.js";

/**
 * Exponential backoff with jitter, within a budget of time. The budget is a time and not a number of
 * tries, because a try may fail at once or last for long. All times are in milliseconds.
 */
export interface Retry {
  /** The time of all tries of a call, and of a watch that has not received anything. */
  budget: number;
  /** That of a watch whose stream broke: enough for the restart of a gateway. */
  streamBudget: number;
  /** The pause after the first failure; it doubles with each further one. */
  initialBackoff: number;
  /** The longest pause, unless the gateway asks for a longer one. */
  maxBackoff: number;
}

export const DEFAULT_RETRY: Readonly<Retry> = {
  budget: 15_000,
  streamBudget: 60_000,
  initialBackoff: 100,
  maxBackoff: 2_000,
};

/** The pause after a number of failures, in milliseconds; `jitter` is in [0, 1). */
export function backoff(retry: Retry, failures: number, askedMs: number, jitter: number): number {
  const pause = Math.min(retry.initialBackoff * 2 ** (failures - 1), retry.maxBackoff);
  return Math.max(pause * (0.5 + jitter / 2), askedMs);
}

/** The tries of one call or one watch. */
export class Tries {
  private since = Date.now();
  private failures = 0;
  private budget: number;

  constructor(private readonly retry: Retry) {
    this.budget = retry.budget;
  }

  /** Gives the budget of a stream that has worked. */
  progressed(): void {
    this.budget = this.retry.streamBudget;
    this.since = Date.now();
    this.failures = 0;
  }

  /** What is left of the budget. */
  get remaining(): number {
    return Math.max(0, this.budget - (Date.now() - this.since));
  }

  /**
   * Waits for the next try. Throws if there is none: the failure is final, or the next try would
   * come after the end of the budget, or the signal is aborted.
   */
  async failed(cause: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const error = new MeshError(cause);
    if (!error.isTransient) throw error;
    this.failures += 1;
    const asked = (error.retryAfterSeconds ?? 0) * 1000;
    const pause = backoff(this.retry, this.failures, asked, Math.random());
    if (pause >= this.remaining) throw error;
    await sleep(pause, signal);
  }
}

/** The least time that a try gets: a large model takes long to send. */
const MIN_CALL_TIMEOUT_MS = 60_000;

/** Makes a call until there is a response, or an error that is final. */
export async function retrying<T>(
  retry: Retry,
  signal: AbortSignal | undefined,
  call: (options: { signal?: AbortSignal; timeoutMs: number }) => Promise<T>,
): Promise<T> {
  const tries = new Tries(retry);
  for (;;) {
    signal?.throwIfAborted();
    try {
      const timeoutMs = Math.max(tries.remaining, MIN_CALL_TIMEOUT_MS);
      return await call({ timeoutMs, ...(signal && { signal }) });
    } catch (error) {
      await tries.failed(error, signal);
    }
  }
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
