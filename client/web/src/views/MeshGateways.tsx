// The gateways: how far each is behind the results log, and what it serves.

import type { GatewayStatus, MeshState } from "../../gen/solvemesh/v1/mesh_pb";
import { count, duration } from "../format";
import { Chip } from "../parts/Chip";
import { secondsOf } from "../time";
import { MeshAge } from "./MeshAge";
import { Fact, Facts } from "./MeshFacts";

/** A gateway that is further behind the log, in seconds, shows old numbers. */
const LATE_SECONDS = 5;

export function MeshGateways({ mesh }: { mesh: MeshState }) {
  return (
    <section class="mesh-section">
      <h2>Gateways</h2>
      <div class="card">
        {mesh.gateways.map((gateway) => (
          <GatewayRow
            key={`${gateway.name} ${gateway.startTime?.seconds}`}
            gateway={gateway}
            mesh={mesh}
          />
        ))}
      </div>
    </section>
  );
}

function GatewayRow({ gateway, mesh }: { gateway: GatewayStatus; mesh: MeshState }) {
  const { name, version, watcherCount, liveJobCount, isSender } = gateway;
  const lag = secondsOf(gateway.logLag);
  return (
    <article class="mesh-row">
      <div class="mesh-name">
        <h3>
          {name} {isSender && <Chip tone="good">this one</Chip>}
        </h3>
        <span class="mesh-minor">{version}</span>
        <MeshAge status={gateway} now={mesh.time} />
      </div>
      <Facts>
        <Fact
          name="Log lag"
          hint="From the writing of the latest entry of the results log to its arrival at this gateway, by their clocks"
          isBad={lag !== undefined && lag > LATE_SECONDS}
        >
          {lag === undefined ? "–" : duration(lag)}
        </Fact>
        <Fact name="Watches" hint="Open streams of results">
          {count(watcherCount)}
        </Fact>
        <Fact name="Live jobs" hint="Jobs in its table that have not finished">
          {count(liveJobCount)}
        </Fact>
      </Facts>
    </article>
  );
}
