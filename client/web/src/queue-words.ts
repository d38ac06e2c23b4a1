// The place of a queued job in words. Pure.

import type { QueuePosition } from "../gen/solvemesh/v1/mesh_pb";
import { count, counted, duration } from "./format";
import { secondsOf } from "./time";

/** A time that need not be exact: "40 s", "7 min", "< 1 s". */
export function roughly(seconds: number): string {
  if (seconds < 1) return "< 1 s";
  const unit = seconds < 59.5 ? 1 : 60;
  return duration(Math.round(seconds / unit) * unit);
}

/** "3 jobs ahead · about 40 s (an estimate from the lane’s latest jobs)." */
export function queueSentence({ jobsAheadCount, estimatedWait }: QueuePosition): string {
  const place = jobsAheadCount === 0 ? "It is the next" : `${counted(jobsAheadCount, "job")} ahead`;
  const wait = secondsOf(estimatedWait);
  if (wait === undefined) return `${place}.`;
  if (wait === 0) return `${place}; a slot is free.`;
  return `${place} · about ${roughly(wait)} (an estimate from the lane’s latest jobs).`;
}

/** The same for a row of a list: "3 ahead, ≈ 40 s". */
export function shortQueueText({ jobsAheadCount, estimatedWait }: QueuePosition): string {
  const place = jobsAheadCount === 0 ? "next" : `${count(jobsAheadCount)} ahead`;
  const wait = secondsOf(estimatedWait);
  return wait ? `${place}, ≈ ${roughly(wait)}` : place;
}
