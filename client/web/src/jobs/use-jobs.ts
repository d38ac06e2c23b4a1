// Keeps the list of jobs up to date while it is on screen.

import { useEffect, useRef, useState } from "preact/hooks";

import type { Job } from "../../gen/solvemesh/v1/job_pb";
import { JobView } from "../../gen/solvemesh/v1/job_service_pb";
import { client } from "../api";
import { type Problem, problemOf } from "../problem";
import {
  firstList,
  type JobList,
  PAGE_SIZE,
  removeRow,
  replaceRow,
  requestSize,
  update,
} from "./list";
import { filterOf, hashOf, type ListQuery } from "./query";

/** Time between two requests, in milliseconds. */
const INTERVAL = 3000;

/** Rows that left the filter and are looked up in one round, so that a page of them is no burst. */
const MAX_LOOKUPS = 8;

/** The list, and how it is kept. */
export interface Jobs {
  /** `undefined` until the first response. */
  list: JobList | undefined;
  /** Why the last request failed. */
  problem: Problem | undefined;
  /** When the list was last brought up to date. */
  updated: Date | undefined;
  /** Requests the list again and shows it, new jobs at the top. */
  refresh(): void;
}

/** The jobs of a query, asked for every three seconds while the page is visible. */
export function useJobs(query: ListQuery): Jobs {
  const key = hashOf(query);
  const [state, setState] = useState<{ key: string; list?: JobList }>({ key });
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [updated, setUpdated] = useState<Date | undefined>(undefined);
  const [round, setRound] = useState(0);
  const current = useRef<JobList>(undefined);

  useEffect(() => {
    current.current = undefined;
    const abort = new AbortController();
    const { signal } = abort;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isBusy = false;

    const publish = (list: JobList) => {
      current.current = list;
      setState({ key, list });
    };
    const ask = async () => {
      const before = current.current;
      // The tokens of later pages fix their first job: nothing new comes above it.
      const pageSize = query.page ? PAGE_SIZE : requestSize(before);
      const { jobs, nextPageToken } = await client.listJobs(
        { pageSize, pageToken: query.page, filter: filterOf(query) },
        { signal },
      );
      if (signal.aborted) return;
      const response = { jobs, next: nextPageToken, hasStates: query.states.length > 0 };
      const list = before ? update(before, response) : firstList(jobs, nextPageToken);
      publish(list);
      setProblem(undefined);
      setUpdated(new Date());
      await lookUpGone(list);
    };
    const lookUpGone = async (list: JobList) => {
      const unsettled = list.shown.filter((job) => list.gone.has(job.jobId) && !job.finishTime);
      for (const { jobId } of unsettled.slice(0, MAX_LOOKUPS)) {
        const job = await lookUp(jobId, signal);
        if (signal.aborted || !current.current) return;
        publish(job ? replaceRow(current.current, job) : removeRow(current.current, jobId));
      }
    };
    const tick = async () => {
      clearTimeout(timer);
      if (isBusy || document.visibilityState === "hidden") return;
      isBusy = true;
      try {
        await ask();
      } catch (error) {
        if (!signal.aborted) setProblem(problemOf(error));
      }
      isBusy = false;
      if (!signal.aborted) timer = setTimeout(tick, INTERVAL);
    };
    void tick();
    document.addEventListener("visibilitychange", tick, { signal });
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, round]);

  return {
    // Not the rows of another filter.
    list: state.key === key ? state.list : undefined,
    problem,
    updated,
    refresh: () => setRound((count) => count + 1),
  };
}

/** A job as it is now; `undefined` if the mesh does not know it any more. */
async function lookUp(jobId: string, signal: AbortSignal): Promise<Job | undefined> {
  try {
    const { job } = await client.getJob({ jobId, view: JobView.BASIC }, { signal });
    return job;
  } catch (error) {
    if (problemOf(error).code === "NOT_FOUND") return undefined;
    throw error;
  }
}
