// The story of a job: all that the page shows of it, folded from the events of its watch.

import { create } from "@bufbuild/protobuf";
import {
  type Failure,
  type Incumbent,
  type Job,
  type JobEvent,
  type JobFinished,
  JobSchema,
  JobState,
  type Progress,
  type SolutionPart,
} from "../gen/solvemesh/v1/job_pb";
import type { WatchResultsResponse } from "../gen/solvemesh/v1/job_service_pb";
import type { Solution, SolveResult } from "../gen/solvemesh/v1/result_pb";
import { type EventLine, eventLine, withoutSolution } from "./event-line";
import { Growing } from "./growing";
import { Points } from "./points";
import type { Problem } from "./problem";
import { addResults, emptyScenarios, type Scenarios } from "./scenarios";
import { joinParts } from "./solution-parts";
import { dateOf, secondsOf } from "./time";

/** Number of log lines that are kept. */
export const MAX_LOG_LINES = 5_000;
/** Number of events that are kept. */
export const MAX_EVENTS = 2_000;
/** Number of found solutions that are kept, without their values. */
export const MAX_FOUND = 10_000;

/** An attempt at a job. */
export interface Attempt {
  number: number;
  worker: string;
  /** When it started, by the worker's clock. */
  startedAt: Date | undefined;
  /** When it started, in seconds since the first attempt did: the time of `Story.points`. */
  seconds: number;
  /** The objective that it starts from, after an attempt that died. */
  startObjective: number | undefined;
  /** Why it failed, if the solver did. */
  failure: Failure | undefined;
}

/** A solution as it was found. NaN: not known. */
export interface Found {
  /** Time since the first attempt started, in seconds. */
  seconds: number;
  attempt: number;
  objective: number;
  bound: number;
}

/** A job with all that happened to it. Immutable: `fold` makes the next version. */
export interface Story {
  readonly id: string;
  /** The job as `GetJob` returns it in the basic view. */
  readonly job: Job;
  /** True once the job has finished. */
  readonly finished: boolean;
  readonly attempts: Growing<Attempt>;
  /** The objective, bound and gap over time, all attempts one after the other. */
  readonly points: Points;
  /** The last solutions that were found. `found.dropped` is the number of older ones. */
  readonly found: Growing<Found>;
  /** The best solution of the current attempt so far, with its values. */
  readonly incumbent: Incumbent | undefined;
  /** The result of a finished job, without its solution. */
  readonly result: SolveResult | undefined;
  /** The solution of a finished job, its parts joined. */
  readonly solution: Solution | undefined;
  /** The parts of a large solution that have arrived so far. */
  readonly parts: readonly SolutionPart[];
  /** The last lines of the solver's log. `log.dropped` is the number of older ones. */
  readonly log: Growing<string>;
  /** Number of lines that the mesh left out. */
  readonly logOmitted: number;
  /** The last events. `events.dropped` is the number of older ones. */
  readonly events: Growing<EventLine>;
  /** The results of the scenarios, if the job is a sweep. */
  readonly scenarios: Scenarios | undefined;
  /** The sequence of the last event. */
  readonly lastSequence: number;
  /** Number of events that the mesh left out. */
  readonly skipped: number;
  /** Resumes the watch after the last event. */
  readonly token: string;
  /** True if events are missing between the last ones: watch again from the beginning. */
  readonly torn: boolean;
  /** Why the job cannot be watched: there is no such job, or it is forgotten. */
  readonly problem: Problem | undefined;
}

export function emptyStory(id: string): Story {
  return {
    id,
    job: create(JobSchema, { jobId: id }),
    finished: false,
    attempts: Growing.empty(),
    points: Points.empty(),
    found: Growing.empty(),
    incumbent: undefined,
    result: undefined,
    solution: undefined,
    parts: [],
    log: Growing.empty(),
    logOmitted: 0,
    events: Growing.empty(),
    scenarios: undefined,
    lastSequence: 0,
    skipped: 0,
    token: "",
    torn: false,
    problem: undefined,
  };
}

/**
 * The story after a message of the watch. Events that it has already had, as after a watch from
 * the beginning, change nothing.
 */
export function fold(story: Story, message: WatchResultsResponse): Story {
  const token = message.resumeToken || story.token;
  const event = message.kind.case === "event" ? message.kind.value : undefined;
  if (event?.jobId !== story.id || event.sequence <= story.lastSequence) {
    return token === story.token ? story : { ...story, token };
  }

  const missing = event.sequence - story.lastSequence - 1;
  const next = advance(story, event);
  return {
    ...next,
    job: { ...next.job, lastSequence: event.sequence },
    events: story.events.append([eventLine(event)], MAX_EVENTS),
    lastSequence: event.sequence,
    skipped: story.skipped + missing,
    token,
    torn: story.torn || missing > event.skippedCount,
  };
}

