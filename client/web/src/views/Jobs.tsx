// The view of all jobs: a live list, with filters in the address.

import { useMemo, useState } from "preact/hooks";

import type { Job } from "../../gen/solvemesh/v1/job_pb";
import { count } from "../format";
import { PAGE_SIZE } from "../jobs/list";
import { hashOf, type ListQuery, parseQuery, withLabel } from "../jobs/query";
import { useJobs } from "../jobs/use-jobs";
import { useLive } from "../jobs/use-live";
import { Stale } from "../parts/Stale";
import { VirtualTable } from "../parts/VirtualTable";
import { go, route } from "../router";
import { jobColumns } from "./JobsColumns";
import { JobFilters } from "./JobsFilters";
import { StopJobs } from "./JobsStop";
import { useNarrow } from "./use-narrow";
import "./jobs.css";

export function Jobs() {
  const { value } = route;
  const params = value.view === "jobs" ? value.params : new URLSearchParams();
  const address = params.toString();
  const query = useMemo(() => parseQuery(params), [address]);
  // A list of its own for each query, so that no row and no mark stays of another one.
  return <JobsOf key={hashOf(query)} query={query} />;
}

function JobsOf({ query }: { query: ListQuery }) {
  const { list, problem, updated, refresh } = useJobs(query);
  const shown = list?.shown ?? NO_JOBS;
  const live = useLive(shown);
  const narrow = useNarrow();
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const isFiltered = query.states.length > 0 || query.labels.length > 0;

  const toggle = (id: string) => {
    const next = new Set(marked);
    if (!next.delete(id)) next.add(id);
    setMarked(next);
  };
  const columns = jobColumns({
    narrow,
    live,
    marked,
    gone: list?.gone ?? new Set(),
    onMark: toggle,
    onLabel: (key, value) => go(hashOf(withLabel(query, key, value))),
  });
  const unfinished = shown.filter((job) => !job.finishTime && !job.cancelRequested);

  return (
    <div class="jobs">
      <header class="jobs-head">
        <h1>Jobs</h1>
        {list && list.fresh.length > 0 && (
          <button type="button" class="button button-primary button-small" onClick={refresh}>
            {count(list.fresh.length)}
            {list.fresh.length >= PAGE_SIZE ? " or more" : ""} new
          </button>
        )}
        <StopJobs
          jobs={marked.size > 0 ? unfinished.filter((job) => marked.has(job.jobId)) : unfinished}
          isSelection={marked.size > 0}
          onDone={() => {
            setMarked(new Set());
            refresh();
          }}
        />
      </header>
      <JobFilters query={query} />
      {problem && <Stale problem={problem} updated={updated} />}
      {list ? (
        <VirtualTable
          label="Jobs"
          rows={shown}
          columns={columns}
          rowKey={(job) => job.jobId}
          version={list}
          rowHeight={narrow ? 64 : 44}
          onOpen={(job) => go(`#/job/${encodeURIComponent(job.jobId)}`)}
          rowClass={(job) => (list.gone.has(job.jobId) ? "jobs-gone" : undefined)}
          empty={<Empty isFiltered={isFiltered} isPage={query.page !== ""} />}
          keys
        />
      ) : (
        !problem && <p class="empty">Asking for the jobs…</p>
      )}
      {list && (query.page !== "" || list.next !== "") && (
        <nav class="jobs-pages" aria-label="Pages">
          {query.page !== "" && (
            <a class="button button-small" href={hashOf({ ...query, page: "" })}>
              ← Newest jobs
            </a>
          )}
          {list.next !== "" && (
            <a class="button button-small" href={hashOf({ ...query, page: list.next })}>
              Older jobs →
            </a>
          )}
        </nav>
      )}
    </div>
  );
}

const NO_JOBS: readonly Job[] = [];

function Empty({ isFiltered, isPage }: { isFiltered: boolean; isPage: boolean }) {
  if (isFiltered) {
    return (
      <div class="jobs-empty">
        <p>No job matches this filter.</p>
        <a class="button button-small" href="#/jobs">
          Show all jobs
        </a>
      </div>
    );
  }
  if (isPage) return <p>There are no older jobs.</p>;
  return (
    <div class="jobs-empty">
      <h2>No jobs yet</h2>
      <p>Jobs of this mesh appear here as soon as they are submitted, from wherever that is.</p>
      <a class="button button-primary" href="#/">
        Solve a model
      </a>
    </div>
  );
}
