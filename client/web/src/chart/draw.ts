// Draws the chart of a solve: bound and best over time.

import { number, percent } from "../format";
import type { Growing } from "../growing";
import type { Points } from "../points";
import type { Attempt, Found } from "../story";
import type { Palette } from "./palette";
import { type Pixels, type Series, stepPath } from "./paths";
import { gapRange, type Mode, type Range, startIndex, valueRange } from "./range";
import { numberTicks, ratioTicks, type Tick, timeTicks } from "./ticks";

export interface ChartInput {
  points: Points;
  found: Growing<Found>;
  attempts: Growing<Attempt>;
  mode: Mode;
  /** The relative gap at which the solve is done; NaN if it is not known. */
  goal: number;
  /** The time span to show, if the user chose one. */
  zoom: Range | undefined;
  /** The time under the pointer. */
  hover: number | undefined;
  /** The span that is being selected. */
  selection: Range | undefined;
}

export interface Size {
  width: number;
  height: number;
}

/** Where the chart is drawn, and what it shows: also needed to understand the pointer. */
export interface Layout {
  left: number;
  right: number;
  top: number;
  bottom: number;
  span: Range;
  range: Range;
  xTicks: Tick[];
  yTicks: Tick[];
  /** Number of solutions whose objective is out of range. */
  hidden: number;
  logarithmic: boolean;
}

const TOP = 22;
const BOTTOM = 28;
/** Room at the right for the last values, where the chart is wide enough. */
const RIGHT = 76;
const WIDE = 520;
const LABEL_HEIGHT = 16;

/** The layout of a chart. Undefined if there is nothing to show. */
export function layoutOf(
  context: CanvasRenderingContext2D,
  input: ChartInput,
  { width, height }: Size,
): Layout | undefined {
  const { points, mode } = input;
  const end = points.last()?.seconds;
  if (end === undefined) return undefined;
  const span: Range = input.zoom ?? [0, Math.max(end, 1e-3)];
  const logarithmic = mode === "gap";
  const range = logarithmic
    ? gapRange(points, span, input.goal)
    : valueRange(points, span, mode === "all" || input.zoom ? "all" : "near");
  if (!range) return undefined;

  const top = TOP;
  const bottom = height - BOTTOM;
  const yCount = Math.max(2, Math.floor((bottom - top) / 44));
  const yTicks = (logarithmic ? ratioTicks : numberTicks)(range[0], range[1], yCount);
  const widths = yTicks.map((tick) => context.measureText(tick.text).width);
  const left = Math.ceil(Math.max(24, ...widths)) + 12;
  const right = width - (width >= WIDE ? RIGHT : 14);
  const xTicks = timeTicks(span[0], span[1], Math.max(2, Math.floor((right - left) / 80)));
  const hidden = logarithmic ? 0 : countOutside(input.found, span, range);
  return { left, right, top, bottom, span, range, xTicks, yTicks, hidden, logarithmic };
}

function countOutside(found: Growing<Found>, [from, to]: Range, [low, high]: Range): number {
  let outside = 0;
  for (let index = 0; index < found.length; index++) {
    const { seconds, objective } = found.at(index);
    const inside = objective >= low && objective <= high;
    if (seconds >= from && seconds <= to && !inside) outside += 1;
  }
  return outside;
}

/** The pixel of a time. */
export function pixelOf({ left, right, span: [from, to] }: Layout, seconds: number): number {
  return left + ((seconds - from) / (to - from)) * (right - left);
}

/** The time at a pixel, within the chart. */
export function secondsAt({ left, right, span: [from, to] }: Layout, pixel: number): number {
  const share = Math.min(1, Math.max(0, (pixel - left) / (right - left)));
  return from + share * (to - from);
}

