// The form of the article: a profit rate goes in, a plan for the week comes back. The slider
// sweeps the rate: one job solves it for all of its places, and moving it shows their answers.

import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

import { number } from "../format";
import {
  articleModel,
  DOORS_RATE,
  PRODUCTS,
  SLIDER,
  SLIDER_AXIS,
  sliderIndex,
  sliderRate,
} from "../model/article";
import { numberOf } from "../model/numbers";
import { DEFAULT_OPTIONS } from "../model/options";
import type { Draft } from "../model/request";
import type { Scenarios } from "../scenarios";
import type { Story } from "../story";
import { follow, unfollow } from "../watcher";
import { showBeside } from "./solve-layout";
import { busy, send } from "./solve-send";
import { replaceSource } from "./solve-state";

/** The field of the rate. */
const rate = signal("500");
/** The last solve, and its rate. */
const asked = signal({ jobId: "", rate: 0 });
/** The sweep of the slider; empty before it was first moved. */
const sweepId = signal("");
/** Whether the slider was used last, so that the answer is from its sweep. */
const sliding = signal(false);

function draftOf(value: number): Draft {
  return { source: articleModel(value), options: { ...DEFAULT_OPTIONS }, axes: [] };
}

/** The rate in the field, if the gateway would accept it as a coefficient. */
function rateOf(text: string): number | undefined {
  const value = numberOf(text) ?? Number.NaN;
  return Math.abs(value) < 1e15 ? value : undefined;
}

async function solveRate(): Promise<void> {
  const value = rateOf(rate.value);
  if (value === undefined || busy()) return;
  sliding.value = false;
  const jobId = await send(draftOf(value));
  if (!jobId) return;
  asked.value = { jobId, rate: value };
  showBeside(jobId);
}

/** Set while the sweep is being submitted, so that a drag submits one. */
let submitting = false;

async function slide(value: number): Promise<void> {
  rate.value = String(value);
  sliding.value = true;
  if (sweepId.value || submitting) return;
  submitting = true;
  const base = draftOf(500);
  const jobId = await send({
    ...base,
    axes: [SLIDER_AXIS],
    report: { variables: [...PRODUCTS] },
  });
  submitting = false;
  if (!jobId) return;
  sweepId.value = jobId;
  showBeside(jobId);
}

export function SolveArticle() {
  const solved = useStory(asked.value.jobId);
  const sweep = useStory(sweepId.value);
  const value = rateOf(rate.value);
  const wrong = value === undefined;
  const answer = sliding.value
    ? answerOfSweep(sweep?.scenarios, value ?? 0)
    : answerOfSolve(solved, asked.value.rate);
  return (
    <section class="card solve-article" aria-label="Profit rate">
      <p class="solve-hint">
        Wyndor Glass makes doors and windows in three plants. A batch of doors earns {DOORS_RATE}.
        What should it make in a week if a batch of windows earns this much?
      </p>
      <form
        class="solve-rate"
        onSubmit={(event) => {
          event.preventDefault();
          void solveRate();
        }}
      >
        <label for="solve-rate">Profit rate of Windows</label>
        <input
          id="solve-rate"
          class="input"
          inputMode="decimal"
          autocomplete="off"
          aria-invalid={wrong}
          value={rate.value}
          onInput={(event) => {
            rate.value = event.currentTarget.value;
          }}
        />
        <button type="submit" class="button button-primary" disabled={wrong || busy()}>
          Solve
        </button>
      </form>
      <AnswerView answer={answer} />
      <div class="solve-slider">
        <Curve scenarios={sweep?.scenarios} rate={value} />
        <input
          type="range"
          aria-label="Profit rate of Windows, swept"
          min={SLIDER.from}
          max={SLIDER.to}
          step={(SLIDER.to - SLIDER.from) / (SLIDER.points - 1)}
          value={wrong ? SLIDER.from : value}
          onInput={(event) => void slide(Number(event.currentTarget.value))}
        />
        <p class="solve-slider-ends">
          <span>{endInWords(sweep?.scenarios, 0)}</span>
          <span>{!sweepId.value && `Move it: a sweep of ${SLIDER.points} rates.`}</span>
          <span>{endInWords(sweep?.scenarios, SLIDER.points - 1)}</span>
        </p>
      </div>
      <p class="solve-article-links">
        {sweepId.value && <a href={`#/job/${sweepId.value}`}>The sweep</a>}
        {asked.value.jobId && <a href={`#/job/${asked.value.jobId}`}>The job of the last solve</a>}
        <OpenAsModel value={wrong ? 500 : value} />
      </p>
    </section>
  );
}

