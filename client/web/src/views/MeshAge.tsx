// How long a process has run, and how long it has said nothing.

import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { duration } from "../format";
import { roughly } from "../queue-words";
import { millisOf, secondsOf } from "../time";

/** A heartbeat that is older, in seconds, is late: they come every 5 s. */
const LATE_SECONDS = 7;

interface Props {
  status: { startTime?: Timestamp | undefined; heartbeatAge?: Duration | undefined };
  now: Timestamp | undefined;
}

export function MeshAge({ status, now }: Props) {
  const started = millisOf(status.startTime);
  const time = millisOf(now);
  const age = secondsOf(status.heartbeatAge);
  return (
    <span class="mesh-minor">
      {started !== undefined && time !== undefined && (
        <>up {roughly(Math.max(0, time - started) / 1000)} · </>
      )}
      {age !== undefined && (
        <span class={age > LATE_SECONDS ? "mesh-bad" : ""}>
          heartbeat {age < 1 ? "< 1 s" : duration(Math.round(age))} ago
        </span>
      )}
    </span>
  );
}
