import assert from "node:assert/strict";
import { beforeEach, type MockTimers, mock, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb";
import {
  type WatchResultsResponse,
  WatchResultsResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { createFollower, type Follower, type FollowerPage } from "../src/follower";
import { type Code, RpcError } from "../src/rpc-error";

// A scripted gateway, and a clock that the test advances.

type Next = WatchResultsResponse | RpcError | "end";

interface Call {
  jobIds: string[];
  resumeToken: string;
  signal: AbortSignal;
  send(...items: Next[]): Promise<void>;
}

interface Fixture {
  follower: Follower;
  calls: Call[];
  /** Number of turns that the browser was given. */
  turns: number;
  /** Called in each such turn. */
  onTurn: () => void;
  /** Whether the page waits for a token. */
  isAsked: boolean;
}

let timers: MockTimers;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  timers = mock.timers;
});

function fixture(): Fixture {
  const calls: Call[] = [];
  const made: Fixture = {
    follower: undefined as never,
    calls,
    turns: 0,
    onTurn: () => {},
    isAsked: false,
  };
  const page: FollowerPage = {
    watchResults: (request, options) => {
      const queue: Next[] = [];
      let wake = () => {};
      const signal = options?.signal ?? new AbortController().signal;
      calls.push({
        jobIds: [...(request.jobIds ?? [])],
        resumeToken: request.resumeToken ?? "",
        signal,
        send: (...items) => {
          queue.push(...items);
          wake();
          return settled();
        },
      });
      signal.addEventListener("abort", () => wake());
      return (async function* () {
        for (;;) {
          if (signal.aborted) throw new RpcError("CANCELLED", "aborted");
          const next = queue.shift();
          if (next === "end") return;
          if (next instanceof RpcError) throw next;
          if (next) yield next;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      })();
    },
    claimSlot: () => () => {},
    isAsked: () => made.isAsked,
    isHidden: () => false,
    beforeFrame: (callback) => void setImmediate(callback),
    afterFrame: async () => {
      made.turns += 1;
      made.onTurn();
    },
    random: () => 0,
  };
  made.follower = createFollower(page);
  return made;
}

/** Lets everything run that needs no time. */
async function settled(): Promise<void> {
  for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(seconds: number): Promise<void> {
  timers.tick(seconds * 1000);
  await settled();
}

const ID = "job";

function event(sequence: number, jobId = ID, skippedCount = 0): WatchResultsResponse {
  return create(WatchResultsResponseSchema, {
    resumeToken: `after ${sequence}`,
    kind: {
      case: "event",
      value: {
        jobId,
        sequence,
        attempt: 1,
        skippedCount,
        kind: { case: "log", value: { lines: [`line ${sequence}`] } },
      },
    },
  });
}

function finished(sequence: number, jobId = ID): WatchResultsResponse {
  const response = event(sequence, jobId);
  if (response.kind.case === "event") {
    response.kind.value.kind = { case: "finished", value: { state: 3 } as never };
  }
  return response;
}

function refusal(code: Code, reason = "", metadata: { [key: string]: string } = {}): RpcError {
  const info = create(ErrorInfoSchema, { reason, domain: "solvemesh", metadata });
  return new RpcError(code, "no", [anyPack(ErrorInfoSchema, info)]);
}

test("a lost stream goes on after its last token, and no event counts twice", async () => {
  const { follower, calls } = fixture();
  const story = follower.follow(ID);
  await pass(0.1);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]!.resumeToken, "");
  await calls[0]!.send(event(1), event(2));
  assert.equal(follower.connection.value.kind, "live");
  assert.equal(story.value?.log.length, 2);

  await calls[0]!.send(refusal("UNAVAILABLE"));
  assert.equal(follower.connection.value.kind, "reconnecting");
  await pass(0.6);
  assert.equal(calls.length, 2);
  assert.equal(calls[1]!.resumeToken, "after 2");
  // A gateway may repeat what it had sent.
  await calls[1]!.send(event(2), event(3), event(3));
  assert.deepEqual(story.value?.log.toArray(), ["line 1", "line 2", "line 3"]);
  assert.equal(story.value?.lastSequence, 3);
  assert.equal(story.value?.skipped, 0);
  follower.unfollow(ID);
  await pass(0.1);
  assert.equal(calls[1]!.signal.aborted, true);
});

test("delays double up to 15 s, the gateway is said to be away, and an answer ends that", async () => {
  const { follower, calls } = fixture();
  follower.follow(ID);
  await pass(0.1);
  const delays = [];
  for (let failure = 1; failure <= 8; failure++) {
    await calls.at(-1)!.send(refusal("UNAVAILABLE"));
    assert.equal(follower.connection.value.kind, failure < 3 ? "reconnecting" : "away");
    let waited = 0;
    for (; calls.length === failure; waited += 0.25) await pass(0.25);
    delays.push(waited);
  }
  assert.deepEqual(delays, [0.5, 1, 2, 4, 8, 15, 15, 15]);
  await calls.at(-1)!.send(event(1));
  assert.equal(follower.connection.value.kind, "live");
  await calls.at(-1)!.send(refusal("UNAVAILABLE"));
  await pass(0.5);
  assert.equal(calls.length, 10);
  follower.unfollow(ID);
  await pass(1);
});

