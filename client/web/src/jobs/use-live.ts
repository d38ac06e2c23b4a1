// Follows the running jobs of a list by the watch of the page.

import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";

import { type Job, JobState } from "../../gen/solvemesh/v1/job_pb";
import type { Story } from "../story";
import { follow, unfollow } from "../watcher";

/** The running jobs that are followed; the others are as of the last request. */
const MAX_FOLLOWED = 24;

/** What is followed, by job. */
export type Live = ReadonlyMap<string, ReadonlySignal<Story | undefined>>;

/** Follows the first running jobs of a list. */
export function useLive(jobs: readonly Job[]): Live {
  // A brief watch reports nothing about the scenarios of a sweep.
  const running = jobs
    .filter((job) => job.state === JobState.RUNNING && !job.description?.sweep)
    .slice(0, MAX_FOLLOWED);
  const key = running.map((job) => job.jobId).join(" ");
  const followed = useRef<Live>(new Map());
  const [live, setLive] = useState<Live>(followed.current);
  useEffect(() => {
    const ids = new Set(key === "" ? [] : key.split(" "));
    const before = followed.current;
    // Those that stay are not touched: their stories would begin again.
    const after = new Map([...ids].map((id) => [id, before.get(id) ?? follow(id, "brief")]));
    for (const id of before.keys()) if (!ids.has(id)) unfollow(id);
    followed.current = after;
    setLive(after);
  }, [key]);
  useEffect(() => {
    return () => {
      for (const id of followed.current.keys()) unfollow(id);
      followed.current = new Map();
    };
  }, []);
  return live;
}

/** A job as it is now: by its story where that is further than the list. */
export function currentJob(job: Job, live: Live): Job {
  const story = live.get(job.jobId)?.value;
  return story && story.lastSequence >= job.lastSequence ? story.job : job;
}
