// The filter of the list of jobs, as it stands in the address: `#/jobs?state=running&label=a=b`.

import type { MessageInitShape } from "@bufbuild/protobuf";

import { JobState } from "../../gen/solvemesh/v1/job_pb";
import type { JobFilterSchema } from "../../gen/solvemesh/v1/job_service_pb";

/** What the list shows. */
export interface ListQuery {
  states: readonly JobState[];
  labels: readonly (readonly [string, string])[];
  /** The token of a page; empty for the newest jobs. */
  page: string;
}

/** The states that one can filter by, in the order of a job's life. */
export const FILTER_STATES = [
  JobState.QUEUED,
  JobState.RUNNING,
  JobState.SUCCEEDED,
  JobState.CANCELLED,
  JobState.FAILED,
  JobState.EXPIRED,
] as const;

/** The query in an address. Unknown states and labels without a key are ignored. */
export function parseQuery(params: URLSearchParams): ListQuery {
  const words = (params.get("state") ?? "").toUpperCase().split(",");
  const states = FILTER_STATES.filter((state) => words.includes(JobState[state] ?? ""));
  const labels = params.getAll("label").flatMap((text) => parseLabel(text) ?? []);
  return { states, labels: pairs(labels), page: params.get("page") ?? "" };
}

/** The fragment of a query. */
export function hashOf({ states, labels, page }: ListQuery): string {
  const parts: string[] = [];
  // A comma needs no escape, and reads better without.
  if (states.length > 0)
    parts.push(`state=${states.map((state) => JobState[state]?.toLowerCase()).join(",")}`);
  for (const [key, value] of labels) parts.push(`label=${encodeURIComponent(`${key}=${value}`)}`);
  if (page) parts.push(`page=${encodeURIComponent(page)}`);
  return parts.length > 0 ? `#/jobs?${parts.join("&")}` : "#/jobs";
}

/** The filter as the API has it. */
export function filterOf({ states, labels }: ListQuery): MessageInitShape<typeof JobFilterSchema> {
  return { states: [...states], labels: Object.fromEntries(labels) };
}

/** The query with a state added, or removed if it was there; of the newest jobs. */
export function withState(query: ListQuery, state: JobState): ListQuery {
  const states = query.states.includes(state)
    ? query.states.filter((other) => other !== state)
    : FILTER_STATES.filter((other) => other === state || query.states.includes(other));
  return { ...query, states, page: "" };
}

/** The query with a label added, in place of another value of its key. */
export function withLabel(query: ListQuery, key: string, value: string): ListQuery {
  const others = query.labels.filter(([other]) => other !== key);
  return { ...query, labels: [...others, [key, value]], page: "" };
}

/** The query without the label of a key. */
export function withoutLabel(query: ListQuery, key: string): ListQuery {
  return { ...query, labels: query.labels.filter(([other]) => other !== key), page: "" };
}

/** A label as it is typed: `key=value`, or a key alone, whose value is empty. */
export function parseLabel(text: string): [[string, string]] | undefined {
  const [key = "", ...value] = text.trim().split("=");
  return key === "" ? undefined : [[key, value.join("=")]];
}

function pairs(labels: readonly [string, string][]): [string, string][] {
  // A map of labels has each key once; the last value counts.
  return [...new Map(labels)];
}
