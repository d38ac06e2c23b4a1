// The result of a job, put together from its events.

import { create } from "@bufbuild/protobuf";
import { JobFailedError } from "./errors.js";
import { type JobEvent, type JobFinished, JobState } from "./gen/solvemesh/v1/job_pb.js";
import {
  type Solution,
  type SolveResult,
  SolveResultSchema,
  TerminationLimit,
  TerminationReason,
} from "./gen/solvemesh/v1/result_pb.js";

/** The result of a job. Arrays are empty if there is no solution, or no duals. */
export class Result {
  readonly values: Float64Array;
  readonly reducedCosts: Float64Array;
  readonly activities: Float64Array;
  /** The change of the objective per unit of the right-hand side. LPs only. */
  readonly duals: Float64Array;
  readonly variableNames: readonly string[];
  readonly constraintNames: readonly string[];

  constructor(
    readonly jobId: string,
    /** SUCCEEDED or CANCELLED. */
    readonly state: JobState,
    /** Proofs, statistics, the check of the solution, and all else. */
    readonly message: SolveResult,
    /** The lines of the solver's log, if `returnLog` asked for it. */
    readonly log: readonly string[],
    parts: readonly Solution[],
  ) {
    const join = (numbers: (part: Solution) => readonly number[]) => {
      const pieces = parts.map(numbers);
      const joined = new Float64Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
      let end = 0;
      for (const piece of pieces) {
        joined.set(piece, end);
        end += piece.length;
      }
      return joined;
    };
    this.values = join((part) => part.values);
    this.reducedCosts = join((part) => part.reducedCosts);
    this.activities = join((part) => part.activities);
    this.duals = join((part) => part.duals);
    this.variableNames = parts.flatMap((part) => part.variableNames);
    this.constraintNames = parts.flatMap((part) => part.constraintNames);
  }

  /** How the solve ended. */
  get reason(): TerminationReason {
    return this.message.termination?.reason ?? TerminationReason.UNSPECIFIED;
  }

  /** The limit that stopped the solve, if one did. */
  get limit(): TerminationLimit {
    return this.message.termination?.limit ?? TerminationLimit.UNSPECIFIED;
  }

  /** The objective of the best solution. */
  get objective(): number | undefined {
    return this.message.termination?.objective;
  }

  /** The best proven bound of the objective. */
  get bound(): number | undefined {
    return this.message.termination?.objectiveBound;
  }

  /** The value of a variable in the best solution. */
  value(variable: string): number | undefined {
    const at = this.variableNames.indexOf(variable);
    return at < 0 ? undefined : this.values[at];
  }
}

/** Puts the events of one job together to its result. */
export class Assembly {
  private attempt = 0;
  private parts: Solution[] = [];
  private log: string[] = [];

  /** Adds the next event. Returns the result with the last one; throws if the job failed. */
  add(event: JobEvent): Result | undefined {
    if (event.attempt !== this.attempt) {
      // The parts and the log of an attempt that died are not those of the next one.
      this.attempt = event.attempt;
      this.parts = [];
      this.log = [];
    }
    switch (event.kind.case) {
      case "solutionPart": {
        const { index, solution } = event.kind.value;
        if (index === 0) this.parts = [];
        if (index !== this.parts.length || !solution) {
          const wanted = this.parts.length;
          throw new Error(`job ${event.jobId}: received part ${index} of the solution instead of part ${wanted}`);
        }
        this.parts.push(solution);
        return undefined;
      }
      case "log": {
        const { lines, omittedCount } = event.kind.value;
        this.log.push(...lines);
        if (omittedCount > 0n) this.log.push(`(${omittedCount} lines omitted)`);
        return undefined;
      }
      case "finished":
        return this.finish(event.jobId, event.kind.value);
      default:
        return undefined;
    }
  }

  private finish(jobId: string, finished: JobFinished): Result {
    const { state, failure } = finished;
    let { result } = finished;
    if (!result && failure) throw new JobFailedError(jobId, state, failure.reason, failure.message);
    if (!result && finished.sweepSummary) {
      throw new Error(`job ${jobId} is a sweep: its results are events`);
    }
    if (!result && state === JobState.CANCELLED) {
      // Cancelled before a worker took it: stopped before anything was found.
      result = create(SolveResultSchema, {
        termination: {
          reason: TerminationReason.NO_SOLUTION_FOUND,
          limit: TerminationLimit.INTERRUPTED,
        },
      });
    }
    if (!result) throw new Error(`job ${jobId} has state ${state}, without a result or a failure`);
    const count = result.solutionPartCount;
    if (count > 0 && count !== this.parts.length) {
      throw new Error(`job ${jobId}: received ${this.parts.length} of ${count} parts of the solution`);
    }
    const parts = count > 0 ? this.parts : result.solution ? [result.solution] : [];
    checkContinuous(jobId, parts);
    return new Result(jobId, state, result, this.log, parts);
  }
}

/** Each part continues where the one before ends. An empty one may have any offset. */
function checkContinuous(jobId: string, parts: readonly Solution[]): void {
  let [n, m] = [0, 0];
  parts.forEach((part, at) => {
    const variables = Math.max(part.variableNames.length, part.values.length);
    const rows = Math.max(part.constraintNames.length, part.activities.length, part.duals.length);
    if ((variables > 0 && part.variableOffset !== n) || (rows > 0 && part.constraintOffset !== m)) {
      throw new Error(`job ${jobId}: part ${at} of the solution does not continue the part before`);
    }
    n += variables;
    m += rows;
  });
}
