// The view of a job: what it is, how it stands, and tabs with everything that is known of it.

import { useEffect, useMemo, useState } from "preact/hooks";
import { JobState } from "../../gen/solvemesh/v1/job_pb";
import { TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import { hasChart, SolveChart } from "../chart/SolveChart";
import { clock, count, percent } from "../format";
import { useShortcuts } from "../keys";
import { stateWord } from "../parts/Chip";
import { copyText } from "../parts/Copy";
import { type Tab, Tabs } from "../parts/Tabs";
import { go } from "../router";
import { sentenceOf } from "../sentence";
import type { Story } from "../story";
import { useTabTitle } from "../tab-title";
import { connection, follow, unfollow } from "../watcher";
import "./job.css";
import { JobCheck } from "./JobCheck";
import { JobCodeTab } from "./JobCodeTab";
import { JobEvents } from "./JobEvents";
import { JobHead } from "./JobHead";
import { JobLog } from "./JobLog";
import { JobModel } from "./JobModel";
import { JobSolution } from "./JobSolution";
import { JobTiles } from "./JobTiles";
import { JobWhy } from "./JobWhy";
import { SweepView } from "./Sweep";

export interface JobViewProps {
  id: string;
  /** The chosen tab. */
  tab?: string | undefined;
  /** Beside the model, in less width; the tab is not in the address then. */
  compact?: boolean;
}

export function JobView({ id, tab, compact = false }: JobViewProps) {
  const shown = useMemo(() => follow(id), [id]);
  useEffect(() => () => unfollow(id), [id]);
  const story = shown.value;
  if (!story) return <p class="empty">Loading the job…</p>;
  if (story.problem && story.lastSequence === 0) return <Missing story={story} />;
  return <JobStory story={story} tab={tab} compact={compact} />;
}

interface JobStoryProps {
  story: Story;
  tab: string | undefined;
  compact: boolean;
}

function JobStory({ story, tab, compact }: JobStoryProps) {
  const [ownTab, setOwnTab] = useState<string>();
  const choose = (next: string) => {
    if (compact) setOwnTab(next);
    else go(`#/job/${story.id}/${next}`, true);
  };
  const tabs = tabsOf(story);
  const wanted = (compact ? ownTab : tab) ?? defaultTab(story);
  const chosen = tabs.some((each) => each.id === wanted) ? wanted : (tabs[0]?.id ?? "");

  useShortcuts([
    { keys: "l", does: "show the log", run: () => choose("log") },
    { keys: "s", does: "show the solution", run: () => choose("solution") },
    { keys: "y", does: "copy the id of the job", run: () => void copyText(story.id) },
  ]);
  useTabTitle(titleOf(story), sentenceOf(story).tone);

  const isStale = !story.finished && connection.value.kind !== "live";
  return (
    <article class={`job ${compact ? "job-compact" : ""}`}>
      <JobHead story={story} compact={compact} />
      <Announcement story={story} />
      <Staleness stale={isStale} />
      <div class={`job-body ${isStale ? "job-stale" : ""}`}>
        {story.scenarios ? (
          <SweepView story={story} />
        ) : (
          <>
            <JobTiles story={story} />
            {hasChart(story) && <SolveChart story={story} />}
          </>
        )}
        <div class="job-tabs card">
          <Tabs label="Parts of the job" tabs={tabs} chosen={chosen} onChoose={choose} />
        </div>
      </div>
    </article>
  );
}

/** Tells a screen reader of changes of the state; not of every number. */
function Announcement({ story }: { story: Story }) {
  const [, word] = stateWord(story.job.state);
  const text = story.finished ? sentenceOf(story).text : word;
  return (
    <p class="visually-hidden" role="status">
      {text}
    </p>
  );
}

/** The numbers are those of the last contact. */
function Staleness({ stale }: { stale: boolean }) {
  const [since, setSince] = useState<Date>();
  useEffect(() => {
    const lost = new Date();
    // A short break is not worth a message that makes the page jump.
    const timer = setTimeout(() => setSince(stale ? lost : undefined), stale ? 700 : 0);
    return () => clearTimeout(timer);
  }, [stale]);
  if (!stale || !since) return null;
  return (
    <p class="notice notice-warn">
      The connection to the gateway is lost; the page tries again by itself. Numbers are as of{" "}
      {clock(since)}.
    </p>
  );
}

function Missing({ story }: { story: Story }) {
  const { problem } = story;
  const text =
    problem?.reason === "JOB_FORGOTTEN"
      ? "This job finished so long ago that it is no longer stored: its time in the log is over."
      : problem?.reason === "JOB_NOT_FOUND"
        ? "This mesh has no such job. A gateway without a broker forgets its jobs when it ends."
        : (problem?.message ?? "");
  return (
    <div class="card empty">
      <h1 class="job-missing">No such job</h1>
      <p>{text}</p>
      <p class="job-missing-id mono">{story.id}</p>
      <p>
        <a href="#/jobs">All jobs</a>
      </p>
    </div>
  );
}

function tabsOf(story: Story): Tab[] {
  const { job, solution, incumbent, log, events, result } = story;
  const values = solution?.values.length ?? incumbent?.values.length ?? 0;
  const reason = result?.termination?.reason;
  const hasWhy =
    reason === TerminationReason.INFEASIBLE ||
    reason === TerminationReason.UNBOUNDED ||
    reason === TerminationReason.INFEASIBLE_OR_UNBOUNDED;
  const lines = log.length + log.dropped;
  const badge = (n: number) => (n > 0 ? count(n) : undefined);

  const solve: (Tab | false)[] = [
    hasWhy && { id: "why", title: "Why", panel: () => <JobWhy story={story} /> },
    {
      id: "solution",
      title: solution || values === 0 ? "Solution" : "Best so far",
      badge: badge(values),
      panel: () => <JobSolution story={story} />,
    },
    { id: "log", title: "Log", badge: badge(lines), panel: () => <JobLog story={story} /> },
    {
      id: "check",
      title: "Check",
      badge: result?.verification && isClean(story) ? "✓" : undefined,
      panel: () => <JobCheck story={story} />,
    },
  ];
  const always: Tab[] = [
    {
      id: "events",
      title: "Events",
      badge: badge(events.length + events.dropped),
      panel: () => <JobEvents story={story} />,
    },
    { id: "model", title: "Model", panel: () => <JobModel story={story} /> },
    { id: "code", title: "As code", panel: () => <JobCodeTab story={story} /> },
  ];
  // A job that failed, or that never began, has but some of them.
  const canHave = !job.failure && !(story.finished && job.attempt === 0);
  const hasPart: { [id: string]: boolean } = {
    solution: canHave || incumbent !== undefined,
    log: canHave || lines > 0,
    check: canHave,
  };
  const own = solve.filter((tab) => tab !== false && (hasPart[tab.id] ?? true));
  return [...(story.scenarios ? [] : own), ...always].filter((tab) => tab !== false);
}

/** Whether the check accepts the result. */
function isClean({ result }: Story): boolean {
  const reason = result?.termination?.reason;
  return reason === TerminationReason.OPTIMAL || reason === TerminationReason.FEASIBLE;
}

/** What one wants to see first. */
function defaultTab({ job, result, solution, incumbent, log }: Story): string {
  if (job.failure) return incumbent ? "solution" : log.length > 0 ? "log" : "events";
  if (result && !solution) return "why";
  if (job.attempt === 0) return "model";
  if (solution || incumbent) return "solution";
  return "log";
}

/** The title of the tab: the state and the gap. */
function titleOf(story: Story): string {
  const { job, points, scenarios } = story;
  const name = job.description?.modelName || "job";
  if (story.finished) {
    const reason = story.result?.termination?.reason;
    const word = reason && TerminationReason[reason]?.toLowerCase().replaceAll("_", " ");
    return `${word ?? stateWord(job.state)[1]} · ${name}`;
  }
  if (job.state !== JobState.RUNNING) return `${stateWord(job.state)[1]} · ${name}`;
  if (scenarios) return `${percent(scenarios.answered / Math.max(1, scenarios.count))} · ${name}`;
  const gap = points.last()?.gap ?? Number.NaN;
  return `${Number.isNaN(gap) ? "running" : percent(gap)} · ${name}`;
}
