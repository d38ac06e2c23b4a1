// What is known of a job in one sentence.

import { type Failure, JobState } from "../gen/solvemesh/v1/job_pb";
import {
  type SolveResult,
  type Termination,
  TerminationLimit,
  TerminationReason,
} from "../gen/solvemesh/v1/result_pb";
import { counted, duration, number, percent, ROUNDING } from "./format";
import type { Tone } from "./parts/Chip";
import type { Story } from "./story";
import { secondsOf } from "./time";

export interface Sentence {
  tone: Tone;
  text: string;
  /** What to do about it, or what it means. */
  advice?: string;
}

/** The first line of the view of a job. */
export function sentenceOf(story: Story): Sentence {
  const { job, result } = story;
  if (job.failure) return failed(job.failure, job.state);
  if (story.finished && story.scenarios) return sweepEnded(story);
  if (result) return ended(result, job.state, (job.description?.size?.integerCount ?? 0) > 0);
  if (story.finished) {
    return job.state === JobState.CANCELLED
      ? { tone: "warn", text: "Cancelled before a worker had begun." }
      : { tone: "bad", text: "Finished without a result." };
  }
  if (job.state === JobState.RUNNING) return running(story);
  const lane = job.description?.lane;
  return { tone: "idle", text: `Waiting for a worker${lane ? ` in the lane “${lane}”` : ""}.` };
}

function running(story: Story): Sentence {
  const { job, points, found } = story;
  const stopping = job.cancelRequested ? "Stopping. " : "";
  if (story.scenarios) {
    const { answered, count } = story.scenarios;
    const text = `${stopping}${number(answered)} of ${counted(count, "scenario")} answered.`;
    return { tone: "busy", text };
  }
  const last = points.last();
  const retried = story.attempts.length > 1 ? `Attempt ${job.attempt}. ` : "";
  const objective = job.progress?.objective ?? story.incumbent?.objective;
  const isMip = (job.description?.size?.integerCount ?? 0) > 0;
  if (objective === undefined || last === undefined) {
    const bound = Number.isNaN(last?.bound ?? Number.NaN) ? "" : `, bound ${number(last!.bound)}`;
    return { tone: "busy", text: `${stopping}${retried}Solving: no solution yet${bound}.` };
  }
  if (!isMip && found.length === 0) {
    return { tone: "busy", text: `${stopping}${retried}Solving.` };
  }
  const distance = Number.isNaN(last.gap) ? "" : `, ${distanceText(last.gap)}`;
  return {
    tone: "busy",
    text: `${stopping}${retried}Best so far ${number(last.objective)}${distance}.`,
  };
}

function ended(result: SolveResult, state: JobState, isMip: boolean): Sentence {
  const { termination } = result;
  if (!termination) return { tone: "bad", text: "Finished without a result." };
  const time = secondsOf(result.statistics?.solveTime);
  const took = time !== undefined && (time < 0.001 ? "less than 1 ms" : duration(time));
  const within = took ? ` in ${took}` : "";
  const after = took ? ` after ${took}` : "";
  const value = termination.objective === undefined ? "" : number(termination.objective);
  const checked = result.verification ? ", checked" : "";

  switch (termination.reason) {
    case TerminationReason.OPTIMAL: {
      const gap = isMip ? (termination.relativeGap ?? 0) : 0;
      const grade = gap > ROUNDING ? `Optimal to ${percent(gap)}` : "Optimal";
      return { tone: "good", text: `${grade}: ${value}, proven${within}${checked}.` };
    }
    case TerminationReason.FEASIBLE: {
      const gap = termination.relativeGap;
      const distance = gap === undefined ? "" : `, ${distanceText(gap)}`;
      const cause = state === JobState.CANCELLED ? "Stopped" : stoppedBy(termination);
      return { tone: "warn", text: `${cause}${after}: best ${value}${distance}${checked}.` };
    }
    case TerminationReason.INFEASIBLE: {
      const proven = result.infeasibilityProof?.verified || result.infeasibleSubset?.verified;
      return proven
        ? { tone: "bad", text: `Infeasible: there is no solution, proven${within} and checked.` }
        : {
            tone: "bad",
            text: `Infeasible, says the solver${within}; there is no proof to check.`,
            advice:
              "With integers a proof exists only if the model has no solution without them either.",
          };
    }
    case TerminationReason.UNBOUNDED:
      return {
        tone: "bad",
        text: `Unbounded: the objective improves without limit, found${within} and checked.`,
        advice: "A constraint or a bound is missing. “Why” shows the direction.",
      };
    case TerminationReason.INFEASIBLE_OR_UNBOUNDED:
      return {
        tone: "bad",
        text: `Infeasible or unbounded${within}: the solver did not find out which.`,
        advice: "Solve it again without presolve, or with bounds on all variables.",
      };
    case TerminationReason.IMPRECISE:
      return {
        tone: "warn",
        text: `Imprecise${value && `: ${value}`}. The check rejects what the solver claims.`,
        advice: "The numbers of the model may differ too much in size. The warnings say why.",
      };
    case TerminationReason.NO_SOLUTION_FOUND:
      return {
        tone: "warn",
        text:
          state === JobState.CANCELLED
            ? `Stopped${after}, before a solution was found.`
            : `${stoppedBy(termination)}${after}, before a solution was found.`,
        advice: "Give it more time, a larger gap, or a starting point.",
      };
    case TerminationReason.NUMERICAL_ERROR:
      return {
        tone: "bad",
        text: `The solver stopped for numerical reasons${after}.`,
        advice: "Rescale the model, or try another solver.",
      };
    default:
      return {
        tone: "bad",
        text: `The solver failed${after}: ${termination.detail || "no detail"}.`,
      };
  }
}

