// A gateway with one more job: the events of an hour, sent within seconds. All other
// requests go to the real gateway.

import { once } from "node:events";
import {
  createServer,
  request as forward,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { JobEventSchema } from "../../gen/solvemesh/v1/job_pb";
import { WatchResultsResponseSchema } from "../../gen/solvemesh/v1/job_service_pb";
import type { Gateway } from "./gateway";

/** The gateway, and its chatty job. */
export interface Chatty {
  url: string;
  jobId: string;
  /** Number of events of the first minute, after which the job waits for `goOn`. */
  firstMinute: number;
  /** Number of events of the hour. */
  total: number;
  goOn(): void;
  sentBytes(): number;
  stop(): Promise<void>;
}

const JOB_ID = "00000000-0000-7000-8000-000000000001";
/** Half seconds of an hour: each has its progress and some lines of the log. */
const TICKS = 7_200;
const TICKS_BEFORE = 120;
const LINES_PER_TICK = 4;
/** Ticks between two solutions. */
const SOLUTION_EVERY = 40;
const VARIABLES = 300;

export async function startChatty(gateway: Gateway): Promise<Chatty> {
  let goOn = () => {};
  const mayGoOn = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let sent = 0;
  const talk = async (response: ServerResponse) => {
    response.writeHead(200, { "content-type": "application/grpc-web+proto" });
    for (const [tick, frames] of hour()) {
      if (tick === TICKS_BEFORE) await mayGoOn;
      sent += frames.length;
      if (!response.write(frames)) await once(response, "drain");
      // The page draws in between, as it would in an hour.
      await setImmediate();
    }
  };
  const server = createServer((request, response) => {
    if (request.url?.endsWith("/WatchResults")) void talk(response);
    else passOn(gateway, request, response);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    jobId: JOB_ID,
    firstMinute: eventsUpTo(TICKS_BEFORE),
    total: eventsUpTo(TICKS),
    goOn,
    sentBytes: () => sent,
    stop: async () => {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

function passOn(gateway: Gateway, request: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = request;
  const asked = forward({ port: gateway.port, host: "127.0.0.1", method, path: url, headers });
  asked.on("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  request.pipe(asked);
}

function eventsUpTo(ticks: number): number {
  const begin = 2;
  const solutions = Math.ceil(ticks / SOLUTION_EVERY);
  return begin + 2 * ticks + solutions;
}

type Kind = NonNullable<MessageInitShape<typeof JobEventSchema>["kind"]>;

/** The messages of each half second, in their frames. */
function* hour(): Generator<[tick: number, frames: Buffer]> {
  let sequence = 0;
  const began = Date.now();
  const frame = (tick: number, kind: Kind) => {
    sequence += 1;
    const millis = began + tick * 500;
    const event = {
      jobId: JOB_ID,
      sequence,
      attempt: sequence > 1 ? 1 : 0,
      time: { seconds: BigInt(Math.floor(millis / 1000)), nanos: (millis % 1000) * 1_000_000 },
      kind,
    };
    const response = create(WatchResultsResponseSchema, {
      kind: { case: "event", value: event },
      resumeToken: `token-${sequence}`,
    });
    const message = toBinary(WatchResultsResponseSchema, response);
    const header = Buffer.alloc(5);
    header.writeUInt32BE(message.length, 1);
    return Buffer.concat([header, message]);
  };
  const description = {
    modelName: "chatty",
    lane: "standard",
    size: { variableCount: VARIABLES, integerCount: VARIABLES, constraintCount: 200 },
  };
  const opening = [
    frame(0, { case: "queued", value: { description } }),
    frame(0, { case: "started", value: { worker: "talker" } }),
  ];
  for (let tick = 0; tick < TICKS; tick++) {
    const frames = tick === 0 ? opening : [];
    const objective = 1000 + 5000 / (1 + tick / 500);
    const objectiveBound = 1000 - 1000 / (1 + tick / 300);
    const elapsed = { seconds: BigInt(Math.floor(tick / 2)), nanos: (tick % 2) * 500_000_000 };
    const standing = { objective, objectiveBound, elapsed };
    if (tick % SOLUTION_EVERY === 0) {
      const values = Array.from({ length: VARIABLES }, (_, index) => (index * tick) % 7);
      const variableNames = values.map((_, index) => `variable_${index}`);
      frames.push(
        frame(tick, { case: "incumbent", value: { ...standing, values, variableNames } }),
      );
    }
    frames.push(
      frame(tick, { case: "progress", value: { ...standing, nodeCount: BigInt(tick * 37) } }),
      frame(tick, { case: "log", value: { lines: logLines(tick, objective, objectiveBound) } }),
    );
    yield [tick, Buffer.concat(frames)];
  }
}

function logLines(tick: number, objective: number, bound: number): string[] {
  return Array.from(
    { length: LINES_PER_TICK },
    (_, line) =>
      `    ${tick * 37 + line}    ${tick}   ${line}   12.34%   ${bound.toFixed(6)}   ` +
      `${objective.toFixed(6)}   ${((objective / bound - 1) * 100).toFixed(2)}%   ${tick / 2}s`,
  );
}
