// The place of a job in its queue, which its events do not tell: it depends on other jobs.

import { useEffect, useState } from "preact/hooks";

import { JobState } from "../../gen/solvemesh/v1/job_pb";
import { JobView } from "../../gen/solvemesh/v1/job_service_pb";
import type { QueuePosition } from "../../gen/solvemesh/v1/mesh_pb";
import { client } from "../api";
import { poll } from "../poll";
import type { Story } from "../story";

/** Time between two requests, in milliseconds. */
const INTERVAL = 3000;

/** The place of a queued job, asked for every three seconds while the page is visible. */
export function useQueuePosition({ id, job }: Story): QueuePosition | undefined {
  const isQueued = job.state === JobState.QUEUED;
  const [position, setPosition] = useState<QueuePosition | undefined>(undefined);
  useEffect(() => {
    if (!isQueued) return;
    return poll(INTERVAL, async (signal) => {
      try {
        const response = await client.getJob({ jobId: id, view: JobView.BASIC }, { signal });
        setPosition(response.job?.queuePosition);
      } catch {
        // An outdated place is worse than none; the watch reports the error.
        if (!signal.aborted) setPosition(undefined);
      }
    });
  }, [id, isQueued]);
  return isQueued ? position : undefined;
}
