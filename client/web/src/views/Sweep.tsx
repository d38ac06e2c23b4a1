// The view of a sweep: its progress, its chart, and the results of its scenarios.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { ObjectiveSense } from "../../gen/solvemesh/v1/model_pb";
import type { SweepDescription } from "../../gen/solvemesh/v1/sweep_pb";
import { count, duration, number } from "../format";
import type { Scenarios } from "../scenarios";
import { sentRequest } from "../sent";
import type { Story } from "../story";
import { type Design, designOf, parameterNames, shownValue } from "../sweep/axes";
import { countsOf, type Extremes, extremesOf, measuresOf } from "../sweep/measure";
import { PaceMeter } from "../sweep/progress";
import { isSolved, reasonWord } from "../sweep/reasons";
import { shortNumber } from "../sweep/scale";
import { nameOf, SweepChart } from "./SweepChart";
import { ScenarioCard } from "./SweepScenario";
import { ScenarioTable } from "./SweepTable";
import "./sweep.css";

export function SweepView({ story }: { story: Story }) {
  const sweep = story.job.description?.sweep;
  const results = story.scenarios;
  if (!sweep || !results) return <p class="empty">Waiting for the description of the sweep…</p>;
  return <Sweep story={story} sweep={sweep} results={results} />;
}

interface SweepProps {
  story: Story;
  sweep: SweepDescription;
  results: Scenarios;
}