export function drawChart(
  context: CanvasRenderingContext2D,
  input: ChartInput,
  layout: Layout,
  palette: Palette,
): void {
  context.font = palette.font;
  context.lineJoin = "round";
  drawGrid(context, layout, palette);
  context.save();
  context.beginPath();
  context.rect(layout.left, layout.top - 4, layout.right - layout.left + 5, plotHeight(layout) + 8);
  context.clip();
  const pixels = pixelsOf(layout, input.points);
  if (input.selection) drawSelection(context, input.selection, layout, palette);
  if (layout.logarithmic) drawGap(context, input, layout, pixels, palette);
  else drawValues(context, input, layout, pixels, palette);
  drawAttempts(context, input.attempts, layout, palette);
  context.restore();
  if (input.hover === undefined) drawLastValues(context, input, layout, pixels, palette);
  else drawHover(context, input, input.hover, layout, pixels, palette);
}

function plotHeight({ top, bottom }: Layout): number {
  return bottom - top;
}

function pixelsOf(layout: Layout, points: Points): Pixels {
  const { bottom, range, logarithmic } = layout;
  const scale = logarithmic ? Math.log10 : (value: number) => value;
  const [low, high] = [scale(range[0]), scale(range[1])];
  const height = plotHeight(layout);
  return {
    x: (seconds) => pixelOf(layout, seconds),
    y: (value) => {
      // A gap of 0 is drawn at the bottom.
      if (logarithmic && value <= range[0]) return bottom;
      return bottom - ((scale(value) - low) / (high - low)) * height;
    },
    right: Math.min(layout.right, pixelOf(layout, points.last()?.seconds ?? 0)),
  };
}

function seriesOf(points: Points, key: "objective" | "bound" | "gap", span: Range): Series {
  const seconds = points.column("seconds");
  const first = startIndex(seconds, span[0]);
  // One point behind the right edge, so that the line goes on to it.
  const end = Math.min(points.length, startIndex(seconds, span[1]) + 2);
  return { seconds, values: points.column(key), first, end };
}

function drawGrid(context: CanvasRenderingContext2D, layout: Layout, palette: Palette): void {
  const { left, right, top, bottom, xTicks, yTicks } = layout;
  const [low, high] = layout.logarithmic ? layout.range.map(Math.log10) : layout.range;
  const y = (value: number) => {
    const scaled = layout.logarithmic ? Math.log10(value) : value;
    return bottom - ((scaled - low!) / (high! - low!)) * plotHeight(layout);
  };
  context.lineWidth = 1;
  context.strokeStyle = palette.grid;
  context.fillStyle = palette.muted;
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of yTicks) {
    const at = Math.round(y(tick.value)) + 0.5;
    if (at < top - 1 || at > bottom + 1) continue;
    strokeLine(context, left, at, right, at);
    context.fillText(tick.text, left - 10, at);
  }
  context.strokeStyle = palette.axis;
  strokeLine(context, left, bottom + 0.5, right, bottom + 0.5);
  context.textBaseline = "top";
  for (const tick of xTicks) {
    const at = Math.round(pixelOf(layout, tick.value)) + 0.5;
    strokeLine(context, at, bottom + 0.5, at, bottom + 5);
    const half = context.measureText(tick.text).width / 2;
    context.textAlign = "center";
    context.fillText(tick.text, Math.max(at, left - 10 + half), bottom + 9);
  }
}

function drawValues(
  context: CanvasRenderingContext2D,
  input: ChartInput,
  layout: Layout,
  pixels: Pixels,
  palette: Palette,
): void {
  const { points, found } = input;
  const best = seriesOf(points, "objective", layout.span);
  const bound = seriesOf(points, "bound", layout.span);
  fillBetween(context, best, bound, layout, pixels, palette);

  context.lineWidth = 1.75;
  context.strokeStyle = palette.bound;
  context.setLineDash([6, 3]);
  context.beginPath();
  stepPath(context, bound, pixels);
  context.stroke();
  context.setLineDash([]);

  context.lineWidth = 2.25;
  context.strokeStyle = palette.best;
  context.beginPath();
  stepPath(context, best, pixels);
  context.stroke();

  // Dots that would be a solid bar are smaller.
  const crowded = found.length > (layout.right - layout.left) / 6;
  for (let index = 0; index < found.length; index++) {
    const { seconds, objective } = found.at(index);
    const x = pixels.x(seconds);
    if (x < layout.left - 4 || x > layout.right + 4 || Number.isNaN(objective)) continue;
    drawDot(context, x, pixels.y(objective), crowded ? 2.25 : 3.75, palette.best, palette);
  }
}

