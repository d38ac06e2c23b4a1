// Timestamps and durations of protobuf as numbers.

import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

/** A duration in seconds. */
export function secondsOf(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) + duration.nanos / 1e9;
}

/** A timestamp as milliseconds since 1970. */
export function millisOf(time: Timestamp | undefined): number | undefined {
  return time && Number(time.seconds) * 1000 + time.nanos / 1e6;
}

/** A timestamp as a date. */
export function dateOf(time: Timestamp | undefined): Date | undefined {
  const millis = millisOf(time);
  return millis === undefined ? undefined : new Date(millis);
}
