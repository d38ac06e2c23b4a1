// What went wrong with a call, taken from the `google.rpc` details of its status.

import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../gen/google/rpc/error_details_pb";
import { rpcErrorOf } from "./rpc-error";

/** An invalid field of a request. */
export interface Violation {
  field: string;
  description: string;
  /** The place in the text of a model, from 1. */
  line?: number;
  column?: number;
}

/** The error of a call. */
export interface Problem {
  /** The gRPC code, as in "INVALID_ARGUMENT". */
  code: string;
  /** The reason of docs/errors.md, or empty if the error is not from a gateway. */
  reason: string;
  message: string;
  violations: Violation[];
  /** Metadata of the reason, such as `job_id` or `limit`. */
  metadata: { [key: string]: string };
  /** Time to wait before a retry. Absent: a retry does not help. */
  retryAfterSeconds?: number;
}

/** The problem that an exception of a call stands for. */
export function problemOf(error: unknown): Problem {
  const status = rpcErrorOf(error);
  const info = status.detailsOf(ErrorInfoSchema)[0];
  const metadata = info?.metadata ?? {};
  const violations = status
    .detailsOf(BadRequestSchema)
    .flatMap((request) => request.fieldViolations)
    .map(({ field, description }) => ({ field, description, ...placeIn(description) }));

  // The metadata has the place of the first error that has one; older texts have it there only.
  const [line, column] = [Number(metadata.line), Number(metadata.column)];
  const first = violations[0];
  if (line > 0 && first && !violations.some((violation) => violation.line)) {
    first.line = line;
    if (column > 0) first.column = column;
  }

  const delay = status.detailsOf(RetryInfoSchema)[0]?.retryDelay;
  return {
    code: status.code,
    reason: info?.reason ?? "",
    message: status.message || "the gateway gave no reason",
    violations,
    metadata,
    ...(delay && { retryAfterSeconds: Number(delay.seconds) + delay.nanos / 1e9 }),
  };
}

/** The place that a description begins with: "line 3, column 5: …". */
function placeIn(description: string): { line?: number; column?: number } {
  const match = /^line (\d+)(?:, column (\d+))?/.exec(description);
  if (!match) return {};
  return { line: Number(match[1]), ...(match[2] && { column: Number(match[2]) }) };
}
