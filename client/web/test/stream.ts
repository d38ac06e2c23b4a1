// Recorded streams, for tests.

import { readFileSync } from "node:fs";
import { fromJson } from "@bufbuild/protobuf";
import {
  type WatchResultsResponse,
  WatchResultsResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { emptyStory, fold, type Story } from "../src/story";

/** The responses of a recorded stream; see record.ts. */
export function recorded(name: string): WatchResultsResponse[] {
  const json = JSON.parse(readFileSync(`test/fixtures/${name}.json`, "utf8"));
  return json.map((response: object) => fromJson(WatchResultsResponseSchema, { ...response }));
}

/** The story after these responses, with the id of the first event's job. */
export function storyOf(responses: readonly WatchResultsResponse[]): Story {
  return responses.reduce(fold, emptyStory(jobIdOf(responses)));
}

export function jobIdOf(responses: readonly WatchResultsResponse[]): string {
  const kind = responses[0]?.kind;
  return kind?.case === "event" ? kind.value.jobId : "";
}
