import assert from "node:assert/strict";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";

import { JobDescriptionSchema } from "../gen/solvemesh/v1/job_pb";
import { SubmitJobRequestSchema } from "../gen/solvemesh/v1/job_service_pb";
import { Solver } from "../gen/solvemesh/v1/options_pb";
import { ParameterKind } from "../gen/solvemesh/v1/sweep_pb";
import { jobCode, quoted } from "../src/job-code";

const GATEWAY = "http://127.0.0.1:50051";
const LP = "\\ an example\nMaximize\n 3 x\nSubject To\n c: x <= 4\nEnd";

const request = create(SubmitJobRequestSchema, {
  model: { form: { case: "lp", value: LP } },
  options: {
    timeLimit: { seconds: 60n },
    relativeGap: 0,
    solver: Solver.HIGHS,
    solverOptions: { mip_heuristic_effort: "0.1" },
    nodeLimit: 5n,
  },
  labels: { team: "blue sky" },
  requestId: "4711",
  validateOnly: true,
});

test("the command line has the options, and the model as its input", () => {
  const { shell, notes } = jobCode({ request }, GATEWAY);
  assert.equal(
    shell,
    `solvemesh solve - --label 'team=blue sky' --time-limit 60 --gap 0 --solver highs \\
  --node-limit 5 --option mip_heuristic_effort=0.1 <<'END_OF_TEXT'
${LP}
END_OF_TEXT
`,
  );
  assert.deepEqual(notes, []);
});

test("the request id is left out, as it would find the same job again", () => {
  const { grpcurl, python } = jobCode({ request }, GATEWAY);
  assert.doesNotMatch(grpcurl + python, /4711|requestId|validateOnly/);
  assert.match(grpcurl, /^job=\$\(grpcurl -plaintext -d @ 127\.0\.0\.1:50051 /);
  assert.match(grpcurl, /"timeLimit": "60s"/);
  assert.match(python, /model = r"""\\ an example/);
  assert.match(python, /"model": \{"lp": model\}/);
});

test("a gateway over TLS is called with TLS", () => {
  const { shell, grpcurl, python } = jobCode({ request }, "https://mesh.example");
  assert.match(shell, /^solvemesh --gateway https:\/\/mesh\.example solve/);
  assert.match(grpcurl, /grpcurl -d @ mesh\.example:443/);
  assert.match(python, /secure_channel\("mesh\.example:443", grpc\.ssl_channel_credentials\(\)\)/);
});

test("a file is named, and read by each program", () => {
  const file = create(SubmitJobRequestSchema, {
    model: { form: { case: "file", value: { name: "a b.mps.gz", content: new Uint8Array(9) } } },
  });
  const { shell, grpcurl, python, notes } = jobCode({ request: file }, GATEWAY);
  assert.equal(shell, "solvemesh solve 'a b.mps.gz'\n");
  assert.match(grpcurl, /"content": "\$\(base64 < 'a b\.mps\.gz' \| tr -d '\\n'\)"/);
  assert.match(python, /with open\("a b\.mps\.gz", "rb"\) as file:/);
  assert.deepEqual(notes, ["Save the model as a b.mps.gz first."]);
});

test("of a job of another browser the options are known", () => {
  const description = create(JobDescriptionSchema, {
    modelName: "shift plan",
    options: { threads: 2 },
    labels: { team: "red" },
  });
  const { shell, notes } = jobCode({ description }, GATEWAY);
  assert.equal(shell, "solvemesh solve shift-plan.lp --label team=red --threads 2\n");
  assert.match(notes[0] ?? "", /does not have the model/);
});

test("a grid is given by --vary", () => {
  const sweep = create(SubmitJobRequestSchema, {
    model: { form: { case: "lp", value: LP } },
    sweep: {
      scenarios: {
        case: "grid",
        value: {
          axes: [
            {
              parameter: { kind: ParameterKind.RIGHT_HAND_SIDE, constraint: "c" },
              values: [4, Number.POSITIVE_INFINITY],
            },
            {
              parameter: { kind: ParameterKind.OBJECTIVE, variable: "x" },
              first: 100,
              last: 1000,
              pointCount: 10,
            },
          ],
        },
      },
      report: { variables: ["x"] },
      stopOnFirst: { objectiveTarget: 3000 },
    },
  });
  const { shell, python } = jobCode({ request: sweep }, GATEWAY);
  assert.match(shell, /^solvemesh sweep - --vary rhs:c=4,inf --vary obj:x=100\.\.1000\/10 /);
  assert.match(shell, /--values x --stop-at 3000/);
  assert.match(python, /scenario_results/);
});

test("a table of scenarios is given as a CSV file", () => {
  const sweep = create(SubmitJobRequestSchema, {
    model: { form: { case: "lp", value: LP } },
    sweep: {
      scenarios: {
        case: "table",
        value: {
          parameters: [{ kind: ParameterKind.COEFFICIENT, constraint: "c", variable: "x" }],
          values: [1, 2],
          labels: ["one", "two, or so"],
        },
      },
    },
  });
  const { shell } = jobCode({ request: sweep }, GATEWAY);
  assert.match(
    shell,
    /^cat > scenarios\.csv <<'END_OF_TEXT'\nlabel,"coef:c,x"\none,1\n"two, or so",2\n/,
  );
  assert.match(shell, /--scenarios scenarios\.csv/);
});

test("a long table of scenarios is left to the reader", () => {
  const sweep = create(SubmitJobRequestSchema, {
    model: { form: { case: "lp", value: LP } },
    sweep: {
      scenarios: {
        case: "table",
        value: {
          parameters: [{ kind: ParameterKind.OBJECTIVE_OFFSET }],
          values: Array.from({ length: 1000 }, (_, index) => index),
        },
      },
    },
  });
  const { shell, grpcurl, notes } = jobCode({ request: sweep }, GATEWAY);
  assert.match(shell, /^solvemesh sweep - --scenarios scenarios\.csv/);
  assert.ok(grpcurl.length < 1000);
  assert.match(notes[0] ?? "", /scenarios\.csv/);
});

test("words are quoted for the shell where they need it", () => {
  assert.equal(quoted("a=b.lp"), "a=b.lp");
  assert.equal(quoted("it's"), `'it'\\''s'`);
  assert.equal(quoted("x$1"), "'x$1'");
  assert.equal(quoted(""), "''");
});
