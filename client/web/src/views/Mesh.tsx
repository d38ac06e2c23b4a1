// The view of the mesh: its lanes, workers and gateways as they are now, and what it can do.

import { gatewayAddress } from "../api";
import { clock } from "../format";
import { useCapabilities } from "../mesh/use-capabilities";
import { useMesh } from "../mesh/use-mesh";
import { INTERVAL_SECONDS, type MeshNews } from "../mesh/watch-mesh";
import { meshSummary } from "../mesh/words";
import { Stale } from "../parts/Stale";
import { laneHint, MeshCapabilities } from "./MeshCapabilities";
import { MeshGateways } from "./MeshGateways";
import { MeshLanes } from "./MeshLanes";
import { MeshWorkers } from "./MeshWorkers";
import "./mesh.css";

export function Mesh() {
  const news = useMesh();
  const { capabilities, problem, updated } = useCapabilities();
  const { state, isUnsupported } = news;
  const trouble = news.problem
    ? { problem: news.problem, updated: news.updated }
    : problem && { problem, updated };
  const solvers = capabilities?.solvers ?? [];
  const hint = (lane: string) => laneHint(lane, solvers);
  return (
    <div class="mesh">
      <header class="mesh-head">
        <h1>Mesh</h1>
        {state && <p>{meshSummary(state)}</p>}
        <Freshness news={news} />
        <a href="#/usage">Usage</a>
        {capabilities && (
          <p class="mesh-minor">
            gateway {capabilities.version} at{" "}
            <span class="mono">{new URL(gatewayAddress()).host}</span>
          </p>
        )}
      </header>
      {trouble && <Stale {...trouble} />}
      {capabilities?.ephemeral && (
        <p class="notice notice-warn">
          <strong>Jobs end with this process.</strong>
          <span>
            The gateway runs without a broker and solves jobs itself. When it ends, its jobs and
            their results are lost. With <code>--amqp</code> they are kept.
          </span>
        </p>
      )}
      {isUnsupported && (
        <p class="notice">
          This gateway is of a version that does not tell what its lanes and workers do. What it can
          do is below.
        </p>
      )}
      {state && (
        <div class={`mesh ${news.problem ? "mesh-stale" : ""}`}>
          <MeshLanes lanes={state.lanes} hint={hint} />
          <MeshWorkers mesh={state} />
          <MeshGateways mesh={state} />
        </div>
      )}
      {capabilities ? (
        <MeshCapabilities capabilities={capabilities} withLanes={!state} />
      ) : (
        !trouble && !state && <p class="empty">Asking the gateway…</p>
      )}
    </div>
  );
}

/** Whether the numbers are those of now. */
function Freshness({ news: { updated, problem } }: { news: MeshNews }) {
  if (!updated) return null;
  return (
    <span class="frame-state">
      <span class={`frame-dot frame-dot-${problem ? "reconnecting" : "live"}`} />
      {problem ? `as of ${clock(updated)}` : `live, every ${INTERVAL_SECONDS} s`}
    </span>
  );
}
