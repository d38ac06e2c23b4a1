// The numbers of a solve at a glance.

import { count, duration, exact, number, percent } from "../format";
import type { Story } from "../story";
import { secondsOf } from "../time";

export function JobTiles({ story }: { story: Story }) {
  const { job, points, found, result } = story;
  const isMip = (job.description?.size?.integerCount ?? 0) > 0;
  const last = points.last();
  const statistics = result?.statistics;
  const termination = result?.termination;
  const objective = result ? termination?.objective : last?.objective;
  const bound = result ? termination?.objectiveBound : last?.bound;
  const gap = result ? termination?.relativeGap : last?.gap;
  const nodes = statistics?.nodeCount ?? job.progress?.nodeCount;
  const iterations =
    statistics?.simplexIterationCount ||
    statistics?.barrierIterationCount ||
    (job.progress?.iterationCount ?? statistics?.simplexIterationCount);
  // Where nothing is known, the sentence above says it all.
  const isOver = story.finished && objective === undefined && bound === undefined;
  if (isOver || job.attempt === 0) return null;
  return (
    <dl class="job-tiles card">
      <ValueTile title={isMip ? "Best" : "Objective"} class="job-best" value={objective} />
      <ValueTile title="Bound" class="job-bound" value={bound} />
      <Tile title="Gap" exact={gap === undefined ? "" : exact(gap)}>
        {percent(gap ?? Number.NaN)}
      </Tile>
      <TimeTile story={story} />
      {isMip && <CountTile title="Nodes" value={nodes} />}
      <CountTile title="Iterations" value={iterations} />
      {isMip && <CountTile title="Solutions" value={found.length + found.dropped} />}
    </dl>
  );
}

interface TileProps {
  title: string;
  class?: string;
  /** All digits, shown on hover. */
  exact?: string;
  children: string;
}

function Tile({ title, class: name = "", exact: all, children }: TileProps) {
  return (
    <div class={`job-tile ${name}`}>
      <dt>{title}</dt>
      <dd title={all || undefined}>{children}</dd>
    </div>
  );
}

interface ValueTileProps {
  title: string;
  class: string;
  value: number | undefined;
}

function ValueTile({ title, class: name, value = Number.NaN }: ValueTileProps) {
  return (
    <Tile title={title} class={name} exact={exact(value)}>
      {number(value)}
    </Tile>
  );
}

function CountTile({ title, value }: { title: string; value: number | bigint | undefined }) {
  return <Tile title={title}>{value === undefined ? "–" : count(value)}</Tile>;
}

/** The time of the present attempt, as a part of its limit. */
function TimeTile({ story }: { story: Story }) {
  const { job, result, attempts, points } = story;
  const limit = secondsOf(job.description?.options?.timeLimit);
  const sinceStart = (points.last()?.seconds ?? 0) - (attempts.last()?.seconds ?? 0);
  const time =
    secondsOf(result?.statistics?.solveTime) ?? secondsOf(job.progress?.elapsed) ?? sinceStart;
  const share = limit ? Math.min(1, Math.max(0, time / limit)) : 0;
  return (
    <div class="job-tile">
      <dt>Time{limit ? <span class="job-limit"> of {duration(limit)}</span> : null}</dt>
      <dd>{time > 0 && time < 0.001 ? "< 1 ms" : duration(time)}</dd>
      {limit !== undefined && (
        <span class="job-bar" aria-hidden="true">
          <span style={{ width: `${share * 100}%` }} />
        </span>
      )}
    </div>
  );
}
