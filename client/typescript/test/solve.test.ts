// The client on a real gateway.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import {
  createMeshClient,
  fromArrays,
  fromFile,
  fromLp,
  type JobEvent,
  JobFailedError,
  JobState,
  type MeshClient,
  MeshError,
  TerminationLimit,
  TerminationReason,
  VariableKind,
} from "../src/index.js";
import { freePort, type Gateway, marketSplit, startCutter, startGateway, WYNDOR } from "./gateway.js";

let gateway: Gateway;
let client: MeshClient;
before(async () => {
  gateway = await startGateway();
  client = createMeshClient({ baseUrl: gateway.url });
});
after(() => gateway.stop());

function isClose(actual: number | undefined, expected: number): void {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)),
    `${actual} is not ${expected}`,
  );
}

test("arrays are solved, and arrays are returned", async () => {
  const result = await client.solve(
    fromArrays({
      sense: "maximize",
      objective: Float64Array.of(300, 500),
      rowUpper: [4, 12, 18],
      rowStarts: Int32Array.of(0, 1, 2, 4),
      columns: [0, 1, 0, 1],
      coefficients: Float64Array.of(1, 2, 3, 2),
      variableNames: ["Doors", "Windows"],
    }),
  );
  assert.equal(result.reason, TerminationReason.OPTIMAL);
  isClose(result.objective, 3600);
  isClose(result.value("Windows"), 6);
  assert.equal(result.value("Roofs"), undefined);
  assert.ok(result.values instanceof Float64Array && result.duals instanceof Float64Array);
  [0, 150, 100].forEach((dual, at) => {
    isClose(result.duals[at], dual);
  });
});

test("every array of a model arrives", async () => {
  // Minimise 10 + x - 2 y + z: x in [1, 5], y integer in [-3, 2.5], z binary, x + y >= -1,
  // 1 <= y + z <= 2: x = 1, y = 2, z = 0.
  const result = await client.solve(
    fromArrays({
      name: "all",
      offset: 10,
      objective: [1, -2, 1],
      lower: [1, -3, 0],
      upper: [5, 2.5, 1],
      kinds: [VariableKind.CONTINUOUS, VariableKind.INTEGER, VariableKind.BINARY],
      rowLower: [-1, 1],
      rowUpper: [Infinity, 2],
      rowNames: ["a", "b"],
      rowStarts: [0, 2, 4],
      columns: [0, 1, 1, 2],
      coefficients: [1, 1, 1, 1],
    }),
  );
  isClose(result.objective, 7);
  assert.deepEqual([...result.values].map(Math.round), [1, 2, 0]);
  assert.deepEqual(result.constraintNames, ["a", "b"]);
  const info = await client.job(result.jobId).info();
  assert.equal(info.description?.modelName, "all");
});

test("files are solved", async () => {
  const content = await readFile("../../examples/wyndor.lp");
  isClose((await client.solve(fromFile(content, "wyndor.lp"))).objective, 3600);
});

test("an infeasible model is a result with a proof", async () => {
  const model = fromLp("Minimize\n obj: x\nSubject To\n low: x >= 2\n high: x <= 1\nEnd");
  const result = await client.solve(model);
  assert.equal(result.reason, TerminationReason.INFEASIBLE);
  assert.equal(result.message.infeasibilityProof?.verified, true);
  assert.equal(result.objective, undefined);
  assert.equal(result.values.length, 0);
});

test("a bad model is refused with its line", async () => {
  const model = fromLp("Minimize\n obj: x\nSubject To\n c1: x >=\nEnd");
  await assert.rejects(client.solve(model), (error) => {
    assert.ok(error instanceof MeshError);
    assert.equal(error.reason, "SYNTAX_ERROR");
    assert.equal(error.metadata.line, "5");
    assert.equal(error.violations[0]?.field, "model.lp");
    assert.equal(error.isTransient, false);
    return true;
  });
});

test("a signal cancels the job, and the result is the best solution", async () => {
  const signal = AbortSignal.timeout(2000);
  const result = await client.solve(marketSplit(), { signal, timeLimit: 100 });
  assert.equal(result.state, JobState.CANCELLED);
  assert.equal(result.limit, TerminationLimit.INTERRUPTED);
  assert.ok(result.objective !== undefined && result.values.length > 0);
  const info = await client.job(result.jobId).info();
  assert.ok(info.cancelRequested && info.finishTime);
});

