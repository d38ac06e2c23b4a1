// A gRPC-Web client over `fetch`: unary calls and server streams, binary.
//
// connect-es does the same and more, among it JSON and two other protocols, which would be a tenth
// of the size of this page.

import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { httpError, RpcError, rpcErrorOf, statusOf } from "./rpc-error";

export interface CallOptions {
  signal?: AbortSignal;
  /** Time after which the call fails; 0 for none. */
  timeoutMs?: number;
  /** Called when the call is open, before the first message. */
  onOpen?: () => void;
}

type Unary<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: CallOptions,
) => Promise<MessageShape<O>>;

type ServerStreaming<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: CallOptions,
) => AsyncGenerator<MessageShape<O>, void>;

/** The methods of a service. */
export type Client<S extends DescService> = {
  [P in keyof S["method"]]: S["method"][P] extends DescMethodUnary<infer I, infer O>
    ? Unary<I, O>
    : S["method"][P] extends DescMethodServerStreaming<infer I, infer O>
      ? ServerStreaming<I, O>
      : never;
};

/** Makes a call, which it may wait with or repeat. Its signal is that of the caller. */
export type Around = <T>(
  call: () => AsyncGenerator<T, void>,
  signal: AbortSignal | undefined,
) => AsyncGenerator<T, void>;

type Init = MessageInitShape<DescMessage>;

type Method =
  | DescMethodUnary<DescMessage, DescMessage>
  | DescMethodServerStreaming<DescMessage, DescMessage>;

/**
 * A client of a service at an address. Unary calls have a timeout unless they set their own. The
 * headers are sent with each call, as they are at its time.
 */
export function createClient<S extends DescService>(
  service: S,
  baseUrl: string,
  unaryTimeoutMs: number,
  headers: Record<string, string> = {},
  around: Around = (call) => call(),
): Client<S> {
  const methods = Object.entries(service.method).map(([name, method]) => {
    const called = method as Method;
    if (called.methodKind === "server_streaming") {
      const stream = (request: Init, options: CallOptions = {}) =>
        around(() => call(called, baseUrl, request, { ...options, headers }), options.signal);
      return [name, stream] as const;
    }
    const unary = async (request: Init, options: CallOptions = {}) => {
      const responses = around(
        () => call(called, baseUrl, request, { timeoutMs: unaryTimeoutMs, ...options, headers }),
        options.signal,
      );
      // The call is read to its end: an error may follow the message.
      const received = [];
      for await (const response of responses) received.push(response);
      if (received.length === 1) return received[0];
      throw new RpcError("INTERNAL", `${received.length} responses to a unary call`);
    };
    return [name, unary] as const;
  });
  return Object.fromEntries(methods) as Client<S>;
}

/** Makes a call, and returns its messages. It throws nothing but `RpcError`. */
async function* call(
  method: Method,
  baseUrl: string,
  request: Init,
  options: CallOptions & { headers: Record<string, string> },
): AsyncGenerator<MessageShape<DescMessage>, void> {
  try {
    const message = toBinary(method.input, create(method.input, request));
    const signal = signalOf(options);
    const url = `${baseUrl.replace(/\/+$/, "")}/${method.parent.typeName}/${method.name}`;
    const response = await fetch(url, {
      method: "POST",
      headers: {
        ...options.headers,
        "content-type": "application/grpc-web+proto",
        "x-grpc-web": "1",
        ...(options.timeoutMs && { "grpc-timeout": `${Math.ceil(options.timeoutMs)}m` }),
      },
      body: envelope(message),
      redirect: "error",
      ...(signal && { signal }),
    });
    const refusal = statusOf(response.headers);
    if (refusal) throw refusal;
    if (!response.ok) throw httpError(response.status);
    if (!response.headers.get("content-type")?.startsWith("application/grpc-web")) {
      throw new RpcError("UNKNOWN", "the server does not speak gRPC-Web");
    }
    options.onOpen?.();
    for await (const data of messagesIn(response)) yield fromBinary(method.output, data);
  } catch (error) {
    throw rpcErrorOf(error);
  }
}

function signalOf({ signal, timeoutMs }: CallOptions): AbortSignal | undefined {
  if (!timeoutMs) return signal;
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

/** A message in its frame: a byte of flags, and the length in four bytes. */
function envelope(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const framed = new Uint8Array(HEADER_BYTES + message.length);
  new DataView(framed.buffer).setUint32(1, message.length);
  framed.set(message, HEADER_BYTES);
  return framed;
}

const HEADER_BYTES = 5;
const COMPRESSED = 0x01;
const TRAILERS = 0x80;

/** The messages of a response, up to its trailers. */
async function* messagesIn(response: Response): AsyncGenerator<Uint8Array, void> {
  for await (const { flags, data } of framesIn(response)) {
    if (flags & TRAILERS) {
      const error = statusOf(parseTrailers(data));
      if (error) throw error;
      return;
    }
    if (flags & COMPRESSED) throw new RpcError("INTERNAL", "the response is compressed");
    yield data;
  }
  // A gateway that was killed, or a proxy that ends streams, sends no trailers.
  if (!response.headers.has("grpc-status")) {
    throw new RpcError("UNAVAILABLE", "the connection was cut");
  }
}

async function* framesIn({
  body,
}: Response): AsyncGenerator<{ flags: number; data: Uint8Array }, void> {
  if (!body) return;
  const reader = body.getReader();
  const buffer = new Buffer();
  try {
    for (;;) {
      while (buffer.length < HEADER_BYTES) if (!(await fill(reader, buffer))) return;
      const header = buffer.take(HEADER_BYTES);
      const length = new DataView(header.buffer, header.byteOffset).getUint32(1);
      while (buffer.length < length) if (!(await fill(reader, buffer))) return;
      yield { flags: header[0] ?? 0, data: buffer.take(length) };
    }
  } finally {
    // A caller that stops reading ends the call.
    await reader.cancel().catch(() => undefined);
  }
}

async function fill(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  buffer: Buffer,
): Promise<boolean> {
  const { done, value } = await reader.read();
  if (value) buffer.push(value);
  return !done;
}

/** Chunks as they arrive. They are joined once a frame is complete, not for each chunk. */
class Buffer {
  private chunks: Uint8Array[] = [];
  length = 0;

  push(chunk: Uint8Array): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  take(count: number): Uint8Array {
    const [first] = this.chunks;
    if (first && first.length > count) {
      this.chunks[0] = first.subarray(count);
      this.length -= count;
      return first.subarray(0, count);
    }
    const joined = new Uint8Array(this.length);
    let end = 0;
    for (const chunk of this.chunks) {
      joined.set(chunk, end);
      end += chunk.length;
    }
    this.chunks = joined.length > count ? [joined.subarray(count)] : [];
    this.length -= count;
    return joined.subarray(0, count);
  }
}

function parseTrailers(data: Uint8Array): Headers {
  const trailers = new Headers();
  for (const line of new TextDecoder().decode(data).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) trailers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return trailers;
}
