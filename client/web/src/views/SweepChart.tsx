// The chart of a sweep: a curve, a heat map or bars, which grow as results arrive.

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { number } from "../format";
import type { Scenarios } from "../scenarios";
import { type Design, type Grid, parameterNames, shownValue } from "../sweep/axes";
import { barsHeight, barsPlot, MAX_BARS, ranked } from "../sweep/bars";
import { colourGradient } from "../sweep/colour-map";
import { type Curve, GatheredCurves, inverse, type Steps, stepsOf } from "../sweep/columns";
import { curvePlot } from "../sweep/curve";
import { heatPlot, MapCells } from "../sweep/heat";
import { type Measure, OBJECTIVE } from "../sweep/measure";
import { readPalette } from "../sweep/palette";
import type { Palette, Plot, PlotInput } from "../sweep/plot";
import { reasonWord } from "../sweep/reasons";
import { shortNumber } from "../sweep/scale";
import { useMedia } from "./use-media";

/** With at most this number of values on an axis, each value gets a curve. */
const MAX_CURVES = 6;

/** Time between two sorts of scenarios that are still arriving, in milliseconds. */
const SORT_INTERVAL = 250;

/** The pause after a drawing, as a multiple of the time that it took. */
const REST = 3;

interface Props {
  results: Scenarios;
  design: Design;
  measures: readonly Measure[];
  best: number | undefined;
  maximise: boolean;
  selected: number | undefined;
  onSelect(scenario: number): void;
  /** Whether some scenarios have no solution. */
  hasFailed: boolean;
  /** What the chart shows, in a sentence. */
  description: string;
}

/** Which axes of a grid are shown, and where the others are fixed. */
interface Slice {
  x: number;
  y: number | undefined;
  /** By axis: its fixed step. */
  fixed: readonly number[];
  curves: boolean;
}

