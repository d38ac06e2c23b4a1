// Stops several jobs, after a confirmation that lists what will happen to each.

import { useState } from "preact/hooks";

import { type Job, JobState } from "../../gen/solvemesh/v1/job_pb";
import { client } from "../api";
import { count, counted } from "../format";
import { Dialog } from "../parts/Dialog";
import { type Problem, problemOf } from "../problem";
import { nameOf } from "./JobsColumns";

/** Calls at the same time. */
const PARALLEL = 4;

/** Names that are listed in the question. */
const MAX_NAMED = 8;

interface Props {
  /** Unfinished jobs: those that are marked, or all in the list. */
  jobs: readonly Job[];
  isSelection: boolean;
  onDone(): void;
}

export function StopJobs({ jobs, isSelection, onDone }: Props) {
  // The jobs of the question stay the same, whatever happens to the list behind it.
  const [asked, setAsked] = useState<readonly Job[] | undefined>(undefined);
  if (jobs.length === 0 && !asked) return null;
  return (
    <>
      {jobs.length > 0 && (
        <button
          type="button"
          class="button button-danger button-small"
          onClick={() => setAsked(jobs)}
        >
          {isSelection
            ? `Stop ${count(jobs.length)}…`
            : `Stop ${jobs.length > 1 ? "all " : ""}${count(jobs.length)} unfinished…`}
        </button>
      )}
      {asked && (
        <Question
          jobs={asked}
          onClose={(isDone) => {
            setAsked(undefined);
            if (isDone) onDone();
          }}
        />
      )}
    </>
  );
}

type Stopping = { done: number; failed: { job: Job; problem: Problem }[] };

function Question({ jobs, onClose }: { jobs: readonly Job[]; onClose(isDone: boolean): void }) {
  const [stopping, setStopping] = useState<Stopping | undefined>(undefined);
  const isOver = stopping?.done === jobs.length;
  const running = jobs.filter((job) => job.state === JobState.RUNNING).length;
  const queued = jobs.length - running;

  const stop = async () => {
    let state: Stopping = { done: 0, failed: [] };
    setStopping(state);
    await eachOf(jobs, PARALLEL, async (job) => {
      try {
        await client.cancelJob({ jobId: job.jobId });
      } catch (error) {
        state = { ...state, failed: [...state.failed, { job, problem: problemOf(error) }] };
      }
      state = { ...state, done: state.done + 1 };
      setStopping(state);
    });
    if (state.failed.length === 0) onClose(true);
  };

  return (
    <Dialog
      title={`Stop ${counted(jobs.length, "job")}?`}
      onClose={() => onClose(stopping !== undefined)}
    >
      <div class="jobs-question">
        <p>
          {running > 0 &&
            `${counted(running, "running job")} ${running === 1 ? "stops and keeps its" : "stop and keep their"} best solution so far. `}
          {queued > 0 &&
            `${counted(queued, "queued job")} ${queued === 1 ? "is" : "are"} cancelled.`}
        </p>
        <ul class="jobs-named">
          {jobs.slice(0, MAX_NAMED).map((job) => (
            <li key={job.jobId}>
              {nameOf(job)} <span class="jobs-minor mono">{job.jobId.slice(0, 8)}</span>
            </li>
          ))}
          {jobs.length > MAX_NAMED && <li>and {count(jobs.length - MAX_NAMED)} more</li>}
        </ul>
        {stopping && (
          <p role="status">
            {count(stopping.done - stopping.failed.length)} of {count(jobs.length)} stopped.
          </p>
        )}
        {stopping?.failed.map(({ job, problem }) => (
          <p key={job.jobId} class="notice notice-bad">
            {nameOf(job)} {job.jobId.slice(0, 8)}: {problem.message}
          </p>
        ))}
        <div class="jobs-answers">
          {isOver ? (
            <button type="button" class="button" onClick={() => onClose(true)}>
              Close
            </button>
          ) : (
            <>
              <button
                type="button"
                class="button button-danger"
                disabled={stopping !== undefined}
                onClick={stop}
              >
                Stop {counted(jobs.length, "job")}
              </button>
              <button
                type="button"
                class="button"
                disabled={stopping !== undefined}
                onClick={() => onClose(false)}
              >
                Keep {jobs.length === 1 ? "it" : "them"}
              </button>
            </>
          )}
        </div>
      </div>
    </Dialog>
  );
}

/** Calls a function for each item, at most `parallel` of them at the same time. */
async function eachOf<T>(
  items: readonly T[],
  parallel: number,
  call: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await call(item);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
