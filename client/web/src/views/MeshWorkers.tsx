// The workers, and what each of their slots does.

import type { MeshState, WorkerStatus } from "../../gen/solvemesh/v1/mesh_pb";
import { count, counted, duration } from "../format";
import { type Work, workOf } from "../mesh/words";
import { Chip } from "../parts/Chip";
import { MeshAge } from "./MeshAge";

/** More slots than these are drawn as one bar. */
const MAX_CELLS = 48;
/** Jobs of a worker that are shown at once; the others are folded. */
const MAX_SHOWN = 4;

export function MeshWorkers({ mesh }: { mesh: MeshState }) {
  const { workers, omittedWorkerCount } = mesh;
  return (
    <section class="mesh-section">
      <h2>Workers</h2>
      {workers.length === 0 ? (
        <p class="notice notice-warn">
          <strong>No worker is connected.</strong>
          <span>Jobs are queued until one is.</span>
        </p>
      ) : (
        <div class="card">
          {workers.map((worker) => (
            <WorkerRow
              key={`${worker.name} ${worker.startTime?.seconds}`}
              worker={worker}
              mesh={mesh}
            />
          ))}
          {omittedWorkerCount > 0 && (
            <p class="mesh-row mesh-minor">
              and {counted(omittedWorkerCount, "worker")} more, too many to be listed
            </p>
          )}
        </div>
      )}
    </section>
  );
}

function WorkerRow({ worker, mesh }: { worker: WorkerStatus; mesh: MeshState }) {
  const work = workOf(worker, mesh);
  const rest = work.slice(MAX_SHOWN);
  return (
    <article class="mesh-row mesh-worker">
      <div class="mesh-name">
        <h3>
          {worker.name} {worker.draining && <Chip tone="warn">draining</Chip>}
        </h3>
        <span class="mesh-minor">
          {[worker.version, worker.lanes.join(", ")].filter(Boolean).join(" · ")}
        </span>
        <MeshAge status={worker} now={mesh.time} />
      </div>
      <SlotBar busy={worker.busySlots.length} slots={worker.slotCount} />
      <div class="mesh-work">
        {work.length === 0 && <span class="mesh-minor">{idleWords(worker)}</span>}
        <WorkList work={work.slice(0, MAX_SHOWN)} />
        {rest.length > 0 && (
          <details>
            <summary>{count(rest.length)} more</summary>
            <WorkList work={rest} />
          </details>
        )}
      </div>
    </article>
  );
}

function idleWords({ draining }: WorkerStatus): string {
  return draining ? "takes no more jobs" : "waits for a job";
}

function WorkList({ work }: { work: readonly Work[] }) {
  return (
    <ul>
      {work.map(({ jobId, lane, slots, seconds }) => (
        <li key={jobId}>
          <a class="mono" href={`#/job/${encodeURIComponent(jobId)}`} title={jobId}>
            {jobId.slice(0, 8)}
          </a>
          <span class="mesh-minor">
            {[
              slots > 1 && `sweep, ${counted(slots, "slot")}`,
              lane,
              seconds !== undefined && `for ${duration(Math.round(seconds))}`,
            ]
              .filter(Boolean)
              .join(" · ")}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** A cell for each slot; of many slots, one bar. */
function SlotBar({ busy, slots }: { busy: number; slots: number }) {
  const total = Math.max(slots, busy);
  const cells = total <= MAX_CELLS ? total : 1;
  return (
    <div class="mesh-slots">
      <span>
        <strong>{count(busy)}</strong> of {count(slots)} busy
      </span>
      <span class="mesh-bar" aria-hidden="true">
        {Array.from({ length: cells }, (_, cell) => (
          <span
            key={cell}
            style={{ "--busy-share": cells > 1 ? Number(cell < busy) : busy / Math.max(1, total) }}
          />
        ))}
      </span>
    </div>
  );
}