/** Fills what is still open: the optimum lies between best and bound. */
function fillBetween(
  context: CanvasRenderingContext2D,
  best: Series,
  bound: Series,
  layout: Layout,
  pixels: Pixels,
  palette: Palette,
): void {
  const { values } = best;
  let first = best.first;
  const gradient = context.createLinearGradient(0, layout.top, 0, layout.bottom);
  const last = best.end - 1;
  const bestIsAbove = (values[last] ?? 0) > (bound.values[last] ?? 0);
  gradient.addColorStop(0, bestIsAbove ? palette.bestSoft : palette.boundSoft);
  gradient.addColorStop(1, bestIsAbove ? palette.boundSoft : palette.bestSoft);
  context.fillStyle = gradient;
  const isOpen = (index: number) =>
    !Number.isNaN(values[index]!) && !Number.isNaN(bound.values[index]!);
  while (first < best.end) {
    if (!isOpen(first)) {
      first += 1;
      continue;
    }
    let end = first;
    while (end < best.end && isOpen(end)) end += 1;
    const right = end === best.end ? pixels.right : pixels.x(best.seconds[end - 1]!);
    fillStretch(context, best, bound, { first, end }, { ...pixels, right });
    first = end;
  }
}

function fillStretch(
  context: CanvasRenderingContext2D,
  best: Series,
  bound: Series,
  stretch: { first: number; end: number },
  pixels: Pixels,
): void {
  const corners: [number, number][] = [];
  const collect = {
    moveTo: (x: number, y: number) => void corners.push([x, y]),
    lineTo: (x: number, y: number) => void corners.push([x, y]),
  };
  context.beginPath();
  stepPath(context, { ...best, ...stretch }, pixels);
  stepPath(collect, { ...bound, ...stretch }, pixels);
  for (const [x, y] of corners.reverse()) context.lineTo(x, y);
  context.closePath();
  context.fill();
}

function drawGap(
  context: CanvasRenderingContext2D,
  { points, goal }: ChartInput,
  layout: Layout,
  pixels: Pixels,
  palette: Palette,
): void {
  const gap = seriesOf(points, "gap", layout.span);
  if (goal > layout.range[0] && goal < layout.range[1]) {
    const y = Math.round(pixels.y(goal)) + 0.5;
    context.lineWidth = 1;
    context.strokeStyle = palette.best;
    context.setLineDash([3, 4]);
    strokeLine(context, layout.left, y, layout.right, y);
    context.setLineDash([]);
    context.fillStyle = palette.best;
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.fillText(`optimal at ${percent(goal)}`, layout.left + 8, y - 3);
  }
  context.lineWidth = 2.25;
  context.strokeStyle = palette.accent;
  context.beginPath();
  stepPath(context, gap, pixels);
  context.stroke();
}

function drawAttempts(
  context: CanvasRenderingContext2D,
  attempts: Growing<Attempt>,
  layout: Layout,
  palette: Palette,
): void {
  // From the last one: where labels have no room beside each other, it has its own.
  let free = Number.POSITIVE_INFINITY;
  for (let index = attempts.length - 1; index >= 0; index--) {
    const attempt = attempts.at(index);
    const x = Math.round(pixelOf(layout, attempt.seconds)) + 0.5;
    if (attempt.number < 2 || x < layout.left || x > layout.right) continue;
    context.lineWidth = 1;
    context.strokeStyle = palette.muted;
    context.setLineDash([2, 3]);
    strokeLine(context, x, layout.top, x, layout.bottom);
    context.setLineDash([]);
    const text = `attempt ${attempt.number}`;
    const width = context.measureText(text).width;
    const isRight = x + width + 8 > layout.right;
    const left = isRight ? x - width - 9 : x + 2;
    if (left + width + 7 > free) continue;
    free = left;
    context.fillStyle = palette.surface;
    context.fillRect(left, layout.top - 2, width + 7, LABEL_HEIGHT);
    context.fillStyle = palette.muted;
    context.textAlign = isRight ? "right" : "left";
    context.textBaseline = "top";
    context.fillText(text, isRight ? x - 5 : x + 5, layout.top);
  }
}

