// Records the streams of jobs from a running gateway into test/fixtures, for the tests of the
// fold:
//
//     npm run record -- http://127.0.0.1:50051
//
// or that of one job under a name:
//
//     npm run record -- http://127.0.0.1:50051 JOB_ID NAME

import { readFileSync, writeFileSync } from "node:fs";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import {
  JobService,
  SubmitJobRequestSchema,
  WatchResultsResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { ParameterKind } from "../gen/solvemesh/v1/sweep_pb";
import { createClient } from "../src/grpc-web";
import { hardCover } from "./models";

type Request = MessageInitShape<typeof SubmitJobRequestSchema>;

const client = createClient(JobService, process.argv[2] ?? "http://127.0.0.1:50051", 15_000);

const wyndor = readFileSync("../../examples/wyndor.lp", "utf8");
const lp = (text: string) => ({ form: { case: "lp" as const, value: text } });

const requests: { [name: string]: Request } = {
  wyndor: { model: lp(wyndor), options: { returnSensitivity: true } },
  cover: {
    model: { ...lp(hardCover(60, 40)), name: "cover" },
    options: { returnLog: true, timeLimit: { seconds: 4n }, incumbents: { nonzerosOnly: true } },
  },
  infeasible: {
    model: lp("Minimize\n x + y\nSubject To\n a: x + y >= 4\n b: x <= 1\n c: y <= 2\nEnd\n"),
    options: { returnInfeasibleSubset: true },
  },
  unbounded: { model: lp("Maximize\n x + y\nSubject To\n a: x - y <= 1\nEnd\n") },
  sweep: {
    model: lp(wyndor),
    sweep: {
      report: { variables: ["Doors", "Windows"] },
      scenarios: {
        case: "grid",
        value: {
          axes: [
            {
              parameter: { kind: ParameterKind.OBJECTIVE, variable: "Windows" },
              first: 100,
              last: 1000,
              pointCount: 10,
            },
          ],
        },
      },
    },
  },
};

const [, , , jobId, jobName] = process.argv;
if (jobId && jobName) {
  await record(jobId, jobName);
} else {
  for (const [name, request] of Object.entries(requests)) {
    const { job } = await client.submitJob(create(SubmitJobRequestSchema, request));
    await record(job?.jobId ?? "", name);
  }
}

async function record(id: string, name: string): Promise<void> {
  const responses = [];
  for await (const response of client.watchResults({ jobIds: [id] })) {
    responses.push(toJson(WatchResultsResponseSchema, response));
  }
  const lines = responses.map((response) => JSON.stringify(response));
  writeFileSync(`test/fixtures/${name}.json`, `[\n${lines.join(",\n")}\n]\n`);
  process.stdout.write(`${name}: ${responses.length} responses\n`);
}
