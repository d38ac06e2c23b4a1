import type { Job } from "../../gen/solvemesh/v1/job_pb";
import type { SubmitJobRequest, SubmitJobResponse } from "../../gen/solvemesh/v1/job_service_pb";
import { type Problem, problemOf } from "../problem";

/** How long retries go on until a person must press the button again, in seconds. */
export const RETRY_FOR = 300;

/** A submission that waits for its next try. */
export interface Waiting {
  problem: Problem;
  /** When it is sent again, as `Date.now()`. */
  until: number;
  /** The number of tries so far. */
  tries: number;
}

/** The calls and the clock, which tests replace. */
export interface SubmitTools {
  send(request: SubmitJobRequest, signal: AbortSignal): Promise<SubmitJobResponse>;
  /** Resolves after this time, or at once when the signal aborts. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
  now(): number;
}

/**
 * Whether and when a failed try is repeated, in seconds. A request without its own id is never
 * repeated after an unclear failure, since it could become two jobs.
 */
export function retryIn(problem: Problem, tries: number): number | undefined {
  const step = Math.min(0.5 * 2 ** (tries - 1), 15);
  if (problem.retryAfterSeconds !== undefined) return Math.max(problem.retryAfterSeconds, step);
  // Without details it is the network's error, or that of a proxy.
  const unclear = problem.reason === "" && ["UNAVAILABLE", "UNKNOWN"].includes(problem.code);
  return unclear || problem.code === "DEADLINE_EXCEEDED" ? step : undefined;
}

/**
 * Submits a job, and repeats the same request, with the same request id, while the mesh has no
 * room or does not answer. So the job is submitted once, whatever became of the earlier tries.
 * Throws the last error when a retry does not help.
 */
export async function submit(
  request: SubmitJobRequest,
  tools: SubmitTools,
  signal: AbortSignal,
  onWait: (waiting: Waiting | undefined) => void,
): Promise<Job> {
  const started = tools.now();
  for (let tries = 1; ; tries += 1) {
    try {
      const { job } = await tools.send(request, signal);
      if (!job?.jobId) throw new Error("the gateway returned no job");
      return job;
    } catch (error) {
      signal.throwIfAborted();
      const problem = problemOf(error);
      const delay = retryIn(problem, tries);
      const spent = (tools.now() - started) / 1000;
      if (delay === undefined || spent + delay > RETRY_FOR) throw error;
      onWait({ problem, until: tools.now() + delay * 1000, tries });
      await tools.sleep(delay * 1000, signal);
      signal.throwIfAborted();
      onWait(undefined);
    }
  }
}

/** A pause that an abort ends. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
