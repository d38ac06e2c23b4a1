// What tenants and keys have in the mesh, and what they have used, added up. Pure.

import type { GetUsageResponse } from "../../gen/solvemesh/v1/job_service_pb";

/** Number of days that are added up and drawn, with the present one. */
export const SHOWN_DAYS = 30;

const DAY_MS = 86_400_000;

/** Whose jobs are counted. */
export interface Owner {
  /** Empty for jobs that were submitted while the gateway did not recognise callers. */
  tenant: string;
  /** The id of the key. */
  key: string;
}

/** Jobs that finished, and the time that solvers worked on them. */
export interface Spent {
  jobs: number;
  seconds: number;
}

export interface DaySpent extends Spent {
  /** In UTC, as "2026-11-28". */
  day: string;
}

/** The queued and running jobs. */
export interface Live {
  jobs: number;
  bytes: number;
  scenarios: number;
}

export interface OwnerUsage extends Owner {
  live: Live;
  /** The latest days, also those without jobs; the last one is the present day. */
  days: DaySpent[];
  /** Of all of `days`. */
  total: Spent;
}

/** The day of a time, in UTC. */
export function dayOf(millis: number): string {
  return new Date(millis).toISOString().slice(0, 10);
}

/** The latest days up to one, the oldest first. */
export function daysUpTo(today: string): string[] {
  const last = Date.parse(today);
  return Array.from({ length: SHOWN_DAYS }, (_, index) =>
    dayOf(last - (SHOWN_DAYS - 1 - index) * DAY_MS),
  );
}

/** The usage of each owner, as it is known on a day. */
export function usageByOwner(usage: GetUsageResponse, today: string): OwnerUsage[] {
  const names = daysUpTo(today);
  const indices = new Map(names.map((day, index) => [day, index]));
  const owners = new Map<string, OwnerUsage>();
  const ownerOf = ({ tenant, submitter: key }: { tenant: string; submitter: string }) => {
    const id = ownerId({ tenant, key });
    const found = owners.get(id);
    if (found) return found;
    const made: OwnerUsage = {
      tenant,
      key,
      live: { jobs: 0, bytes: 0, scenarios: 0 },
      days: names.map((day) => ({ day, jobs: 0, seconds: 0 })),
      total: { jobs: 0, seconds: 0 },
    };
    owners.set(id, made);
    return made;
  };
  for (const each of usage.live) {
    addLive(ownerOf(each).live, {
      jobs: Number(each.jobCount),
      bytes: Number(each.bytes),
      scenarios: Number(each.scenarioCount),
    });
  }
  for (const each of usage.days) {
    const owner = ownerOf(each);
    const day = owner.days[indices.get(each.day) ?? -1];
    if (!day) continue;
    const spent = { jobs: Number(each.jobCount), seconds: each.solverSeconds };
    addSpent(day, spent);
    addSpent(owner.total, spent);
  }
  return [...owners.values()];
}

/** The usage of several owners together. */
export function together(owners: readonly OwnerUsage[], today: string): Omit<OwnerUsage, "key"> {
  const sum = {
    tenant: "",
    live: { jobs: 0, bytes: 0, scenarios: 0 },
    days: daysUpTo(today).map((day) => ({ day, jobs: 0, seconds: 0 })),
    total: { jobs: 0, seconds: 0 },
  };
  for (const owner of owners) {
    addLive(sum.live, owner.live);
    addSpent(sum.total, owner.total);
    for (const [index, day] of owner.days.entries()) addSpent(sum.days[index]!, day);
  }
  return sum;
}

/** A text that no other owner has. */
export function ownerId({ tenant, key }: Owner): string {
  return JSON.stringify([tenant, key]);
}

function addSpent(to: Spent, { jobs, seconds }: Spent): void {
  to.jobs += jobs;
  to.seconds += seconds;
}

function addLive(to: Live, { jobs, bytes, scenarios }: Live): void {
  to.jobs += jobs;
  to.bytes += bytes;
  to.scenarios += scenarios;
}