function Sweep({ story, sweep, results }: SweepProps) {
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const [reason, setReason] = useState<number | undefined>(undefined);
  const design = useMemo(() => designOf(sentRequest(story.id)?.sweep, sweep), [story.id, sweep]);
  const measures = useMemo(
    () => measuresOf(sweep, results),
    [sweep, results.valueWidth, results.dualWidth],
  );
  const maximise = sweep.sense === ObjectiveSense.MAXIMIZE;
  const extremes = extremesOf(results, maximise);
  const card = useRef<HTMLDivElement>(null);
  // On a phone the values are below the chart, so a choice brings them into view.
  useEffect(() => {
    if (chosen !== undefined) card.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const shown = chosen ?? extremes.best;

  return (
    <div class="sweep">
      <Progress
        story={story}
        results={results}
        design={design}
        extremes={extremes}
        reason={reason}
        onReason={setReason}
        onSelect={setChosen}
      />
      {design.kind === "unknown" && results.count > 1 && (
        <p class="sweep-note">
          This sweep was submitted elsewhere, and the mesh does not tell the values of its
          parameters: scenarios are shown by their {results.labels.size > 0 ? "labels" : "numbers"}.
        </p>
      )}
      <div class="sweep-main">
        <div class="card sweep-pane">
          <SweepChart
            results={results}
            design={design}
            measures={measures}
            best={extremes.best}
            maximise={maximise}
            selected={chosen}
            onSelect={setChosen}
            hasFailed={countsOf(results).some(({ reason }) => !isSolved(reason))}
            description={describe(story, results, design, extremes)}
          />
        </div>
        <div ref={card} class="card sweep-pane sweep-side">
          {shown === undefined ? (
            <p class="empty">The values of the best scenario will be here.</p>
          ) : (
            <ScenarioCard
              sweep={sweep}
              results={results}
              design={design}
              scenario={shown}
              isBest={shown === extremes.best}
              onClose={chosen === undefined ? undefined : () => setChosen(undefined)}
            />
          )}
        </div>
      </div>
      <ScenarioTable
        jobId={story.id}
        sweep={sweep}
        results={results}
        design={design}
        selected={chosen}
        reason={reason}
        onSelect={setChosen}
      />
    </div>
  );
}

interface ProgressProps {
  story: Story;
  results: Scenarios;
  design: Design;
  extremes: Extremes;
  reason: number | undefined;
  onReason(reason: number | undefined): void;
  onSelect(scenario: number): void;
}

function Progress(props: ProgressProps) {
  const { story, results, design, extremes } = props;
  const meter = useRef<PaceMeter>(undefined);
  meter.current ??= new PaceMeter();
  const { rate, elapsed, remaining } = meter.current.measure(story);
  const done = results.count > 0 ? results.answered / results.count : 0;
  const stoppedBy = story.job.sweepSummary?.stoppedBy;
  return (
    <div class="sweep-progress">
      <div class="sweep-facts">
        <Fact
          title="Scenarios"
          note={results.answered < results.count ? `of ${count(results.count)}` : shapeOf(design)}
        >
          {count(results.answered)}
        </Fact>
        <Fact
          title={story.finished ? "Took" : "Time"}
          note={
            remaining !== undefined && remaining > 1
              ? `about ${duration(Math.round(remaining))} left`
              : ""
          }
        >
          {elapsed === undefined ? "–" : duration(elapsed)}
        </Fact>
        <Fact title="Rate" note="per second">
          {rate === undefined ? "–" : number(rate, 3)}
        </Fact>
        <Extreme {...props} title="Best" scenario={extremes.best} />
        <Extreme {...props} title="Worst" scenario={extremes.worst} />
      </div>
      {!(story.finished && results.answered === results.count) && (
        <div
          class="sweep-bar"
          role="progressbar"
          aria-label="Scenarios with a result"
          aria-valuemin={0}
          aria-valuemax={results.count}
          aria-valuenow={results.answered}
        >
          <span style={{ width: `${done * 100}%` }} />
        </div>
      )}
      <div class="sweep-reasons">
        {countsOf(results).map(({ reason, count: times }) => {
          const [tone, word] = reasonWord(reason);
          const isChosen = props.reason === reason;
          return (
            <button
              key={reason}
              type="button"
              class={`chip chip-${tone === "busy" ? "idle" : tone} sweep-reason`}
              aria-pressed={isChosen}
              title={isChosen ? "Show all scenarios in the table" : "Show only these in the table"}
              onClick={() => props.onReason(isChosen ? undefined : reason)}
            >
              {count(times)} {word}
            </button>
          );
        })}
        {stoppedBy !== undefined && (
          <button type="button" class="sweep-link" onClick={() => props.onSelect(stoppedBy)}>
            stopped by {nameOf(results, stoppedBy)}
          </button>
        )}
        {story.finished && results.answered < results.count && stoppedBy === undefined && (
          <span class="sweep-missing">
            {count(results.count - results.answered)} without a result
          </span>
        )}
      </div>
    </div>
  );
}

interface FactProps {
  title: string;
  note?: string;
  children: ComponentChildren;
}

function Fact({ title, note, children }: FactProps) {
  return (
    <div class="sweep-fact">
      <div class="sweep-fact-title">{title}</div>
      <div class="sweep-fact-value">{children}</div>
      <div class="sweep-fact-note" title={note}>
        {note}
      </div>
    </div>
  );
}

interface ExtremeProps extends ProgressProps {
  title: string;
  scenario: number | undefined;
}

/** An objective that leads to its scenario. */
function Extreme({ title, results, design, scenario, onSelect }: ExtremeProps) {
  if (scenario === undefined) return <Fact title={title}>–</Fact>;
  return (
    <Fact title={title} note={placeOf(results, design, scenario)}>
      <button type="button" class="sweep-link" onClick={() => onSelect(scenario)}>
        {number(results.objectives[scenario] ?? Number.NaN)}
      </button>
    </Fact>
  );
}

/** Where a scenario is: its label, its parameters, or its number. */
function placeOf(results: Scenarios, design: Design, scenario: number): string {
  const label = results.labels.get(scenario);
  if (label) return label;
  const settings = parameterNames(design).flatMap((name, parameter) => {
    const value = shownValue(design, parameter, scenario);
    return value === undefined ? [] : [`${name} = ${shortNumber(value)}`];
  });
  return settings.length > 0 && settings.length <= 3
    ? settings.join(", ")
    : nameOf(results, scenario);
}

/** The lengths of the axes: "40 × 40". */
function shapeOf(design: Design): string {
  if (design.kind !== "grid" || design.axes.length < 2) return "";
  return design.axes.map(({ values }) => count(values.length)).join(" × ");
}

/** What the chart shows, for those who cannot see it. */
function describe(story: Story, results: Scenarios, design: Design, { best, worst }: Extremes) {
  const names = parameterNames(design);
  const over = names.length > 0 ? ` over ${names.join(" and ")}` : "";
  const parts = [
    `Objective${over}: ${count(results.answered)} of ${count(results.count)} scenarios have a result.`,
  ];
  for (const [word, scenario] of [
    ["Best", best],
    ["Worst", worst],
  ] as const) {
    if (scenario === undefined) continue;
    const value = number(results.objectives[scenario] ?? Number.NaN);
    parts.push(`${word}: ${value}, ${placeOf(results, design, scenario)}.`);
  }
  if (!story.finished) parts.push("The sweep is running.");
  return parts.join(" ");
}