test("a gateway that shuts down is replaced at once", async () => {
  const { follower, calls } = fixture();
  follower.follow(ID);
  await pass(0.1);
  await calls[0]!.send(event(1), refusal("UNAVAILABLE", "SHUTTING_DOWN"));
  await pass(0.01);
  assert.equal(calls.length, 2);
  assert.equal(calls[1]!.resumeToken, "after 1");
  follower.unfollow(ID);
  await pass(1);
});

test("a token that is too old begins again, and events that were had change nothing", async () => {
  const { follower, calls } = fixture();
  const story = follower.follow(ID);
  await pass(0.1);
  await calls[0]!.send(event(1), event(2), refusal("OUT_OF_RANGE", "TOKEN_TOO_OLD"));
  await pass(0.1);
  assert.equal(calls[1]!.resumeToken, "");
  await calls[1]!.send(event(1), event(2), event(3));
  assert.equal(story.value?.log.length, 3);
  follower.unfollow(ID);
  await pass(1);
});

test("a refusal ends the watch of the job that it names, not of others", async () => {
  const { follower, calls } = fixture();
  const missing = follower.follow("missing");
  const other = follower.follow("other");
  await pass(0.1);
  assert.deepEqual(calls[0]!.jobIds, ["missing", "other"]);
  await calls[0]!.send(refusal("NOT_FOUND", "JOB_NOT_FOUND", { job_id: "missing" }));
  await pass(0.1);
  assert.deepEqual(calls[1]!.jobIds, ["other"]);
  assert.equal(missing.value?.problem?.reason, "JOB_NOT_FOUND");
  await calls[1]!.send(event(1, "other"), refusal("INVALID_ARGUMENT"));
  assert.equal(other.value?.problem?.code, "INVALID_ARGUMENT");
  await pass(60);
  assert.equal(calls.length, 2);
  assert.equal(follower.connection.value.kind, "idle");
});

test("a finished job is watched no more", async () => {
  const { follower, calls } = fixture();
  const story = follower.follow(ID);
  await pass(0.1);
  await calls[0]!.send(event(1), finished(2), "end");
  assert.equal(story.value?.finished, true);
  await pass(60);
  assert.equal(calls.length, 1);
  assert.equal(follower.connection.value.kind, "idle");
});

test("missing events make the story anew, once", async () => {
  const { follower, calls } = fixture();
  const story = follower.follow(ID);
  await pass(0.1);
  await calls[0]!.send(event(1), event(3));
  await pass(0.1);
  assert.equal(calls[1]!.resumeToken, "");
  await calls[1]!.send(event(1), event(3), event(4));
  assert.equal(calls.length, 2);
  assert.equal(story.value?.log.length, 3);
  follower.unfollow(ID);
  await pass(1);
});

test("a stream that is silent for 45 s is opened again; heartbeats are not silence", async () => {
  const { follower, calls } = fixture();
  follower.follow(ID);
  await pass(0.1);
  const heartbeat = create(WatchResultsResponseSchema, {
    kind: { case: "heartbeat", value: {} },
    resumeToken: "later",
  });
  for (let beat = 0; beat < 10; beat++) {
    await pass(15);
    await calls[0]!.send(heartbeat);
  }
  assert.equal(calls.length, 1);
  for (let second = 0; second < 52; second++) await pass(1);
  assert.equal(calls.length, 2);
  assert.equal(calls[1]!.resumeToken, "later");
  follower.unfollow(ID);
  await pass(1);
});

test("a stream that waits for a token is not silent", async () => {
  const made = fixture();
  const { follower, calls } = made;
  made.isAsked = true;
  follower.follow(ID);
  for (let second = 0; second < 300; second++) await pass(1);
  assert.equal(calls.length, 1);
  assert.equal(calls[0]!.signal.aborted, false);
  made.isAsked = false;
  for (let second = 0; second < 52; second++) await pass(1);
  assert.equal(calls.length, 2);
  follower.unfollow(ID);
  await pass(1);
});

test("a burst is taken in slices, and nothing of it is lost", async () => {
  const made = fixture();
  const story = made.follower.follow(ID);
  await pass(0.1);
  let now = performance.now();
  const clock = mock.method(performance, "now", () => {
    now += 1;
    return now;
  });
  try {
    const count = 200;
    await made.calls[0]!.send(...Array.from({ length: count }, (_, index) => event(index + 1)));
    assert.equal(story.value?.log.length, count);
    // The clock goes on by 1 ms a message, and a slice is 8 ms.
    assert.ok(made.turns >= count / 12 && made.turns <= count / 4, `${made.turns} turns`);
  } finally {
    clock.mock.restore();
  }
  made.follower.unfollow(ID);
  await pass(1);
});

test("a job that is no longer followed in the middle of a burst takes no more of it", async () => {
  const made = fixture();
  made.follower.follow(ID);
  await pass(0.1);
  let now = performance.now();
  const clock = mock.method(performance, "now", () => {
    now += 10;
    return now;
  });
  try {
    made.onTurn = () => made.follower.pause();
    await made.calls[0]!.send(event(1), event(2), event(3));
    assert.equal(made.turns, 1);
    made.onTurn = () => {};
    made.follower.resume();
    await pass(0.1);
    assert.equal(made.calls[1]!.resumeToken, "after 1");
  } finally {
    clock.mock.restore();
  }
  made.follower.unfollow(ID);
  await pass(1);
});