function drawSelection(
  context: CanvasRenderingContext2D,
  [from, to]: Range,
  layout: Layout,
  palette: Palette,
): void {
  const [a, b] = [pixelOf(layout, from), pixelOf(layout, to)];
  context.fillStyle = palette.accentSoft;
  context.fillRect(a, layout.top, b - a, plotHeight(layout));
}

/** The last values beside the ends of the lines. */
function drawLastValues(
  context: CanvasRenderingContext2D,
  { points }: ChartInput,
  layout: Layout,
  pixels: Pixels,
  palette: Palette,
): void {
  if (points.length === 0 || pixels.right < layout.left) return;
  const last = points.at(startIndex(points.column("seconds"), layout.span[1]));
  const series = layout.logarithmic
    ? [{ value: last.gap, colour: palette.accent, text: percent(last.gap) }]
    : [
        { value: last.objective, colour: palette.best, text: number(last.objective, 6) },
        { value: last.bound, colour: palette.bound, text: number(last.bound, 6) },
      ];
  const labels = series
    .filter(({ value }) => !Number.isNaN(value))
    .map((label) => ({ ...label, y: pixels.y(label.value) }))
    .filter(({ y }) => y >= layout.top - 1 && y <= layout.bottom + 1)
    .sort((a, b) => a.y - b.y);
  for (const label of labels) {
    drawDot(context, pixels.right, label.y, 4.5, label.colour, palette);
  }
  if (pixels.right + 8 > layout.right + 9 || layout.right > widthFor(context)) return;
  spread(labels, layout);
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const { text, colour, y } of labels) {
    context.fillStyle = colour;
    context.fillText(text, pixels.right + 10, y);
  }
}

/** The right edge beyond which there is no room for labels. */
function widthFor(context: CanvasRenderingContext2D): number {
  const width = context.canvas.clientWidth;
  return width >= WIDE ? width - RIGHT : 0;
}

/** Moves labels apart that would cover each other. */
function spread(labels: { y: number; value: number }[], layout: Layout): void {
  const [upper, lower] = labels;
  if (!upper || !lower) return;
  const lack = LABEL_HEIGHT - (lower.y - upper.y);
  if (lack <= 0) return;
  upper.y = Math.max(layout.top, upper.y - lack / 2);
  lower.y = upper.y + LABEL_HEIGHT;
}

function drawHover(
  context: CanvasRenderingContext2D,
  { points }: ChartInput,
  hover: number,
  layout: Layout,
  pixels: Pixels,
  palette: Palette,
): void {
  const x = Math.round(pixelOf(layout, hover)) + 0.5;
  context.lineWidth = 1;
  context.strokeStyle = palette.axis;
  strokeLine(context, x, layout.top, x, layout.bottom);
  const point = points.at(startIndex(points.column("seconds"), hover));
  const series = layout.logarithmic
    ? [{ value: point.gap, colour: palette.accent }]
    : [
        { value: point.objective, colour: palette.best },
        { value: point.bound, colour: palette.bound },
      ];
  for (const { value, colour } of series) {
    const y = pixels.y(value);
    if (Number.isNaN(value) || y < layout.top || y > layout.bottom) continue;
    drawDot(context, x, y, 4.5, colour, palette);
  }
}

function drawDot(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  colour: string,
  palette: Palette,
): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = palette.surface;
  context.stroke();
}

function strokeLine(
  context: CanvasRenderingContext2D,
  fromX: number,
  fromY: number,
  toX: number,
  toY: number,
): void {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}
