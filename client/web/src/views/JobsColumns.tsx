// The columns of the list of jobs. Numbers of running jobs come from the watch.

import type { ComponentChildren } from "preact";

import { type Job, JobState } from "../../gen/solvemesh/v1/job_pb";
import { ago, count, counted, duration, exact, number, percent } from "../format";
import { currentJob, type Live } from "../jobs/use-live";
import { StateChip } from "../parts/Chip";
import type { Column } from "../parts/VirtualTable";
import { shortQueueText } from "../queue-words";
import { reasonWord } from "../sweep/reasons";
import { dateOf, millisOf } from "../time";

/** Labels shown in a row; the others are counted. */
const MAX_LABELS = 3;

interface Options {
  narrow: boolean;
  live: Live;
  /** The ids of the jobs that are marked, to be stopped together. */
  marked: ReadonlySet<string>;
  /** The ids of rows that the filter does not match any more. */
  gone: ReadonlySet<string>;
  onMark(id: string): void;
  onLabel(key: string, value: string): void;
}

export function jobColumns(options: Options): Column<Job>[] {
  const { live, narrow } = options;
  const now = (cell: (job: Job) => ComponentChildren) => (job: Job) => (
    <Now job={job} live={live} cell={cell} />
  );
  const mark: Column<Job> = {
    key: "mark",
    title: "Mark",
    titleHidden: true,
    width: narrow ? "24px" : "18px",
    cell: now((job) =>
      job.finishTime ? null : (
        <input
          type="checkbox"
          class="jobs-mark"
          aria-label={`Mark ${nameOf(job)}`}
          checked={options.marked.has(job.jobId)}
          onChange={() => options.onMark(job.jobId)}
        />
      ),
    ),
  };
  if (narrow) {
    return [
      mark,
      {
        key: "name",
        title: "Job",
        cell: now((job) => (
          <div class="jobs-card">
            <div class="jobs-card-line">
              <JobLink job={job} />
              <StateChip state={job.state} stopping={job.cancelRequested} />
            </div>
            <div class="jobs-card-line jobs-minor">
              <span>{standing(job) || sizeOf(job)}</span>
              <span>{agoOf(job)}</span>
            </div>
          </div>
        )),
      },
    ];
  }
  return [
    mark,
    {
      key: "name",
      title: "Job",
      width: "minmax(160px, 3fr)",
      by: (job) => nameOf(job),
      cell: (job) => (
        <div class="jobs-name">
          <JobLink job={job} />
          {job.description?.sweep && job.description.modelName && (
            <span class="jobs-kind">sweep</span>
          )}
          <span class="jobs-minor mono">{job.jobId.slice(0, 8)}</span>
          <Labels job={job} onLabel={options.onLabel} />
        </div>
      ),
    },
    {
      key: "state",
      title: "State",
      width: "110px",
      by: (job) => job.state,
      cell: now((job) => <StateChip state={job.state} stopping={job.cancelRequested} />),
    },
    {
      key: "size",
      title: "Size",
      hint: "Variables × constraints",
      align: "right",
      width: "minmax(90px, 1fr)",
      wide: true,
      by: (job) => job.description?.size?.variableCount,
      cell: (job) => <span title={longSize(job)}>{sizeOf(job)}</span>,
    },
    {
      key: "objective",
      title: "Objective",
      hint: "Of the best solution; of a sweep, its best scenario",
      align: "right",
      width: "minmax(90px, 1fr)",
      by: (job) => objectiveOf(job),
      cell: now((job) => {
        const objective = objectiveOf(job);
        if (objective === undefined) {
          const outcome = outcomeOf(job);
          return (
            <span class="jobs-outcome" title={outcome}>
              {outcome}
            </span>
          );
        }
        return <span title={exact(objective)}>{number(objective)}</span>;
      }),
    },
    {
      key: "gap",
      title: "Gap",
      hint: "Between the best solution and the bound; of a sweep, its scenarios with a result",
      align: "right",
      width: "minmax(84px, 1fr)",
      cell: now((job) => gapOf(job)),
    },
    {
      key: "lane",
      title: "Lane",
      width: "84px",
      wide: true,
      by: (job) => job.description?.lane,
      cell: (job) => job.description?.lane,
    },
    {
      key: "submitted",
      title: "Submitted",
      align: "right",
      width: "100px",
      by: (job) => millisOf(job.submitTime),
      cell: (job) => <span title={dateOf(job.submitTime)?.toLocaleString()}>{agoOf(job)}</span>,
    },
    {
      key: "took",
      title: "Took",
      hint: "From the start of the current attempt to the end",
      align: "right",
      width: "90px",
      wide: true,
      cell: now((job) => tookOf(job)),
    },
  ];
}