function OpenAsModel({ value }: { value: number }) {
  return (
    <button
      type="button"
      class="solve-link"
      onClick={() => {
        replaceSource(articleModel(value));
      }}
    >
      The model behind it
    </button>
  );
}

/** The rate at an end of the slider, and the profit there once it is known. */
function endInWords(scenarios: Scenarios | undefined, index: number): string {
  const profit = scenarios?.objectives[index] ?? Number.NaN;
  const at = number(sliderRate(index));
  return Number.isNaN(profit) ? at : `${at}: profit ${number(profit)}`;
}

/** What to make at a rate. */
interface Answer {
  rate: number;
  profit: number;
  doors: number;
  windows: number;
}

function answerOfSolve(story: Story | undefined, value: number): Answer | string | undefined {
  if (!story) return asked.value.jobId ? "Solving…" : undefined;
  if (!story.finished) return "Solving…";
  const { solution, job } = story;
  const profit = job.result?.termination?.objective;
  if (!solution || profit === undefined) return job.failure?.message || "There is no solution.";
  const of = (name: string) => solution.values[solution.variableNames.indexOf(name)] ?? Number.NaN;
  return { rate: value, profit, doors: of(PRODUCTS[0]), windows: of(PRODUCTS[1]) };
}

function answerOfSweep(scenarios: Scenarios | undefined, value: number): Answer | string {
  const index = sliderIndex(value);
  const profit = scenarios?.objectives[index] ?? Number.NaN;
  if (!scenarios || Number.isNaN(profit)) return "Sweeping…";
  const of = (at: number) => scenarios.values[index * scenarios.valueWidth + at] ?? Number.NaN;
  return { rate: sliderRate(index), profit, doors: of(0), windows: of(1) };
}

function AnswerView({ answer }: { answer: Answer | string | undefined }) {
  if (answer === undefined || typeof answer === "string") {
    return (
      <div class="solve-answer solve-answer-none" role="status">
        {answer ?? "Press Solve, or move the slider."}
      </div>
    );
  }
  const batches = answer.doors === 1 ? "batch" : "batches";
  return (
    <div class="solve-answer" role="status">
      <p class="solve-answer-profit">
        <b>{number(answer.profit)}</b> a week
      </p>
      <p>
        {number(answer.doors)} {batches} of doors, {number(answer.windows)} of windows
      </p>
      <p class="solve-hint">for a profit rate of {number(answer.rate)}</p>
    </div>
  );
}

const WIDTH = 400;
const HEIGHT = 120;

/** The profit over the rate, as far as it is known, and the place of the slider. */
function Curve({
  scenarios,
  rate: now,
}: {
  scenarios: Scenarios | undefined;
  rate: number | undefined;
}) {
  const answered = scenarios?.answered ?? 0;
  if (!scenarios || answered === 0) return null;
  const known = scenarios.objectives.filter((value) => !Number.isNaN(value));
  const low = Math.min(...known, 0);
  const high = Math.max(...known, 1);
  const x = (value: number) => ((value - SLIDER.from) / (SLIDER.to - SLIDER.from)) * WIDTH;
  const y = (value: number) => HEIGHT - 6 - ((value - low) / (high - low)) * (HEIGHT - 16);
  let path = "";
  scenarios.objectives.forEach((value, index) => {
    if (Number.isNaN(value)) return;
    path += `${path ? "L" : "M"}${x(sliderRate(index)).toFixed(1)} ${y(value).toFixed(1)}`;
  });
  const index = now === undefined ? -1 : sliderIndex(now);
  const here = scenarios.objectives[index];
  return (
    <svg
      class="solve-curve"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`The profit at rates from ${SLIDER.from} to ${SLIDER.to}: ${number(low)} to ${number(high)}.`}
    >
      <path class="solve-curve-area" d={`${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
      <path class="solve-curve-line" d={path} vector-effect="non-scaling-stroke" />
      {here !== undefined && !Number.isNaN(here) && (
        <line
          class="solve-curve-mark"
          x1={x(sliderRate(index))}
          x2={x(sliderRate(index))}
          y1={y(here)}
          y2={HEIGHT}
          vector-effect="non-scaling-stroke"
        />
      )}
    </svg>
  );
}

/** The story of a job while the component is shown; nothing for an empty id. */
function useStory(id: string): Story | undefined {
  const [story, setStory] = useState<ReadonlySignal<Story | undefined>>();
  useEffect(() => {
    if (!id) return;
    setStory(follow(id));
    return () => unfollow(id);
  }, [id]);
  return story?.value?.id === id ? story.value : undefined;
}
