// The chart of a solve, with its legend and the choice of its scale.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { counted, duration, number, percent } from "../format";
import { useShortcuts } from "../keys";
import type { Point } from "../points";
import type { Story } from "../story";
import "./chart.css";
import { type ChartInput, drawChart, type Layout, layoutOf, secondsAt } from "./draw";
import { type Palette, paletteOf } from "./palette";
import { MODES, type Mode, type Range, startIndex } from "./range";

const MODE_KEY = "solvemesh.chart";

const MODE_TITLES: Record<Mode, string> = {
  near: "Scale for the recent part: the first solutions may be out of sight",
  all: "Scale for everything since the start",
  gap: "The relative gap on a logarithmic scale",
};

/** A selection that is narrower, in pixels, is a click. */
const MIN_SELECTION = 6;

/** The relative gap at which HiGHS is done if the job sets none. */
const DEFAULT_GOAL = 1e-4;

/** A solve that took less, in seconds, was over before there was anything to watch. */
const MIN_SECONDS = 0.5;

/** Whether there is anything to draw. An LP that is solved at once has one point. */
export function hasChart({ points, found, finished }: Story): boolean {
  if (finished && (points.last()?.seconds ?? 0) < MIN_SECONDS) return false;
  return points.length >= 3 || found.length >= 2;
}

export function SolveChart({ story }: { story: Story }) {
  const [mode, setMode] = useMode();
  const [zoom, setZoom] = useState<Range>();
  const [hover, setHover] = useState<number>();
  const [selection, setSelection] = useState<Range>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const layout = useRef<Layout | undefined>(undefined);
  const [size, palette] = useCanvasLook(canvas);
  const [hidden, setHidden] = useState(0);

  const { points, found, attempts } = story;
  const goal = story.job.description?.options?.relativeGap ?? DEFAULT_GOAL;
  const input: ChartInput = { points, found, attempts, mode, goal, zoom, hover, selection };

  useLayoutEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context || !palette || size.width === 0) return;
    const ratio = globalThis.devicePixelRatio || 1;
    const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (element.width !== width) element.width = width;
    if (element.height !== height) element.height = height;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, size.width, size.height);
    context.font = palette.font;
    layout.current = layoutOf(context, input, size);
    if (layout.current) drawChart(context, input, layout.current, palette);
    setHidden(layout.current?.hidden ?? 0);
  });

  useShortcuts([
    {
      keys: "c",
      does: "change the scale of the chart",
      run: () => setMode(MODES[(MODES.indexOf(mode) + 1) % MODES.length] ?? "near"),
    },
  ]);

  const timeAt = (event: PointerEvent) => {
    const bounds = canvas.current?.getBoundingClientRect();
    return layout.current && bounds && secondsAt(layout.current, event.clientX - bounds.left);
  };
  const onPointerDown = (event: PointerEvent) => {
    const at = timeAt(event);
    if (at === undefined || event.pointerType === "touch" || event.button !== 0) return;
    canvas.current?.setPointerCapture(event.pointerId);
    setSelection([at, at]);
  };
  const onPointerMove = (event: PointerEvent) => {
    const at = timeAt(event);
    setHover(at);
    if (selection && at !== undefined) setSelection([selection[0], at]);
  };
  const onPointerUp = () => {
    if (!selection || !layout.current) return;
    const [from, to] = [Math.min(...selection), Math.max(...selection)];
    const { left, right, span } = layout.current;
    const pixels = ((to - from) / (span[1] - span[0])) * (right - left);
    if (pixels >= MIN_SELECTION) setZoom([from, to]);
    setSelection(undefined);
  };

  const last = points.last();
  const shown = hover === undefined ? last : pointAt(story, hover);
  return (
    <figure class="chart card">
      <figcaption class="chart-head">
        <Legend shown={shown} mode={mode} time={hover ?? last?.seconds} />
        {zoom && (
          <button type="button" class="button button-small" onClick={() => setZoom(undefined)}>
            Reset zoom
          </button>
        )}
        <fieldset class="switch chart-switch" aria-label="Scale of the chart">
          {MODES.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={each === mode}
              title={MODE_TITLES[each]}
              onClick={() => setMode(each)}
            >
              {each}
            </button>
          ))}
        </fieldset>
      </figcaption>
      <canvas
        ref={canvas}
        class="chart-canvas"
        role="img"
        aria-label={sentence(story, last)}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerCancel={() => setSelection(undefined)}
        onPointerLeave={() => setHover(undefined)}
        onDblClick={() => setZoom(undefined)}
      />
      {hidden > 0 && (
        <p class="chart-note">
          {counted(hidden, "solution")} out of range:{" "}
          <button type="button" class="chart-link" onClick={() => setMode("all")}>
            show all
          </button>
        </p>
      )}
    </figure>
  );
}

interface LegendProps {
  shown: Point | undefined;
  mode: Mode;
  time: number | undefined;
}

function Legend({ shown, mode, time }: LegendProps) {
  return (
    <div class="chart-legend">
      <span class="chart-entry chart-best">
        <i aria-hidden="true" />
        best <b>{number(shown?.objective ?? Number.NaN)}</b>
      </span>
      <span class="chart-entry chart-bound">
        <i aria-hidden="true" />
        bound <b>{number(shown?.bound ?? Number.NaN)}</b>
      </span>
      <span class={`chart-entry ${mode === "gap" ? "chart-gap" : ""}`}>
        {mode === "gap" && <i aria-hidden="true" />}
        gap <b>{percent(shown?.gap ?? Number.NaN)}</b>
      </span>
      <span class="chart-entry chart-time">
        at <b>{duration(time ?? 0)}</b>
      </span>
    </div>
  );
}

/** What is known at a time: the values of the last point before it. */
function pointAt({ points }: Story, seconds: number): Point | undefined {
  if (points.length === 0) return undefined;
  return points.at(startIndex(points.column("seconds"), seconds));
}

/** The chart for those who do not see it. */
function sentence(story: Story, last: Point | undefined): string {
  if (!last) return "Chart of best and bound over time: no values yet";
  return (
    `Chart of best and bound over ${duration(last.seconds)}: ` +
    `${counted(story.found.length + story.found.dropped, "solution")} found, best ${number(last.objective)}, ` +
    `bound ${number(last.bound)}, gap ${percent(last.gap)}`
  );
}

/** The scale, which is kept for later visits. */
function useMode(): [Mode, (mode: Mode) => void] {
  const [mode, setMode] = useState<Mode>(() => {
    const kept = localStorage.getItem(MODE_KEY);
    return MODES.find((candidate) => candidate === kept) ?? "near";
  });
  return [
    mode,
    (next) => {
      localStorage.setItem(MODE_KEY, next);
      setMode(next);
    },
  ];
}

/** The size and the colours of a canvas, kept up to date. */
function useCanvasLook(canvas: { current: HTMLCanvasElement | null }) {
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [palette, setPalette] = useState<Palette>();
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight });
    const repaint = () => setPalette(paletteOf(element));
    measure();
    repaint();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", repaint);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", repaint);
    };
  }, [canvas]);
  return [size, palette] as const;
}
