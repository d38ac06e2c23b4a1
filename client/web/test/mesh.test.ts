import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb";
import { WatchMeshResponseSchema } from "../gen/solvemesh/v1/job_service_pb";
import { MeshStateSchema, QueuePositionSchema } from "../gen/solvemesh/v1/mesh_pb";
import { type MeshNews, type MeshTransport, watchMesh } from "../src/mesh/watch-mesh";
import { meshSummary, rateText, workOf } from "../src/mesh/words";
import { queueSentence, roughly, shortQueueText } from "../src/queue-words";
import { type Code, RpcError } from "../src/rpc-error";

const seconds = (n: number) => ({ seconds: BigInt(n), nanos: 0 });

const mesh = create(MeshStateSchema, {
  time: seconds(1000),
  lanes: [
    { name: "express", queuedCount: 0, runningCount: 1, slotCount: 6 },
    { name: "standard", queuedCount: 4, runningCount: 1, slotCount: 6 },
  ],
  workers: [
    {
      name: "a",
      slotCount: 4,
      busySlots: [
        { jobId: "sweep", lane: "standard", startTime: seconds(900) },
        { jobId: "lp", lane: "express", startTime: seconds(990) },
        { jobId: "sweep", lane: "standard", startTime: seconds(950) },
      ],
    },
    { name: "b", slotCount: 2, busySlots: [{ jobId: "early", startTime: seconds(1003) }] },
  ],
});

test("what a worker does, by job: a sweep may be in several slots", () => {
  assert.deepEqual(workOf(mesh.workers[0]!, mesh), [
    { jobId: "sweep", lane: "standard", slots: 2, seconds: 100 },
    { jobId: "lp", lane: "express", slots: 1, seconds: 10 },
  ]);
  // A worker's clock may be ahead of the gateway's.
  assert.equal(workOf(mesh.workers[1]!, mesh)[0]?.seconds, 0);
});

test("the mesh in a line", () => {
  const line = "2 workers · 4 of 6 slots busy · 2 jobs running · 4 queued";
  assert.equal(meshSummary(mesh), line);
  // The slots of workers that are not listed are not known.
  const large = { ...mesh, omittedWorkerCount: 3 };
  assert.equal(meshSummary(large), "5 workers · 2 jobs running · 4 queued");
});

test("rates and times that need not be exact", () => {
  assert.deepEqual([0, 0.05, 0.5, 1, 12.34].map(rateText), [
    "0",
    "3 /min",
    "30 /min",
    "1 /s",
    "12 /s",
  ]);
  assert.deepEqual([0, 0.4, 1.4, 59.4, 59.6, 95, 3725].map(roughly), [
    "< 1 s",
    "< 1 s",
    "1 s",
    "59 s",
    "1 min",
    "2 min",
    "1 h 2 min",
  ]);
});

test("the place of a queued job", () => {
  const position = (jobsAheadCount: number, wait?: number) =>
    create(QueuePositionSchema, {
      jobsAheadCount,
      ...(wait !== undefined && { estimatedWait: seconds(wait) }),
    });
  assert.equal(
    queueSentence(position(3, 40)),
    "3 jobs ahead · about 40 s (an estimate from the lane’s latest jobs).",
  );
  assert.equal(queueSentence(position(1)), "1 job ahead.");
  assert.equal(queueSentence(position(0, 0)), "It is the next; a slot is free.");
  assert.equal(shortQueueText(position(3, 40)), "3 ahead, ≈ 40 s");
  assert.equal(shortQueueText(position(0)), "next");
});

// The watch of the mesh, against a scripted gateway.

type Answer = "state" | RpcError;