test("a signal that ends a watch leaves the job running", async () => {
  const job = await client.submit(marketSplit(), { timeLimit: 100 });
  const abort = new AbortController();
  const reason = new Error("enough");
  await assert.rejects(async () => {
    for await (const event of job.events({ signal: abort.signal })) {
      if (event.kind.case === "started") abort.abort(reason);
    }
  }, reason);
  assert.equal((await job.info()).state, JobState.RUNNING);
  await job.cancel();
  assert.equal((await job.result()).state, JobState.CANCELLED);
});

test("a watch continues where a broken connection stopped", async () => {
  const proxy = await startCutter(gateway.address);
  try {
    const job = await createMeshClient({ baseUrl: proxy.url }).submit(marketSplit(), { timeLimit: 3 });
    const seen: JobEvent[] = [];
    for await (const event of job.events()) {
      seen.push(event);
      if (event.kind.case === "started" || event.kind.case === "progress") proxy.cut();
    }
    let next = 1;
    for (const { sequence, skippedCount } of seen) {
      assert.equal(sequence, next + skippedCount);
      next = sequence + 1;
    }
    assert.equal(seen.at(-1)?.kind.case, "finished");
    assert.ok(proxy.connections() >= 3, `${proxy.connections()} connections`);
  } finally {
    proxy.stop();
  }
});

test("a token of one watch continues in another", async () => {
  const job = await client.submit(fromLp(WYNDOR));
  const first = job.events();
  for await (const event of first) {
    assert.equal(event.kind.case, "queued");
    break;
  }
  const second = job.events({ resumeToken: first.resumeToken });
  const rest: number[] = [];
  for await (const event of second) rest.push(event.sequence);
  assert.equal(rest[0], 2);
  for await (const event of job.events({ resumeToken: second.resumeToken })) {
    assert.fail(`event ${event.sequence} follows the last one`);
  }
});

test("the same request id is the same job", async () => {
  const requestId = crypto.randomUUID();
  const first = await client.submit(fromLp(WYNDOR), { requestId });
  assert.equal((await client.submit(fromLp(WYNDOR), { requestId })).id, first.id);
  await assert.rejects(client.submit(marketSplit(), { requestId }), { reason: "REQUEST_ID_TAKEN" });
  assert.notEqual((await client.submit(fromLp(WYNDOR))).id, first.id);
});

test("a submission is repeated until the gateway is there", async () => {
  const port = await freePort();
  const solving = createMeshClient({ baseUrl: `http://127.0.0.1:${port}` }).solve(fromLp(WYNDOR));
  const late = await startGateway(`127.0.0.1:${port}`);
  try {
    isClose((await solving).objective, 3600);
  } finally {
    await late.stop();
  }
});

test("a gateway that is not there is an error after the budget", async () => {
  const baseUrl = `http://127.0.0.1:${await freePort()}`;
  const lost = createMeshClient({ baseUrl, retry: { budget: 300 } });
  await assert.rejects(lost.solve(fromLp(WYNDOR)), { name: "MeshError", code: "UNAVAILABLE" });
});

test("a job that fails is an error of its own", async () => {
  const busy = [await client.submit(marketSplit()), await client.submit(marketSplit())];
  try {
    // Both slots of the lane are taken.
    for (const job of busy) {
      for await (const event of job.events()) if (event.kind.case === "started") break;
    }
    const response = await client.service.submitJob({
      model: marketSplit(),
      queueTimeLimit: { seconds: 0n, nanos: 200_000_000 },
    });
    const waiting = client.job(response.job!.jobId);
    await assert.rejects(waiting.result(), (error) => {
      assert.ok(error instanceof JobFailedError);
      assert.equal(error.state, JobState.EXPIRED);
      assert.equal(error.jobId, waiting.id);
      return true;
    });
  } finally {
    for (const job of busy) await job.cancel();
  }
});

test("an address that is none is refused", () => {
  for (const baseUrl of ["", "mesh", "ftp://mesh", "http://me:secret@mesh"]) {
    assert.throws(() => createMeshClient({ baseUrl }), TypeError);
  }
});

test("the example prints what it says", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["example/solve.mjs"], {
    env: { ...process.env, SOLVEMESH_URL: gateway.url },
  });
  assert.match(stdout, /^1 queued\n2 started\n[^]*finished\nOPTIMAL 3600 Float64Array\(2\) \[ 2, 6 \]\n$/);
});
