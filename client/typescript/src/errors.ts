// What can go wrong.

import type { JobState } from "./gen/solvemesh/v1/job_pb.js";
import { problemOf, type Violation } from "./shared/problem.js";

/** A call failed: the gateway refused it, or could not be reached. */
export class MeshError extends Error {
  override readonly name = "MeshError";
  /** The code of gRPC, as in "INVALID_ARGUMENT". */
  readonly code: string;
  /** A stable name; docs/errors.md lists them. Empty if the error is not from a gateway. */
  readonly reason: string;
  /** Of the reason, as `line` and `column` of an error in a text. */
  readonly metadata: { readonly [key: string]: string };
  /** The fields at fault. */
  readonly violations: readonly Violation[];
  /** How long the gateway asks to wait before a retry. */
  readonly retryAfterSeconds: number | undefined;

  /** From an exception of a call. */
  constructor(cause: unknown) {
    const problem = problemOf(cause);
    super(problem.message, { cause });
    this.code = problem.code;
    this.reason = problem.reason;
    this.metadata = problem.metadata;
    this.violations = problem.violations;
    this.retryAfterSeconds = problem.retryAfterSeconds;
  }

  /** Whether a later try may succeed. */
  get isTransient(): boolean {
    return TRANSIENT.has(this.code) || this.retryAfterSeconds !== undefined;
  }
}

const TRANSIENT = new Set(["UNAVAILABLE", "UNKNOWN", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED"]);

/** A job ended without a result: FAILED or EXPIRED. It says nothing about the model. */
export class JobFailedError extends Error {
  override readonly name = "JobFailedError";

  constructor(
    readonly jobId: string,
    readonly state: JobState,
    /** A stable name, as "SOLVER_CRASHED". */
    readonly reason: string,
    message: string,
  ) {
    super(`job ${jobId} failed: ${message} (${reason})`);
  }
}
