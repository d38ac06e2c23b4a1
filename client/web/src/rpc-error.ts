// The status of a failed call.

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { StatusSchema } from "../gen/google/rpc/status_pb";

/** The codes of gRPC by their numbers. */
const CODES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

export type Code = (typeof CODES)[number];

/** A message in the details of a status. */
export interface Detail {
  typeUrl: string;
  value: Uint8Array;
}

/** A call failed: the gateway refused it, or it could not be reached. */
export class RpcError extends Error {
  override readonly name = "RpcError";

  constructor(
    readonly code: Code,
    message: string,
    readonly details: readonly Detail[] = [],
  ) {
    super(message);
  }

  /** The details of a type. */
  detailsOf<T extends DescMessage>(schema: T): MessageShape<T>[] {
    return this.details
      .filter(({ typeUrl }) => typeUrl.endsWith(`/${schema.typeName}`))
      .map(({ value }) => fromBinary(schema, value));
  }
}

/** The error of an exception of `fetch`, of reading a body, or of an abort. */
export function rpcErrorOf(cause: unknown): RpcError {
  if (cause instanceof RpcError) return cause;
  if (!(cause instanceof Error)) return new RpcError("UNKNOWN", String(cause));
  switch (cause.name) {
    case "TimeoutError":
      return new RpcError("DEADLINE_EXCEEDED", "the gateway did not answer in time");
    case "AbortError":
      return new RpcError("CANCELLED", "the call was cancelled");
    case "TypeError":
      // `fetch` throws it if there is no connection, or if it is cut.
      return new RpcError("UNAVAILABLE", "the gateway cannot be reached");
    default:
      return new RpcError("UNKNOWN", cause.message);
  }
}

/** The error that headers or trailers tell; undefined if the status is OK. */
export function statusOf(headers: Headers): RpcError | undefined {
  const number = Number(headers.get("grpc-status") ?? 0);
  if (number === 0) return undefined;
  const message = decodePercent(headers.get("grpc-message") ?? "");
  return new RpcError(CODES[number] ?? "UNKNOWN", message, detailsIn(headers));
}

/** The error of an HTTP status without a gRPC status: from a proxy, or not a gateway at all. */
export function httpError(status: number): RpcError {
  const codes: { [status: number]: Code } = {
    400: "INTERNAL",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    429: "UNAVAILABLE",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
  };
  return new RpcError(codes[status] ?? "UNKNOWN", `the server answered with HTTP ${status}`);
}

function detailsIn(headers: Headers): Detail[] {
  const encoded = headers.get("grpc-status-details-bin");
  if (!encoded) return [];
  try {
    return fromBinary(StatusSchema, base64Decode(encoded)).details;
  } catch {
    // Details only add to a status.
    return [];
  }
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