/** A new attempt clears what is known of the solve, but not the chart. */
function advance(story: Story, event: JobEvent): Story {
  const { kind } = event;
  switch (kind.case) {
    case "queued": {
      const { description } = kind.value;
      const sweep = description?.sweep;
      const job = { ...story.job, state: JobState.QUEUED };
      if (description) job.description = description;
      if (event.time) job.submitTime = event.time;
      return { ...story, job, scenarios: sweep && emptyScenarios(sweep) };
    }
    case "started": {
      const { worker, startObjective } = kind.value;
      const startedAt = dateOf(event.time);
      const attempt: Attempt = {
        number: event.attempt,
        worker,
        startedAt,
        seconds: offsetOf(story, startedAt),
        startObjective,
        failure: undefined,
      };
      const job: Job = { ...story.job, state: JobState.RUNNING, attempt: event.attempt, worker };
      delete job.progress;
      delete job.incumbent;
      if (event.time) job.startTime = event.time;
      const attempts = story.attempts.append([attempt]);
      const points = brokenAt(story.points, attempt.seconds);
      return { ...story, job, attempts, points, incumbent: undefined, parts: [] };
    }
    case "progress":
      return {
        ...story,
        job: { ...story.job, progress: kind.value },
        points: withPoint(story, kind.value),
      };
    case "incumbent":
      return withIncumbent(story, event, kind.value);
    case "log": {
      const { lines, omittedCount } = kind.value;
      return {
        ...story,
        log: story.log.append(lines, MAX_LOG_LINES),
        logOmitted: story.logOmitted + Number(omittedCount),
      };
    }
    case "cancelRequested":
      return { ...story, job: { ...story.job, cancelRequested: true } };
    case "attemptFailed": {
      const last = story.attempts.last();
      if (!last) return story;
      const failed = { ...last, failure: kind.value.failure };
      const earlier = story.attempts.toArray().slice(0, -1);
      return { ...story, attempts: Growing.empty<Attempt>().append([...earlier, failed]) };
    }
    case "solutionPart":
      return { ...story, parts: [...story.parts, kind.value] };
    case "scenarioResults": {
      const { scenarios } = story;
      if (!scenarios) return story;
      return { ...story, scenarios: addResults(scenarios, kind.value.results) };
    }
    case "finished":
      return withOutcome(story, event, kind.value);
    default:
      // A kind that this page does not know.
      return story;
  }
}

function withIncumbent(story: Story, event: JobEvent, incumbent: Incumbent): Story {
  const found: Found = {
    seconds: secondsAt(story, incumbent),
    attempt: event.attempt,
    objective: incumbent.objective ?? Number.NaN,
    bound: incumbent.objectiveBound ?? Number.NaN,
  };
  return {
    ...story,
    found: story.found.append([found], MAX_FOUND),
    incumbent,
    points: withPoint(story, incumbent),
  };
}

function withOutcome(story: Story, event: JobEvent, finished: JobFinished): Story {
  const { state, result, failure, sweepSummary } = finished;
  const job: Job = { ...story.job, state };
  delete job.incumbent;
  if (event.time) job.finishTime = event.time;
  if (failure) job.failure = failure;
  if (sweepSummary) job.sweepSummary = sweepSummary;
  if (result) job.result = withoutSolution(result);

  const termination = result?.termination;
  const time = result?.statistics?.solveTime;
  const last = termination && {
    ...termination,
    ...(time && { elapsed: time }),
  };
  return {
    ...story,
    job,
    finished: true,
    // Without a result, what was found is all that there is.
    incumbent: result ? undefined : story.incumbent,
    result: result && withoutSolution(result),
    solution: result?.solution ?? joinParts(story.parts),
    parts: [],
    points: last && !story.scenarios ? withPoint(story, last) : story.points,
  };
}

/** What progress, incumbents and outcomes have in common. */
type Measured = Partial<Pick<Progress, "objective" | "objectiveBound" | "relativeGap" | "elapsed">>;

function withPoint(story: Story, measured: Measured): Points {
  const { points } = story;
  const seconds = secondsAt(story, measured);
  // What is known stays known: an incumbent, for example, may come without a bound.
  const before = currentAttemptPoint(story);
  const objective = measured.objective ?? before?.objective ?? Number.NaN;
  const bound = measured.objectiveBound ?? before?.bound ?? Number.NaN;
  const gap = measured.relativeGap ?? gapOf(objective, bound);
  if (Number.isNaN(objective) && Number.isNaN(bound)) return points;
  return points.append({ seconds, objective, bound, gap });
}

/** The points with a gap between two attempts. */
function brokenAt(points: Points, seconds: number): Points {
  const { NaN: unknown } = Number;
  if (points.length === 0) return points;
  return points.append({ seconds, objective: unknown, bound: unknown, gap: unknown });
}

function currentAttemptPoint(story: Story) {
  const last = story.points.last();
  const begin = story.attempts.last()?.seconds ?? 0;
  return last && last.seconds >= begin ? last : undefined;
}

/** The time of a measurement in the chart. Never before that of the last point. */
function secondsAt(story: Story, measured: Measured): number {
  const last = story.points.last()?.seconds ?? 0;
  const begin = story.attempts.last()?.seconds ?? 0;
  return Math.max(last, begin + (secondsOf(measured.elapsed) ?? 0));
}

/** The start of an attempt in the chart. Workers' clocks may differ. */
function offsetOf(story: Story, startedAt: Date | undefined): number {
  const first = story.attempts.length > 0 ? story.attempts.at(0).startedAt : undefined;
  const last = story.points.last()?.seconds ?? 0;
  if (!first || !startedAt) return last;
  return Math.max(last, (startedAt.getTime() - first.getTime()) / 1000);
}

/** |bound - objective| / |objective|, as the API defines it. NaN if it is not known. */
export function gapOf(objective: number, bound: number): number {
  const distance = Math.abs(bound - objective);
  return distance === 0 ? 0 : objective === 0 ? Number.NaN : distance / Math.abs(objective);
}