/** A cell that shows a job as it is now. It reads the signal, so only it is drawn again. */
function Now({ job, live, cell }: { job: Job; live: Live; cell(job: Job): ComponentChildren }) {
  return <>{cell(currentJob(job, live))}</>;
}

function JobLink({ job }: { job: Job }) {
  return (
    <a class="jobs-link" href={`#/job/${encodeURIComponent(job.jobId)}`} tabIndex={-1}>
      {nameOf(job)}
    </a>
  );
}

function Labels({ job, onLabel }: { job: Job; onLabel: Options["onLabel"] }) {
  const labels = Object.entries(job.description?.labels ?? {});
  if (labels.length === 0) return null;
  return (
    <span class="jobs-labels">
      {labels.slice(0, MAX_LABELS).map(([key, value]) => (
        <button
          key={key}
          type="button"
          class="jobs-label"
          tabIndex={-1}
          title={`Show only jobs with ${key}=${value}`}
          onClick={() => onLabel(key, value)}
        >
          {key}={value}
        </button>
      ))}
      {labels.length > MAX_LABELS && (
        <span class="jobs-minor" title={labels.map(([key, value]) => `${key}=${value}`).join("\n")}>
          +{labels.length - MAX_LABELS}
        </span>
      )}
    </span>
  );
}

/** The name of the model, otherwise what the job is. */
export function nameOf(job: Job): string {
  return job.description?.modelName || (job.description?.sweep ? "sweep" : "model");
}

function sizeOf(job: Job): string {
  const size = job.description?.size;
  return size ? `${count(size.variableCount)} × ${count(size.constraintCount)}` : "";
}

function longSize(job: Job): string {
  const size = job.description?.size;
  if (!size) return "";
  return [
    `${counted(size.variableCount, "variable")}, ${count(size.integerCount)} of them integer`,
    counted(size.constraintCount, "constraint"),
    `${count(size.nonzeroCount)} nonzeros`,
  ].join("\n");
}

function objectiveOf(job: Job): number | undefined {
  if (job.description?.sweep) return job.sweepSummary?.best?.objective;
  return (
    job.result?.termination?.objective ?? (job.finishTime ? undefined : job.progress?.objective)
  );
}

/** What came of a job without a solution; of a queued one, its place. */
function outcomeOf(job: Job): string {
  if (job.queuePosition) return shortQueueText(job.queuePosition);
  if (job.failure) return job.failure.reason.toLowerCase().replaceAll("_", " ");
  const reason = job.result?.termination?.reason;
  return reason ? reasonWord(reason)[1] : "";
}

function gapOf(job: Job): string {
  const scenarios = job.description?.sweep?.scenarioCount;
  if (scenarios) {
    const answered = job.sweepSummary?.answeredCount ?? 0;
    return answered === scenarios
      ? `${count(scenarios)} done`
      : `${count(answered)} of ${count(scenarios)}`;
  }
  const gap =
    job.result?.termination?.relativeGap ??
    (job.finishTime ? undefined : job.progress?.relativeGap);
  return gap === undefined ? "" : percent(gap);
}

/** The numbers of a job in a line, for a narrow page. */
function standing(job: Job): string {
  const objective = objectiveOf(job);
  const gap = gapOf(job);
  return [objective === undefined ? outcomeOf(job) : number(objective), gap]
    .filter(Boolean)
    .join(" · ");
}

function agoOf(job: Job): string {
  const time = dateOf(job.submitTime);
  return time ? ago(time) : "";
}

function tookOf(job: Job): string {
  const start = millisOf(job.startTime);
  if (start === undefined) return "";
  const finish = millisOf(job.finishTime);
  if (finish !== undefined) return duration(Math.max(finish - start, 0) / 1000);
  const elapsed = job.progress?.elapsed;
  if (job.state !== JobState.RUNNING) return "";
  const seconds = elapsed
    ? Number(elapsed.seconds) + elapsed.nanos / 1e9
    : (Date.now() - start) / 1000;
  return duration(Math.max(seconds, 0));
}
