// The lanes: what waits, what runs, and how long a job would wait.

import type { LaneStatus } from "../../gen/solvemesh/v1/mesh_pb";
import { count, duration } from "../format";
import { rateText } from "../mesh/words";
import { roughly } from "../queue-words";
import { secondsOf } from "../time";
import { Fact, Facts } from "./MeshFacts";

interface Props {
  lanes: readonly LaneStatus[];
  /** Which jobs wait in a lane. */
  hint(name: string): string;
}

export function MeshLanes({ lanes, hint }: Props) {
  return (
    <section class="mesh-section">
      <h2>Lanes</h2>
      <div class="card">
        {lanes.map((lane) => (
          <LaneRow key={lane.name} lane={lane} hint={hint(lane.name)} />
        ))}
      </div>
    </section>
  );
}

function LaneRow({ lane, hint }: { lane: LaneStatus; hint: string }) {
  const { name, queuedCount, runningCount, slotCount, finishRate } = lane;
  const oldest = secondsOf(lane.oldestWait);
  const wait = secondsOf(lane.estimatedWait);
  return (
    <article class="mesh-row">
      <div class="mesh-name">
        <h3>{name}</h3>
        {hint && <span class="mesh-minor">{hint}</span>}
        {slotCount === 0 && (
          <span class={queuedCount > 0 ? "mesh-bad" : "mesh-minor"}>
            no worker takes jobs of this lane
          </span>
        )}
      </div>
      <Facts>
        <Fact name="Queued">{count(queuedCount)}</Fact>
        <Fact name="Running">{count(runningCount)}</Fact>
        <Fact name="Slots" hint="Of all workers that take jobs of this lane">
          {count(slotCount)}
        </Fact>
        <Fact name="Finished" hint="Jobs that finished, over the last minute">
          {rateText(finishRate)}
        </Fact>
        <Fact name="Oldest waits" hint="How long the oldest queued job has waited">
          {oldest === undefined ? "–" : duration(oldest < 10 ? oldest : Math.round(oldest))}
        </Fact>
        <Fact
          name="Wait, estimated"
          hint="How long a job submitted now would wait: an estimate from the latest jobs of this lane, which may have been unlike those that are queued now"
        >
          {wait === undefined ? "–" : roughly(wait)}
        </Fact>
      </Facts>
    </article>
  );
}
