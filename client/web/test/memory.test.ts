import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import type { JobEvent } from "../gen/solvemesh/v1/job_pb";
import {
  type WatchResultsResponse,
  WatchResultsResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { MAX_POINTS, Points } from "../src/points";
import { emptyStory, fold, MAX_EVENTS, MAX_FOUND, MAX_LOG_LINES } from "../src/story";

// The page stays open beside a job that runs for hours: what a story keeps must have an end.

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const ID = "job";
const HOUR = 3600;
const VARIABLES = 10_000;

type Kind = JobEvent["kind"];
/** Makes an event of a kind, as a message that has just been read. */
type Emit = (kind: object) => void;

function makeEmit(take: (response: WatchResultsResponse) => void): Emit {
  let sequence = 0;
  return (kind) => {
    sequence += 1;
    const event = { jobId: ID, sequence, attempt: 1, kind: kind as Kind };
    take(create(WatchResultsResponseSchema, { kind: { case: "event", value: event } } as object));
  };
}

/** An hour with two progress events and ten lines a second, and a solution every ten seconds. */
function emitHour(emit: Emit): void {
  emit({ case: "queued", value: { description: { modelName: "chatty" } } });
  emit({ case: "started", value: { worker: "w" } });
  for (let second = 0; second < HOUR; second++) {
    for (const nanos of [0, 500_000_000]) {
      const elapsed = { seconds: BigInt(second), nanos };
      const objective = 1e6 - second;
      emit({ case: "progress", value: { objective, objectiveBound: second, elapsed } });
    }
    const lines = Array.from({ length: 10 }, (_, line) => `${second}.${line} `.padEnd(100, "x"));
    emit({ case: "log", value: { lines } });
    if (second % 10 !== 0) continue;
    const values = Array.from({ length: VARIABLES }, () => Math.random());
    const variableNames = values.map((_, index) => `x${second}_${index}`);
    emit({ case: "incumbent", value: { objective: 1e6 - second, values, variableNames } });
  }
}

test("an hour of a chatty solve keeps less than 50 MB", () => {
  let story = emptyStory(ID);
  collectGarbage();
  const before = process.memoryUsage();
  emitHour(
    makeEmit((response) => {
      story = fold(story, response);
    }),
  );
  collectGarbage();
  const after = process.memoryUsage();
  const growth = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  assert.ok(growth < 50e6, `${(growth / 1e6).toFixed(1)} MB`);

  assert.equal(story.skipped, 0);
  assert.equal(story.torn, false);
  assert.equal(story.log.length, MAX_LOG_LINES);
  assert.equal(story.log.length + story.log.dropped, HOUR * 10);
  assert.equal(story.events.length, MAX_EVENTS);
  assert.equal(story.points.length, HOUR * 2 + HOUR / 10);
  assert.equal(story.found.length, HOUR / 10);
  // The values of the last solution are kept, those of the others are not.
  assert.equal(story.incumbent?.values.length, VARIABLES);
  for (const { event } of story.events.toArray()) {
    if (event.kind.case === "incumbent") assert.equal(event.kind.value.values.length, 0);
    if (event.kind.case === "log") assert.equal(event.kind.value.lines.length, 0);
  }
});

test("the points of a week are thinned, and the ends and the gaps stay", () => {
  const count = MAX_POINTS * 5;
  let points = Points.empty();
  const gapAt = [MAX_POINTS / 2 - 1, MAX_POINTS * 2 + 1];
  for (let index = 0; index < count; index++) {
    const value = gapAt.includes(index) ? Number.NaN : count - index;
    points = points.append({ seconds: index, objective: value, bound: value, gap: value });
    assert.ok(points.length <= MAX_POINTS);
    assert.equal(points.last()?.seconds, index);
  }
  assert.ok(points.length > MAX_POINTS / 4, `${points.length} points`);
  const seconds = [...points.column("seconds")];
  assert.equal(seconds[0], 0);
  assert.ok(seconds.every((second, index) => index === 0 || second > seconds[index - 1]!));
  const gaps = seconds.filter((_, index) => Number.isNaN(points.at(index).objective));
  assert.deepEqual(gaps, gapAt);
  // What is kept is as it was.
  for (const [index, second] of seconds.entries()) {
    if (!gapAt.includes(second)) assert.equal(points.at(index).objective, count - second);
  }
});

test("older versions of thinned points stay as they were", () => {
  let points = Points.empty();
  const point = (seconds: number) => ({ seconds, objective: 1, bound: 1, gap: 0 });
  for (let index = 0; index < MAX_POINTS; index++) points = points.append(point(index));
  const first = points.append(point(MAX_POINTS));
  const second = points.append(point(MAX_POINTS + 1));
  assert.equal(points.length, MAX_POINTS);
  assert.equal(points.last()?.seconds, MAX_POINTS - 1);
  assert.equal(first.last()?.seconds, MAX_POINTS);
  assert.equal(second.last()?.seconds, MAX_POINTS + 1);
});

test("solutions that are found all the time are forgotten from the first on", () => {
  let story = emptyStory(ID);
  const emit = makeEmit((response) => {
    story = fold(story, response);
  });
  emit({ case: "queued", value: {} });
  emit({ case: "started", value: {} });
  const count = MAX_FOUND + 500;
  for (let index = 0; index < count; index++) {
    emit({ case: "incumbent", value: { objective: -index, elapsed: { seconds: BigInt(index) } } });
  }
  assert.equal(story.found.length, MAX_FOUND);
  assert.equal(story.found.dropped, 500);
  assert.equal(story.found.last()?.objective, 1 - count);
});