export function SweepChart(props: Props) {
  const { results, design, measures } = props;
  const [measureKey, setMeasureKey] = useState(OBJECTIVE.key);
  const measure = measures.find(({ key }) => key === measureKey) ?? OBJECTIVE;
  const [slice, setSlice] = useState<Slice>(() => firstSlice(design));
  const canvas = useRef<HTMLCanvasElement>(null);
  // Known beforehand: to ask for a size or a style in a frame lays the page out once more.
  const size = useRef({ width: 0, height: 0 });
  const colours = useRef<Palette>(undefined);
  const frame = useRef(0);
  const restUntil = useRef(0);
  const plot = useRef<Plot>(undefined);
  const drawn = useSignal(0);
  const range = useSignal<readonly [number, number] | undefined>(undefined);
  const rank = useRef<Ranking>(undefined);
  const gathered = useRef<GatheredCurves>(undefined);
  const cells = useRef<MapCells>(undefined);
  const dark = useMedia("(prefers-color-scheme: dark)");

  const kind = kindOf(design, slice, results);
  const steps = useMemo(
    () => gridSteps(design, slice, results.count),
    [design, slice, results.count],
  );
  const curves = useMemo(() => curvesOf(design, slice), [design, slice]);
  const boxHeight = kind === "bars" ? barsHeight(Math.max(results.answered, 1)) : undefined;

  const draw = () => {
    frame.current = 0;
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const { width, height } = size.current;
    if (width === 0) return;
    const ratio = devicePixelRatio;
    if (element.width !== Math.round(width * ratio)) element.width = Math.round(width * ratio);
    if (element.height !== Math.round(height * ratio)) element.height = Math.round(height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const { best, maximise } = props;
    colours.current ??= readPalette(element, dark);
    const palette = colours.current;
    const input: PlotInput = {
      results,
      measure,
      best,
      maximise,
      width,
      height,
      palette,
      context,
    };
    const curve = (along: Steps) => {
      // Two columns for each pixel of the page: more cannot be distinguished.
      const columns = 2 * Math.ceil(width);
      gathered.current =
        gathered.current?.updated(results, measure, along, curves, columns) ??
        new GatheredCurves(results, measure, along, curves, columns);
      return curvePlot(input, gathered.current);
    };
    let made: Plot;
    if (kind === "map" && design.kind === "grid" && slice.y !== undefined) {
      const map = {
        measure,
        maximise,
        idle: palette.idle,
        dark: palette.dark,
        x: mapAxis(design, slice.x),
        y: mapAxis(design, slice.y),
        start: startOf(design, slice),
      };
      cells.current = cells.current?.updated(results, map) ?? new MapCells(results, map);
      made = heatPlot(input, cells.current, map);
    } else if (kind === "curve" && steps) {
      made = curve(steps);
    } else {
      rank.current = currentRanking(input, rank.current, schedule);
      const { order, steps } = rank.current;
      made =
        kind === "bars"
          ? barsPlot(input, order, (scenario) => nameOf(results, scenario))
          : curve(steps);
    }
    made.draw();
    plot.current = made;
    drawn.value += 1;
    if (made.range?.[0] !== range.value?.[0] || made.range?.[1] !== range.value?.[1]) {
      range.value = made.range;
    }
  };
  const latestDraw = useRef(draw);
  latestDraw.current = draw;
  // At most one drawing a frame, however many results arrive in it. After one that took long, some
  // frames are left to the rest of the page.
  const schedule = () => {
    frame.current ||= requestAnimationFrame(function next(now) {
      if (now < restUntil.current) {
        frame.current = requestAnimationFrame(next);
        return;
      }
      const begin = performance.now();
      latestDraw.current();
      const end = performance.now();
      restUntil.current = end + REST * (end - begin);
    });
  };
  useLayoutEffect(schedule);
  useLayoutEffect(() => {
    colours.current = undefined;
  }, [dark]);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const observer = new ResizeObserver(() => {
      size.current = { width: element.clientWidth, height: element.clientHeight };
      schedule();
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, []);

  return (
    <div class="sweep-chart">
      <div class="sweep-controls">
        {measures.length > 1 && (
          <label class="sweep-choice">
            Show
            <select
              class="input"
              value={measure.key}
              onChange={(event) => setMeasureKey(event.currentTarget.value)}
            >
              {measures.map(({ key, title }) => (
                <option key={key} value={key}>
                  {title}
                </option>
              ))}
            </select>
          </label>
        )}
        {design.kind === "grid" && (
          <SliceControls grid={design} slice={slice} onChange={setSlice} />
        )}
        {kind === "map" && (
          <Legend
            range={range}
            dark={dark}
            better={betterEnd(props, measure)}
            hasFailed={props.hasFailed}
          />
        )}
      </div>
      <div
        class={`sweep-plot sweep-plot-${kind}`}
        style={boxHeight ? { height: `${boxHeight}px` } : {}}
      >
        <canvas ref={canvas} class="sweep-canvas" role="img" aria-label={props.description} />
        <Overlay
          {...props}
          plot={plot}
          drawn={drawn}
          measure={measure}
          isMap={kind === "map"}
          isBars={kind === "bars"}
        />
        {results.answered === 0 && <p class="sweep-waiting">No scenario has a result yet.</p>}
      </div>
    </div>
  );
}

function betterEnd(props: Props, measure: Measure): "high" | "low" {
  return props.maximise || measure.key !== OBJECTIVE.key ? "high" : "low";
}

/** The legend of the colours, from the worst to the best value. */
function Legend({
  range,
  dark,
  better,
  hasFailed,
}: {
  range: Signal<readonly [number, number] | undefined>;
  dark: boolean;
  better: "high" | "low";
  hasFailed: boolean;
}) {
  const [low, high] = range.value ?? [];
  if (low === undefined || high === undefined) return null;
  const [worst, best] = better === "high" ? [low, high] : [high, low];
  return (
    <div class="sweep-legend">
      <span>{number(worst, 5)}</span>
      <span class="sweep-gradient" style={{ background: colourGradient(dark) }} />
      <span>{number(best, 5)}</span>
      {hasFailed && (
        <>
          <span class="sweep-hatched" />
          <span>no solution</span>
        </>
      )}
    </div>
  );
}

interface OverlayProps extends Props {
  plot: { current: Plot | undefined };
  drawn: Signal<number>;
  measure: Measure;
  isMap: boolean;
  isBars: boolean;
}

/** What moves with the pointer, above the canvas, so that hovering does not draw the chart. */
function Overlay(props: OverlayProps) {
  const { plot, drawn, selected, results } = props;
  const [hovered, setHovered] = useState<number | undefined>(undefined);
  const layer = useRef<HTMLDivElement>(null);
  // The marks move when the chart is drawn with another scale.
  void drawn.value;

  const width = () => layer.current?.clientWidth ?? 0;
  const scenarioAt = (event: PointerEvent | MouseEvent) => {
    const box = layer.current?.getBoundingClientRect();
    return box && plot.current?.hit(event.clientX - box.left, event.clientY - box.top);
  };
  const mark = hovered === undefined ? undefined : plot.current?.mark(hovered);
  const chosen = selected === undefined ? undefined : plot.current?.mark(selected);

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the table selects scenarios by keyboard
    // biome-ignore lint/a11y/useKeyWithClickEvents: as above
    <div
      ref={layer}
      class="sweep-overlay"
      onPointerMove={(event) => setHovered(scenarioAt(event))}
      onPointerLeave={() => setHovered(undefined)}
      onClick={(event) => {
        const scenario = scenarioAt(event);
        if (scenario !== undefined) props.onSelect(scenario);
      }}
    >
      {chosen && <span class="sweep-mark sweep-mark-selected" style={markStyle(chosen)} />}
      {mark && !props.isMap && !props.isBars && (
        <span class="sweep-cross" style={{ left: `${mark.x}px` }} />
      )}
      {mark && (
        <span
          class={`sweep-mark ${props.isBars ? "sweep-mark-row" : ""}`}
          style={markStyle(mark)}
        />
      )}
      {mark && hovered !== undefined && (
        <div
          class="sweep-tip"
          style={
            mark.x > width() / 2
              ? { right: `${width() - mark.x + 14}px`, top: `${Math.max(mark.y - 30, 4)}px` }
              : { left: `${mark.x + 14}px`, top: `${Math.max(mark.y - 30, 4)}px` }
          }
        >
          <Tip results={results} design={props.design} measure={props.measure} scenario={hovered} />
        </div>
      )}
    </div>
  );
}

function markStyle({
  x,
  y,
  width = 12,
  height = 12,
}: {
  x: number;
  y: number;
  width?: number;
  height?: number;
}) {
  return {
    left: `${x - width / 2}px`,
    top: `${y - height / 2}px`,
    width: `${width}px`,
    height: `${height}px`,
    borderRadius: width === 12 && height === 12 ? "50%" : "2px",
  };
}

interface TipProps {
  results: Scenarios;
  design: Design;
  measure: Measure;
  scenario: number;
}

function Tip({ results, design, measure, scenario }: TipProps) {
  const reason = results.reasons[scenario] ?? 0;
  const [, word] = reasonWord(reason);
  const value = measure.value(results, scenario);
  const names = parameterNames(design);
  return (
    <>
      <div class="sweep-tip-title">{nameOf(results, scenario)}</div>
      {names.slice(0, 6).map((name, parameter) => {
        const parameterSetting = shownValue(design, parameter, scenario);
        return (
          parameterSetting !== undefined && (
            <div key={name} class="sweep-tip-line">
              <span>{name}</span>
              <b>{shortNumber(parameterSetting)}</b>
            </div>
          )
        );
      })}
      {!Number.isNaN(value) && (
        <div class="sweep-tip-line">
          <span>{measure.title}</span>
          <b>{number(value)}</b>
        </div>
      )}
      {(Number.isNaN(value) || reason !== 1) && <div class="sweep-tip-reason">{word}</div>}
    </>
  );
}

/** The label of a scenario, otherwise its number. */
export function nameOf(results: Scenarios, scenario: number): string {
  return results.labels.get(scenario) || `scenario ${scenario}`;
}

interface SliceProps {
  grid: Grid;
  slice: Slice;
  onChange(slice: Slice): void;
}

/** The choice of the axes of a grid with more than one. */
function SliceControls({ grid, slice, onChange }: SliceProps) {
  const long = longAxes(grid);
  if (long.length < 2) return null;
  const shown = new Set([slice.x, slice.y]);
  const choose = (key: "x" | "y", axis: number) => {
    const other = key === "x" ? "y" : "x";
    const swapped = slice[other] === axis ? { [other]: slice[key] } : {};
    const next = { ...slice, ...swapped, [key]: axis };
    onChange({ ...next, curves: next.curves && canBeCurves(grid, next.y) });
  };
  return (
    <>
      {canBeCurves(grid, slice.y) && (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset is drawn with a frame of its own
        <div class="switch" role="group" aria-label="Kind of chart">
          <button
            type="button"
            aria-pressed={slice.curves}
            onClick={() => onChange({ ...slice, curves: true })}
          >
            Curves
          </button>
          <button
            type="button"
            aria-pressed={!slice.curves}
            onClick={() => onChange({ ...slice, curves: false })}
          >
            Map
          </button>
        </div>
      )}
      {long.length > 2 &&
        (["x", "y"] as const).map((key) => (
          <label key={key} class="sweep-choice">
            {key === "x" ? "→" : "↑"}
            <select
              class="input"
              aria-label={key === "x" ? "Horizontal axis" : "Vertical axis"}
              value={slice[key]}
              onChange={(event) => choose(key, Number(event.currentTarget.value))}
            >
              {long.map((axis) => (
                <option key={axis} value={axis}>
                  {grid.axes[axis]?.name}
                </option>
              ))}
            </select>
          </label>
        ))}
      {long.length === 2 && (
        <button
          type="button"
          class="button button-small"
          onClick={() => slice.y !== undefined && choose("x", slice.y)}
        >
          Swap axes
        </button>
      )}
      {long
        .filter((axis) => !shown.has(axis))
        .map((axis) => {
          const { name, values } = grid.axes[axis] as Grid["axes"][number];
          const step = slice.fixed[axis] ?? 0;
          return (
            <label key={axis} class="sweep-choice">
              {name} = {shortNumber(values[step] ?? 0)}
              <input
                type="range"
                min={0}
                max={values.length - 1}
                value={step}
                onInput={(event) => {
                  const fixed = [...slice.fixed];
                  fixed[axis] = Number(event.currentTarget.value);
                  onChange({ ...slice, fixed });
                }}
              />
            </label>
          );
        })}
    </>
  );
}

/** The axes with more than one value. */
function longAxes(grid: Grid): number[] {
  return grid.axes.flatMap(({ values }, axis) => (values.length > 1 ? [axis] : []));
}

function canBeCurves(grid: Grid, axis: number | undefined): boolean {
  return axis !== undefined && (grid.axes[axis]?.values.length ?? 0) <= MAX_CURVES;
}

/** The slice that is shown at first: the two longest axes, the longest one to the right. */
function firstSlice(design: Design): Slice {
  if (design.kind !== "grid") return { x: 0, y: undefined, fixed: [], curves: true };
  const length = (axis: number) => design.axes[axis]?.values.length ?? 0;
  const [x = 0, y] = longAxes(design).sort((a, b) => length(b) - length(a));
  return { x, y, fixed: design.axes.map(() => 0), curves: canBeCurves(design, y) };
}

type Kind = "curve" | "map" | "bars" | "ranks";

function kindOf(design: Design, slice: Slice, results: Scenarios): Kind {
  switch (design.kind) {
    case "grid":
      return slice.y === undefined || slice.curves ? "curve" : "map";
    case "table":
      return results.count <= MAX_BARS ? "bars" : "ranks";
    case "unknown":
      if (results.labels.size === 0) return "curve";
      return results.count <= MAX_BARS ? "bars" : "ranks";
  }
}

/** The scenario of a slice at step 0 of the axes that are shown. */
function startOf(grid: Grid, slice: Slice): number {
  return grid.axes.reduce(
    (start, _, axis) =>
      axis === slice.x || axis === slice.y
        ? start
        : start + (slice.fixed[axis] ?? 0) * (grid.strides[axis] ?? 0),
    0,
  );
}

function mapAxis(grid: Grid, axis: number) {
  const { title, values } = grid.axes[axis] as Grid["axes"][number];
  return { title, values, stride: grid.strides[axis] as number };
}

function gridSteps(design: Design, slice: Slice, count: number): Steps | undefined {
  if (design.kind === "grid") {
    const axis = design.axes[slice.x];
    return axis && stepsOf(axis.title, axis.values);
  }
  if (design.kind === "unknown") {
    return stepsOf(
      "number of the scenario",
      Float64Array.from({ length: count }, (_, k) => k),
    );
  }
  return undefined;
}

function curvesOf(design: Design, slice: Slice): Curve[] {
  if (design.kind !== "grid") return [{ start: 0, stride: 1, title: "" }];
  const start = startOf(design, slice);
  const stride = design.strides[slice.x] ?? 1;
  const other = slice.y === undefined ? undefined : design.axes[slice.y];
  if (!other || slice.y === undefined) return [{ start, stride, title: "" }];
  const step = design.strides[slice.y] ?? 1;
  return Array.from(other.values, (value, k) => ({
    start: start + k * step,
    stride,
    title: `${other.name} = ${shortNumber(value)}`,
  }));
}

/** Scenarios from the best to the worst, and when they were sorted. */
interface Ranking {
  results: Scenarios;
  order: Uint32Array;
  /** The same as the steps of an axis. */
  steps: Steps;
  measure: Measure;
  time: number;
}

/** The ranking of the scenarios; that of a moment ago while results arrive. */
function currentRanking(
  input: PlotInput,
  last: Ranking | undefined,
  schedule: () => void,
): Ranking {
  const { measure, results } = input;
  const { answered } = results;
  const now = performance.now();
  // The columns of the results are filled in place.
  const isSame = last?.measure === measure && last.results.objectives === results.objectives;
  if (last && isSame) {
    if (last.results.answered === answered) return last;
    const due = last.time + SORT_INTERVAL;
    if (answered > 2000 && now < due) {
      setTimeout(schedule, due - now);
      return last;
    }
  }
  const order = ranked(input, isSame ? last?.order : undefined);
  return { results, order, steps: rankSteps(order, results.count), measure, time: now };
}

function rankSteps(order: Uint32Array, count: number): Steps {
  const values = new Float64Array(count);
  for (let position = 0; position < order.length; position++) {
    values[order[position] as number] = position + 1;
  }
  const positions = inverse(order, count);
  return { title: "rank, from the best to the worst", values, order, positions, cells: false };
}
