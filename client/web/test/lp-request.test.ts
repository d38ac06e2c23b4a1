import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { create, toBinary } from "@bufbuild/protobuf";

import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb";
import { JobSchema } from "../gen/solvemesh/v1/job_pb";
import {
  GetCapabilitiesResponseSchema,
  SolverCapabilitiesSchema,
  type SubmitJobRequest,
  SubmitJobRequestSchema,
  SubmitJobResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { Solver } from "../gen/solvemesh/v1/options_pb";
import { ParameterKind } from "../gen/solvemesh/v1/sweep_pb";
import { symbolsOf } from "../src/editor/symbols";
import { articleModel, sliderIndex, sliderRate } from "../src/model/article";
import { axisError, proposeAxis, range, scenarioCount, sweepOf } from "../src/model/axes";
import { marksOf } from "../src/model/check";
import { draftOf, draftText } from "../src/model/draft";
import { EXAMPLES } from "../src/model/examples";
import { numberOf, parseSeconds } from "../src/model/numbers";
import {
  checkOptions,
  DEFAULT_OPTIONS,
  durationOf,
  formField,
  labelsOf,
  solveOptions,
  summary,
} from "../src/model/options";
import { FileRefused, readModelFile } from "../src/model/read-file";
import { buildRequest } from "../src/model/request";
import { formatOf, stem, type TextSource } from "../src/model/source";
import { type SubmitTools, submit } from "../src/model/submit";
import { problemOf } from "../src/problem";
import { type Code, RpcError } from "../src/rpc-error";

const wyndor: TextSource = {
  kind: "text",
  name: "wyndor",
  format: "lp",
  text: EXAMPLES[0]?.lp ?? "",
};
const symbols = symbolsOf(wyndor.text, "lp");
const axis = proposeAxis(symbols, []);

const capabilities = create(GetCapabilitiesResponseSchema, {
  limits: { defaultTimeLimit: durationOf(600), maxTimeLimit: durationOf(43_200) },
  solvers: [
    create(SolverCapabilitiesSchema, {
      solver: Solver.HIGHS,
      available: true,
      supportedOptions: [
        "relative_gap",
        "absolute_gap",
        "threads",
        "seed",
        "presolve",
        "return_log",
        "return_infeasible_subset",
        "return_sensitivity",
        "node_limit",
      ],
      options: [{ name: "parallel" }],
    }),
    create(SolverCapabilitiesSchema, { solver: Solver.SCIP, supportedOptions: ["relative_gap"] }),
  ],
});

test("numbers and times of fields", () => {
  assert.equal(numberOf(" "), undefined);
  assert.equal(numberOf("1e-4"), 1e-4);
  assert.equal(numberOf("−2.5"), -2.5);
  for (const text of ["1,000", "0x10", "1e999", "a", "1 2"])
    assert.ok(Number.isNaN(numberOf(text)), text);
  assert.equal(parseSeconds("90"), 90);
  assert.equal(parseSeconds("5 min"), 300);
  assert.equal(parseSeconds("1.5h"), 5400);
  assert.equal(parseSeconds(""), undefined);
  for (const text of ["h", "5 weeks", "-"]) assert.ok(Number.isNaN(parseSeconds(text)), text);
});

test("formats of names and texts", () => {
  assert.equal(formatOf("a.mps.gz", ""), "mps");
  assert.equal(formatOf("a.LP", "NAME x"), "lp");
  assert.equal(formatOf("a", "* c\n\nNAME x\nROWS"), "mps");
  assert.equal(formatOf("a", "Minimize\n x"), "lp");
  assert.equal(stem("dir/p0201.mps.gz"), "p0201");
});

test("unset options are not sent, and the summary tells what holds instead", () => {
  const options = solveOptions({ ...DEFAULT_OPTIONS }, capabilities, false);
  assert.equal(options.timeLimit, undefined);
  assert.equal(options.relativeGap, undefined);
  assert.equal(options.solver, Solver.UNSPECIFIED);
  assert.equal(options.returnLog, true);
  assert.equal(
    summary({ ...DEFAULT_OPTIONS }, capabilities, false),
    "10 min · solver chosen by the mesh · default gap · 1 thread · log · reason if infeasible",
  );
});

test("options that the solver does not support, or a sweep refuses, are left out", () => {
  const form = { ...DEFAULT_OPTIONS, threads: "4", relativeGap: "0.01", timeLimit: "1.5 s" };
  const scip = solveOptions({ ...form, solver: Solver.SCIP }, capabilities, false);
  assert.equal(scip.threads, undefined);
  assert.equal(scip.returnLog, false);
  assert.equal(scip.relativeGap, 0.01);
  assert.equal(scip.timeLimit?.nanos, 500_000_000);
  const sweep = solveOptions(form, capabilities, true);
  assert.equal(sweep.threads, 4);
  assert.equal(sweep.returnLog, false);
  assert.equal(sweep.returnInfeasibleSubset, false);
});

test("fields of the form are checked, and errors of the API find them", () => {
  const errors = checkOptions(
    {
      ...DEFAULT_OPTIONS,
      timeLimit: "13 h",
      threads: "1.5",
      relativeGap: "-1",
      solver: Solver.SCIP,
      raw: [{ name: "nonsense", value: "1" }],
      labels: "team",
    },
    capabilities,
  );
  assert.equal(errors.timeLimit, "at most 12 h");
  assert.equal(errors.threads, "a whole number");
  assert.equal(errors.relativeGap, "0 or more");
  assert.equal(errors.solver, "no connected worker has it");
  assert.match(errors.raw ?? "", /nonsense/);
  assert.match(errors.labels ?? "", /team/);
  assert.equal(formField("options.node_limit"), "nodeLimit");
  assert.equal(formField("options.solver_options[x]"), "raw");
  assert.deepEqual(labelsOf({ ...DEFAULT_OPTIONS, labels: "a=1\nb = x=y" }), { a: "1", b: "x=y" });
});

test("axes are proposed from the text, and make a grid", () => {
  assert.equal(axis.variable, "Windows");
  assert.deepEqual(range(500), { from: "250", to: "1000" });
  assert.deepEqual(range(-8), { from: "-16", to: "-4" });
  const second = proposeAxis(symbols, [axis]);
  assert.equal(second.kind, ParameterKind.RIGHT_HAND_SIDE);
  assert.equal(scenarioCount([axis, { ...second, points: "10" }]), 210);
  assert.equal(axisError(axis, []), "");
  assert.notEqual(axisError(axis, [{ ...axis }]), "");
  assert.notEqual(axisError({ ...axis, points: "1" }, []), "");
  assert.notEqual(axisError({ ...axis, from: "x" }, []), "");
  assert.notEqual(axisError({ ...axis, variable: "" }, []), "");
  const sweep = sweepOf([axis, second], { variables: ["Doors"] });
  assert.equal(sweep.scenarios.case, "grid");
  const grid = sweep.scenarios.case === "grid" ? sweep.scenarios.value : undefined;
  assert.equal(grid?.axes[0]?.parameter?.variable, "Windows");
  assert.equal(grid?.axes[0]?.pointCount, 21);
  assert.equal(grid?.axes[1]?.parameter?.constraint, "plant3");
  assert.equal(grid?.axes[1]?.parameter?.variable, "");
});

test("a request has the model, the options and its id; a check has none", () => {
  const draft = { source: wyndor, options: { ...DEFAULT_OPTIONS, name: "mine" }, axes: [axis] };
  const request = buildRequest(draft, capabilities, "id");
  assert.equal(request.model?.name, "mine");
  assert.equal(request.model?.form.case, "lp");
  assert.equal(request.requestId, "id");
  assert.equal(request.validateOnly, false);
  assert.ok(request.sweep);
  assert.equal(buildRequest(draft, capabilities, "").validateOnly, true);
});

test("the article's model takes the rate, and the slider finds its scenario", () => {
  assert.match(articleModel(100).text, /300 Doors \+ 100 Windows/);
  assert.match(articleModel(-5).text, /300 Doors - 5 Windows/);
  assert.equal(sliderIndex(500), 50);
  assert.equal(sliderRate(50), 500);
  assert.equal(sliderIndex(1e9), 100);
});

test("marks are the errors and warnings that have a line", () => {
  const problem = {
    code: "INVALID_ARGUMENT",
    reason: "SYNTAX_ERROR",
    message: "",
    metadata: {},
    violations: [
      { field: "model.lp", description: "line 3, column 5: what", line: 3, column: 5 },
      { field: "options.seed", description: "x" },
    ],
  };
  assert.deepEqual(marksOf({ kind: "bad", problem }), [
    { severity: "error", line: 3, column: 5, message: "what" },
  ]);
});

test("a draft survives, and anything else is no draft", () => {
  const draft = { source: wyndor, options: { ...DEFAULT_OPTIONS, threads: "2" }, axes: [axis] };
  assert.deepEqual(draftOf(draftText(draft)), draft);
  assert.equal(draftText({ ...draft, source: { ...wyndor, text: "x".repeat(2 << 20) } }), "");
  for (const text of [null, "", "{", "[]", '{"source":{}}']) assert.equal(draftOf(text), undefined);
  const old = draftOf('{"source":{"text":"x"},"options":{"threads":7,"seed":"1"},"axes":[{}]}');
  assert.equal(old?.options.threads, "");
  assert.equal(old?.options.seed, "1");
  assert.deepEqual(old?.axes, []);
});

const limits = { maxMessageBytes: 1 << 20, maxModelBytes: 8 << 20 };
const file = (content: BlobPart, name: string) => new File([content], name);

test("a small file goes into the editor, packed or not", async () => {
  for (const content of [wyndor.text, new Uint8Array(gzipSync(wyndor.text))]) {
    assert.deepEqual(await readModelFile(file(content, "wyndor.lp.gz"), limits), wyndor);
  }
});

test("a large file is packed here, and keeps its first lines", async () => {
  const text = `NAME big\n${" x1 c1 1.0\n".repeat(200_000)}`;
  const source = await readModelFile(file(text, "big.mps"), limits);
  assert.equal(source.kind, "file");
  if (source.kind !== "file") return;
  assert.equal(source.size, text.length);
  assert.ok(source.content.length < text.length / 20);
  assert.deepEqual([...source.content.subarray(0, 2)], [0x1f, 0x8b]);
  assert.equal(source.head[0], "NAME big");
  assert.equal(source.head.length, 40);
  assert.equal(source.format, "mps");
});

test("files that the gateway refuses are refused before they are read", async () => {
  const refused = (content: BlobPart, name: string, pattern: RegExp) =>
    assert.rejects(readModelFile(file(content, name), limits), (error) => {
      assert.ok(error instanceof FileRefused);
      assert.match(error.message, pattern);
      return true;
    });
  await refused("", "a.lp", /empty/);
  await refused(new Uint8Array([0x50, 0x4b, 3, 4]), "a.zip", /zip/);
  await refused("x".repeat(9 << 20), "a.lp", /max_model_bytes/);
  const packed = new Uint8Array(2 << 20).fill(7);
  packed.set([0x1f, 0x8b]);
  await refused(packed, "a.lp.gz", /max_message_bytes/);
  const noise = new Uint8Array(3 << 20).map((_, index) => (index * index * 2654435761) >>> 24);
  await refused(noise, "noise.lp", /even when packed/);
});

function failure(code: Code, reason: string, retry?: number): RpcError {
  const info = create(ErrorInfoSchema, { reason, domain: "solvemesh.dev" });
  const details = [
    { typeUrl: "type.googleapis.com/google.rpc.ErrorInfo", value: toBinary(ErrorInfoSchema, info) },
  ];
  if (retry !== undefined) {
    const wait = create(RetryInfoSchema, { retryDelay: durationOf(retry) });
    details.push({
      typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
      value: toBinary(RetryInfoSchema, wait),
    });
  }
  return new RpcError(code, "no", details);
}

/** Tools that fail with each error in turn, then accept, on a clock that sleeping moves. */
function tools(errors: RpcError[]): SubmitTools & { sent: SubmitJobRequest[]; slept: number[] } {
  const sent: SubmitJobRequest[] = [];
  const slept: number[] = [];
  let clock = 0;
  return {
    sent,
    slept,
    now: () => clock,
    send: (request) => {
      sent.push(request);
      const error = errors.shift();
      if (error) return Promise.reject(error);
      return Promise.resolve(
        create(SubmitJobResponseSchema, { job: create(JobSchema, { jobId: "job" }) }),
      );
    },
    sleep: (milliseconds) => {
      slept.push(milliseconds);
      clock += milliseconds;
      return Promise.resolve();
    },
  };
}

const request = create(SubmitJobRequestSchema, { requestId: "one" });
const signal = new AbortController().signal;

test("a full queue and a lost answer are retried with the same request", async () => {
  const all = tools([
    failure("RESOURCE_EXHAUSTED", "QUEUE_FULL", 2),
    failure("UNAVAILABLE", "OUTCOME_UNKNOWN", 1),
    new RpcError("UNAVAILABLE", "network"),
  ]);
  const waits: (string | undefined)[] = [];
  const job = await submit(request, all, signal, (waiting) => waits.push(waiting?.problem.reason));
  assert.equal(job.jobId, "job");
  assert.deepEqual(
    all.sent.map(({ requestId }) => requestId),
    ["one", "one", "one", "one"],
  );
  assert.deepEqual(all.slept, [2000, 1000, 2000]);
  assert.deepEqual(waits, ["QUEUE_FULL", undefined, "OUTCOME_UNKNOWN", undefined, "", undefined]);
});

test("an error of the request is not retried", async () => {
  const all = tools([failure("INVALID_ARGUMENT", "SYNTAX_ERROR")]);
  await assert.rejects(
    submit(request, all, signal, () => {}),
    (error) => {
      assert.equal(problemOf(error).reason, "SYNTAX_ERROR");
      return true;
    },
  );
  assert.equal(all.sent.length, 1);
});

test("retries end after some minutes", async () => {
  const all = tools(
    Array.from({ length: 1000 }, () => failure("UNAVAILABLE", "MESH_UNAVAILABLE", 1)),
  );
  await assert.rejects(submit(request, all, signal, () => {}));
  assert.ok(all.now() <= 300_000);
});