/** How far a solution is from the best possible one. */
function distanceText(gap: number): string {
  return Math.abs(gap) < ROUNDING ? "which is optimal" : `at most ${percent(gap)} from the optimum`;
}

function stoppedBy({ limit, detail }: Termination): string {
  switch (limit) {
    case TerminationLimit.TIME:
      return "Stopped by the time limit";
    case TerminationLimit.ITERATION:
      return "Stopped by the iteration limit";
    case TerminationLimit.NODE:
      return "Stopped by the node limit";
    case TerminationLimit.SOLUTION:
      return "Stopped by the solution limit";
    case TerminationLimit.MEMORY:
      return "Stopped by the memory limit";
    case TerminationLimit.OBJECTIVE:
      return "Stopped at the objective target";
    case TerminationLimit.INTERRUPTED:
      return "Stopped";
    default:
      return detail ? `Stopped (${detail})` : "Stopped";
  }
}

function sweepEnded({ job, scenarios }: Story): Sentence {
  const answered = job.sweepSummary?.answeredCount ?? scenarios?.answered ?? 0;
  const of = `${number(answered)} of ${counted(scenarios?.count ?? 0, "scenario")} answered`;
  if (job.sweepSummary?.stoppedBy !== undefined) {
    return { tone: "good", text: `Stopped at scenario ${job.sweepSummary.stoppedBy}: ${of}.` };
  }
  if (job.state === JobState.CANCELLED) return { tone: "warn", text: `Stopped: ${of}.` };
  return { tone: "good", text: `All ${counted(scenarios?.count ?? 0, "scenario")} answered.` };
}

const FAILURES: { [reason: string]: readonly [text: string, advice: string] } = {
  SOLVER_CRASHED: [
    "Failed: the solver crashed at each attempt",
    "Try another solver or other options. If it happens again, the model is worth a bug report.",
  ],
  SOLVER_OUT_OF_MEMORY: [
    "Failed: the solver ran out of memory",
    "Set a memory limit, so that the best solution is kept, or use a worker with more memory.",
  ],
  SOLVER_HUNG: ["Failed: the solver stopped answering", "Try another solver or other options."],
  SOLVER_ERROR: ["Failed: the solver reported an error", "Try another solver or other options."],
  UNREADABLE_JOB: [
    "Failed: no worker could read the job",
    "Workers and gateway may be of different versions.",
  ],
  DEADLINE_EXCEEDED: [
    "Expired: the time for queue and solve together is over",
    "Submit it again with a longer total time limit, or when the queue is shorter.",
  ],
  DELIVERY_LIMIT: [
    "Failed: every worker that took the job died",
    "The job may need more memory than the workers have.",
  ],
  GIVEN_UP: ["Failed: the broker dropped the job", "Submit it again."],
  MODEL_LOST: ["Failed: the model is no longer stored", "Submit it again."],
};

function failed({ reason, message }: Failure, state: JobState): Sentence {
  if (state === JobState.EXPIRED) {
    return {
      tone: "bad",
      text: `Expired: no worker took it in time${message && ` (${message})`}.`,
      advice: "Connect a worker for its lane, or allow a longer time in the queue.",
    };
  }
  const [text, advice] = FAILURES[reason] ?? [`Failed: ${reason}`, ""];
  const detail = message && `${message[0]?.toUpperCase()}${message.slice(1)}.`;
  return { tone: "bad", text: `${text}.`, advice: [detail, advice].filter(Boolean).join(" ") };
}
