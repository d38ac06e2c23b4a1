// The view of what is used: by day, and by tenant and key.

import { useMemo, useState } from "preact/hooks";

import { bytes, count, counted, duration } from "../format";
import { Stale } from "../parts/Stale";
import { route } from "../router";
import { keyName, matches, parseUsageQuery, tenantName, type UsageQuery } from "../usage/query";
import { type DaySpent, dayOf, SHOWN_DAYS, together, usageByOwner } from "../usage/summary";
import { useUsage } from "../usage/use-usage";
import { Fact, Facts } from "./MeshFacts";
import { type Measure, spentText, UsageBars } from "./UsageBars";
import { UsageOwners } from "./UsageOwners";
import "./mesh.css";
import "./usage.css";

const SOLVER_TIME = "Solver time of the jobs that finished";

export function Usage() {
  const { usage, updated, problem } = useUsage();
  const { value } = route;
  const query = parseUsageQuery(value.view === "usage" ? value.params : new URLSearchParams());
  const today = dayOf((updated ?? new Date()).getTime());
  const owners = useMemo(() => (usage ? usageByOwner(usage, today) : []), [usage, today]);
  const shown = owners.filter((owner) => matches(query, owner));
  const { live, days, total } = together(shown, today);
  const isOpen = owners.every(({ tenant, key }) => !tenant && !key);
  const now = days.at(-1)!;
  return (
    <div class="mesh">
      <header class="mesh-head">
        <h1>Usage</h1>
        <Shown query={query} />
        <a href="#/mesh">Mesh</a>
      </header>
      {problem && <Stale problem={problem} updated={updated} />}
      {usage ? (
        <>
          <div class="card usage-card">
            <Facts>
              <Fact name="Live jobs" hint={`${counted(live.scenarios, "scenario")} of sweeps`}>
                {count(live.jobs)}
              </Fact>
              <Fact name="Memory" hint="About what queued and running jobs take of a gateway’s">
                {bytes(live.bytes)}
              </Fact>
              <Fact name="Jobs today">{count(now.jobs)}</Fact>
              <Fact name="Time today" hint={SOLVER_TIME}>
                {duration(now.seconds)}
              </Fact>
              <Fact name={`Jobs, ${SHOWN_DAYS} d`}>{count(total.jobs)}</Fact>
              <Fact name={`Time, ${SHOWN_DAYS} d`} hint={SOLVER_TIME}>
                {duration(total.seconds)}
              </Fact>
            </Facts>
            <Chart days={days} />
          </div>
          {!isOpen && <UsageOwners owners={shown} />}
          <Days days={days} />
        </>
      ) : (
        !problem && <p class="empty">Asking the gateway…</p>
      )}
    </div>
  );
}

/** Whose usage is shown, if it is not that of all. */
function Shown({ query: { tenant, key } }: { query: UsageQuery }) {
  if (tenant === undefined && key === undefined) return null;
  const names = [
    ...(tenant === undefined ? [] : [tenantName(tenant)]),
    ...(key === undefined ? [] : [keyName(key)]),
  ];
  return (
    <p>
      of <b>{names.join(" / ")}</b> · <a href="#/usage">show all</a>
    </p>
  );
}

function Chart({ days }: { days: readonly DaySpent[] }) {
  const [measure, setMeasure] = useState<Measure>("seconds");
  const most = days.reduce((best, day) => (day[measure] > best[measure] ? day : best));
  const isEmpty = most[measure] === 0;
  const choice = (value: Measure, title: string) => (
    <button type="button" aria-pressed={measure === value} onClick={() => setMeasure(value)}>
      {title}
    </button>
  );
  return (
    <figure class="usage-chart">
      <div class="usage-chart-head">
        <div class="switch">
          {choice("seconds", "Solver time")}
          {choice("jobs", "Jobs")}
        </div>
        <span class="mesh-minor">
          {isEmpty
            ? `No job finished in ${SHOWN_DAYS} days`
            : `most on ${most.day}: ${measure === "jobs" ? count(most.jobs) : duration(most.seconds)}`}
        </span>
      </div>
      <UsageBars
        days={days}
        measure={measure}
        label={`By day, from ${days[0]!.day} on. ${isEmpty ? "None." : `Most on ${most.day}: ${spentText(most)}.`}`}
      />
      <figcaption class="usage-ends mesh-minor">
        <span>{days[0]!.day}</span>
        <span>today</span>
      </figcaption>
    </figure>
  );
}

/** The numbers behind the bars. */
function Days({ days }: { days: readonly DaySpent[] }) {
  const used = days.filter(({ jobs }) => jobs > 0).reverse();
  if (used.length === 0) return null;
  return (
    <section class="mesh-section">
      <h2>Days</h2>
      <div class="card usage-card">
        <table class="usage-days">
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col">Jobs</th>
              <th scope="col">Solver time</th>
            </tr>
          </thead>
          <tbody>
            {used.map(({ day, jobs, seconds }) => (
              <tr key={day}>
                <th scope="row">{day}</th>
                <td>{count(jobs)}</td>
                <td>{duration(seconds)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="mesh-minor">
          Days are those of UTC. A job counts on the day on which it finishes, with the time from
          the start of its last attempt to its end.
        </p>
      </div>
    </section>
  );
}
