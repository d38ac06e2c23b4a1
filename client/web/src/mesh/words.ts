// What the state of a mesh says, in words. Pure.

import type { MeshState, SlotStatus, WorkerStatus } from "../../gen/solvemesh/v1/mesh_pb";
import { counted, number } from "../format";
import { millisOf } from "../time";

/** What some slots of a worker work on together. */
export interface Work {
  jobId: string;
  lane: string;
  /** Number of slots. A job has one, a sweep may have several. */
  slots: number;
  /** How long the first of them has worked on it. Undefined: not known. */
  seconds: number | undefined;
}

/** What a worker does, by job, the longest-running first. */
export function workOf({ busySlots }: WorkerStatus, mesh: MeshState): Work[] {
  const byJob = new Map<string, SlotStatus[]>();
  for (const slot of busySlots) {
    const slots = byJob.get(slot.jobId);
    if (slots) slots.push(slot);
    else byJob.set(slot.jobId, [slot]);
  }
  const now = millisOf(mesh.time);
  return [...byJob].map(([jobId, slots]) => {
    const starts = slots.flatMap((slot) => millisOf(slot.startTime) ?? []);
    // The clocks of worker and gateway may differ by more than the slot has worked.
    const seconds =
      now === undefined || starts.length === 0
        ? undefined
        : Math.max(0, now - Math.min(...starts)) / 1000;
    return { jobId, lane: slots[0]?.lane ?? "", slots: slots.length, seconds };
  });
}

/** How often jobs finish: "2.5 /s", "12 /min", "0". */
export function rateText(perSecond: number): string {
  if (perSecond <= 0) return "0";
  return perSecond >= 1 ? `${number(perSecond, 2)} /s` : `${number(perSecond * 60, 2)} /min`;
}

/** The mesh in a line: "3 workers · 5 of 12 slots busy · 2 jobs queued". */
export function meshSummary({ lanes, workers, omittedWorkerCount }: MeshState): string {
  const sum = (numbers: number[]) => numbers.reduce((total, each) => total + each, 0);
  const slots = sum(workers.map((worker) => worker.slotCount));
  const busy = sum(workers.map((worker) => worker.busySlots.length));
  const queued = sum(lanes.map((lane) => lane.queuedCount));
  const running = sum(lanes.map((lane) => lane.runningCount));
  const parts = [
    counted(workers.length + omittedWorkerCount, "worker"),
    omittedWorkerCount === 0 && `${busy} of ${counted(slots, "slot")} busy`,
    `${counted(running, "job")} running`,
    `${queued} queued`,
  ];
  return parts.filter(Boolean).join(" · ");
}
