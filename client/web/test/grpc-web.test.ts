import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { base64Encode } from "@bufbuild/protobuf/wire";
import { BadRequestSchema, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb";
import { StatusSchema } from "../gen/google/rpc/status_pb";
import {
  GetJobResponseSchema,
  JobService,
  WatchResultsResponseSchema,
} from "../gen/solvemesh/v1/job_service_pb";
import { createClient } from "../src/grpc-web";
import { problemOf } from "../src/problem";
import { RpcError } from "../src/rpc-error";

const realFetch = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = realFetch;
});

const client = createClient(JobService, "http://gateway/", 1_000);

/** Answers the next calls with these bytes, in chunks of a size. */
function answer(bytes: Uint8Array, headers: HeadersInit = {}, chunk = 1e9, status = 200): void {
  const body = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += chunk) {
          controller.enqueue(bytes.slice(at, at + chunk));
        }
        controller.close();
      },
    });
  globalThis.fetch = async () =>
    new Response(body(), {
      status,
      headers: { "content-type": "application/grpc-web+proto", ...headers },
    });
}

function frame(flags: number, data: Uint8Array): Uint8Array {
  const framed = new Uint8Array(5 + data.length);
  framed[0] = flags;
  new DataView(framed.buffer).setUint32(1, data.length);
  framed.set(data, 5);
  return framed;
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const trailers = (text: string) => frame(0x80, new TextEncoder().encode(text));
const event = (sequence: number) =>
  frame(
    0,
    toBinary(
      WatchResultsResponseSchema,
      create(WatchResultsResponseSchema, {
        kind: { case: "event", value: { jobId: "j", sequence } },
        resumeToken: "t".repeat(sequence),
      }),
    ),
  );

async function sequences(): Promise<number[]> {
  const found: number[] = [];
  for await (const { kind } of client.watchResults({ jobIds: ["j"] })) {
    if (kind.case === "event") found.push(kind.value.sequence);
  }
  return found;
}

test("a stream is the same however it is cut into chunks", async () => {
  const bytes = joined(event(1), event(2), event(300), trailers("grpc-status:0\r\n"));
  for (const chunk of [1, 3, 7, 100, 1e9]) {
    answer(bytes, {}, chunk);
    assert.deepEqual(await sequences(), [1, 2, 300]);
  }
});

test("the request is framed, with its deadline", async () => {
  let seen: Request | undefined;
  globalThis.fetch = async (url, init) => {
    seen = new Request(url as string, init);
    const message = toBinary(GetJobResponseSchema, create(GetJobResponseSchema, {}));
    const body = joined(frame(0, message), trailers("grpc-status: 0\r\n"));
    return new Response(body as Uint8Array<ArrayBuffer>, {
      headers: { "content-type": "application/grpc-web+proto" },
    });
  };
  await client.getJob({ jobId: "j" });
  assert.equal(seen?.url, "http://gateway/solvemesh.v1.JobService/GetJob");
  assert.equal(seen.headers.get("content-type"), "application/grpc-web+proto");
  assert.equal(seen.headers.get("grpc-timeout"), "1000m");
  assert.deepEqual([...new Uint8Array(await seen.arrayBuffer())], [0, 0, 0, 0, 3, 10, 1, 106]);
});

test("an error without messages has its details", async () => {
  const info = create(ErrorInfoSchema, {
    reason: "SYNTAX_ERROR",
    domain: "solvemesh.dev",
    metadata: { line: "3", column: "5" },
  });
  const request = create(BadRequestSchema, {
    fieldViolations: [{ field: "model.lp", description: "line 3, column 5: unexpected “>”" }],
  });
  const details = [
    {
      typeUrl: "type.googleapis.com/google.rpc.ErrorInfo",
      value: toBinary(ErrorInfoSchema, info),
    },
    {
      typeUrl: "type.googleapis.com/google.rpc.BadRequest",
      value: toBinary(BadRequestSchema, request),
    },
  ];
  const status = create(StatusSchema, { code: 3, details });
  answer(new Uint8Array(), {
    "grpc-status": "3",
    "grpc-message": "model.lp: unerwartet %C2%BB%3E%C2%AB",
    // Servers leave the padding out.
    "grpc-status-details-bin": base64Encode(toBinary(StatusSchema, status), "std_raw"),
  });
  const problem = await client.getJob({ jobId: "j" }).then(() => assert.fail(), problemOf);
  assert.equal(problem.code, "INVALID_ARGUMENT");
  assert.equal(problem.reason, "SYNTAX_ERROR");
  assert.equal(problem.message, "model.lp: unerwartet »>«");
  assert.deepEqual(problem.violations, [
    {
      field: "model.lp",
      description: "line 3, column 5: unexpected “>”",
      line: 3,
      column: 5,
    },
  ]);
  assert.equal(problem.retryAfterSeconds, undefined);
});

test("an error in mid-stream comes after the messages", async () => {
  answer(joined(event(1), trailers("grpc-status: 14\r\ngrpc-message: stopping\r\n")));
  const found: number[] = [];
  const reading = async () => {
    for await (const { kind } of client.watchResults({ jobIds: ["j"] })) {
      if (kind.case === "event") found.push(kind.value.sequence);
    }
  };
  await assert.rejects(reading, { code: "UNAVAILABLE", message: "stopping" });
  assert.deepEqual(found, [1]);
});

test("a stream that ends without trailers was cut", async () => {
  answer(joined(event(1), event(2).slice(0, 9)));
  await assert.rejects(sequences, { code: "UNAVAILABLE" });
});

test("what is not a gateway is told apart", async () => {
  answer(new Uint8Array(), {}, 1, 502);
  await assert.rejects(client.getJob({ jobId: "j" }), { code: "UNAVAILABLE" });
  answer(new TextEncoder().encode("<html>"), { "content-type": "text/html" });
  await assert.rejects(client.getJob({ jobId: "j" }), { code: "UNKNOWN", message: /gRPC-Web/ });
});

test("no connection, a timeout and an abort have their codes", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("failed to fetch");
  };
  await assert.rejects(client.getJob({ jobId: "j" }), { code: "UNAVAILABLE" });

  globalThis.fetch = (_, init) =>
    new Promise((_, reject) => {
      init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
  // An unreferenced timer alone does not keep Node running.
  const alive = setTimeout(() => undefined, 5_000);
  await assert.rejects(client.getJob({ jobId: "j" }, { timeoutMs: 20 }), {
    code: "DEADLINE_EXCEEDED",
  });
  const abort = new AbortController();
  const call = client.getJob({ jobId: "j" }, { signal: abort.signal });
  setTimeout(() => abort.abort(), 5);
  await assert.rejects(call, { code: "CANCELLED" });
  clearTimeout(alive);
});

test("a caller that stops reading ends the call", async () => {
  let cancelled = false;
  globalThis.fetch = async () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(event(1)),
        cancel: () => {
          cancelled = true;
        },
      }),
      { headers: { "content-type": "application/grpc-web+proto" } },
    );
  for await (const _ of client.watchResults({ jobIds: ["j"] })) break;
  assert.equal(cancelled, true);
});

test("every other exception is an error of the call too", async () => {
  globalThis.fetch = async () => {
    throw new Error("odd");
  };
  await assert.rejects(client.getJob({ jobId: "j" }), RpcError);
});
