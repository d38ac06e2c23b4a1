// The list of jobs on screen, which does not move while jobs come and go.

import type { Job } from "../../gen/solvemesh/v1/job_pb";

/** Number of jobs on a page. */
export const PAGE_SIZE = 50;

/** The jobs on screen, and those that are to come. */
export interface JobList {
  /** The rows, in the order of submission, the latest first. */
  shown: readonly Job[];
  /** Jobs that are newer than the first row. They are shown when the user asks for them. */
  fresh: readonly Job[];
  /** The ids of those rows that the filter does not match any more. */
  gone: ReadonlySet<string>;
  /** The token of the next page; empty on the last one. */
  next: string;
}

/** A list that has just been asked for. */
export function firstList(jobs: readonly Job[], next: string): JobList {
  return { shown: jobs, fresh: [], gone: new Set(), next };
}

/** What follows from a response for the rows that are not in it. */
export interface Response {
  jobs: readonly Job[];
  /** The token of the next page. */
  next: string;
  /** Whether the filter asks for states: then a job that goes on leaves it. */
  hasStates: boolean;
}

/**
 * The list after another response: rows are brought up to date in their places. `next` stays that
 * of the page as it is shown. If there are no rows, the jobs of the response are shown at once.
 */
export function update(list: JobList, { jobs, next, hasStates }: Response): JobList {
  const byId = new Map(jobs.map((job) => [job.jobId, job]));
  // A row below the last job of the response may still be there, if there are more pages.
  const lastFound = list.shown.findLastIndex((row) => byId.has(row.jobId));
  const isMissing = (row: Job, index: number) =>
    !byId.has(row.jobId) && (next === "" || index < lastFound);
  // Labels do not change, so without states in the filter a missing job is forgotten.
  const rows = hasStates ? list.shown : list.shown.filter((row, index) => !isMissing(row, index));
  if (rows.length === 0) return firstList(jobs.slice(0, PAGE_SIZE), next);
  const known = new Set(list.shown.map((row) => row.jobId));
  // Jobs below the last row belong to the next page.
  const lowest = jobs.findLastIndex((job) => known.has(job.jobId));
  const above = lowest < 0 ? jobs : jobs.slice(0, lowest);
  return {
    shown: rows.map((row) => byId.get(row.jobId) ?? row),
    fresh: above.filter((job) => !known.has(job.jobId)),
    gone: new Set(hasStates ? rows.filter(isMissing).map((row) => row.jobId) : []),
    next: list.next,
  };
}

/** The list with the new state of a row that the filter does not match any more. */
export function replaceRow(list: JobList, job: Job): JobList {
  const shown = list.shown.map((row) => (row.jobId === job.jobId ? job : row));
  return { ...list, shown };
}

/** The list without a row, whose job the mesh does not know any more. */
export function removeRow(list: JobList, jobId: string): JobList {
  return { ...list, shown: list.shown.filter((row) => row.jobId !== jobId) };
}

/** The number of jobs to ask for, so that all rows are among them in spite of new jobs above. */
export function requestSize(list: JobList | undefined): number {
  if (!list) return PAGE_SIZE;
  return Math.min(Math.max(list.shown.length, PAGE_SIZE) + list.fresh.length + 50, 1000);
}