interface Fixture {
  calls: { signal: AbortSignal; send(...answers: Answer[]): Promise<void> }[];
  news: MeshNews[];
  /** Makes this tab give its stream up. */
  giveUp(): Promise<void>;
  stop(): void;
  /** Whether the page waits for a token. */
  isAsked: boolean;
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

function fixture(): Fixture {
  const made: Fixture = { calls: [], news: [], giveUp: settled, stop: () => {}, isAsked: false };
  const transport: MeshTransport = {
    watchMesh: (_request, options) => {
      const queue: Answer[] = [];
      let wake = () => {};
      const { signal } = options as { signal: AbortSignal };
      signal.addEventListener("abort", () => wake());
      const send = (...answers: Answer[]) => {
        queue.push(...answers);
        wake();
        return settled();
      };
      made.calls.push({ signal, send });
      return (async function* () {
        for (;;) {
          if (signal.aborted) throw new RpcError("CANCELLED", "aborted");
          const next = queue.shift();
          if (next instanceof RpcError) throw next;
          if (next) yield create(WatchMeshResponseSchema, { mesh });
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      })();
    },
    claimSlot: (end) => {
      made.giveUp = () => {
        end();
        return settled();
      };
      return () => {};
    },
    isAsked: () => made.isAsked,
    random: () => 0,
  };
  made.stop = watchMesh(transport, (news) => made.news.push(news));
  return made;
}

async function settled(): Promise<void> {
  for (let round = 0; round < 10; round++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  await settled();
}

function refusal(code: Code, reason = ""): RpcError {
  const info = create(ErrorInfoSchema, { reason, domain: "solvemesh" });
  return new RpcError(code, "no", [anyPack(ErrorInfoSchema, info)]);
}

test("a lost watch keeps the last state, tells since when, and comes back", async () => {
  const { calls, news, stop } = fixture();
  await calls[0]!.send("state");
  assert.equal(news.at(-1)?.state?.workers.length, 2);
  const { updated } = news.at(-1)!;
  await calls[0]!.send(refusal("UNAVAILABLE"));
  assert.equal(news.at(-1)?.problem?.code, "UNAVAILABLE");
  assert.equal(news.at(-1)?.updated, updated);
  assert.ok(news.at(-1)?.state);
  await pass(499);
  assert.equal(calls.length, 1);
  await pass(1);
  assert.equal(calls.length, 2);
  await calls[1]!.send(refusal("UNAVAILABLE"));
  await pass(999);
  assert.equal(calls.length, 2);
  await pass(1);
  await calls[2]!.send("state");
  assert.equal(news.at(-1)?.problem, undefined);
  stop();
  assert.equal(calls[2]!.signal.aborted, true);
  await pass(60_000);
  assert.equal(calls.length, 3);
});

test("a gateway that does not know the call is not asked again", async () => {
  const { calls, news } = fixture();
  await calls[0]!.send(refusal("UNIMPLEMENTED"));
  await pass(60_000);
  assert.equal(calls.length, 1);
  assert.equal(news.at(-1)?.isUnsupported, true);
  assert.equal(news.at(-1)?.problem, undefined);
});

test("a silent watch is opened again", async () => {
  const { calls, news, stop } = fixture();
  await calls[0]!.send("state");
  await pass(15_000);
  assert.equal(calls[0]!.signal.aborted, true);
  assert.match(news.at(-1)?.problem?.message ?? "", /sends nothing/);
  await pass(500);
  assert.equal(calls.length, 2);
  stop();
});

test("a watch that waits for a token is not silent", async () => {
  const made = fixture();
  made.isAsked = true;
  await pass(60_000);
  assert.equal(made.calls[0]!.signal.aborted, false);
  made.isAsked = false;
  await pass(15_000);
  assert.equal(made.calls[0]!.signal.aborted, true);
  made.stop();
});

test("a tab that gives its stream up has its turn later, without a complaint", async () => {
  const made = fixture();
  await made.calls[0]!.send("state");
  await made.giveUp();
  assert.equal(made.news.at(-1)?.problem, undefined);
  await pass(4_999);
  assert.equal(made.calls.length, 1);
  await pass(1);
  assert.equal(made.calls.length, 2);
  made.stop();
});

test("a gateway that shuts down is replaced at once", async () => {
  const { calls, stop } = fixture();
  await calls[0]!.send("state", refusal("UNAVAILABLE", "SHUTTING_DOWN"));
  await pass(0);
  assert.equal(calls.length, 2);
  stop();
});
