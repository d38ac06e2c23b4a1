// Which numbers the vertical axis of the chart of a solve shows.

import type { Points } from "../points";

/**
 * "near" leaves out the beginning, where the first solutions may be far away; "all" has
 * everything; "gap" shows the relative gap on a logarithmic scale.
 */
export type Mode = "near" | "all" | "gap";

export const MODES: readonly Mode[] = ["near", "all", "gap"];

export type Range = readonly [low: number, high: number];

/** The share of the time that "near" shows, from its end: the largest that is not too coarse. */
const NEAR_SHARES = [0.9, 0.7, 0.4, 0.15];
/** "Too coarse": the present gap is less than this part of the height. */
const MIN_GAP_PART = 0.12;

/** The range of objective and bound within a time span. Undefined if nothing is known there. */
export function valueRange(points: Points, span: Range, mode: "near" | "all"): Range | undefined {
  if (mode === "all") return padded(extremes(points, span));
  const [from, to] = span;
  const last = points.last();
  const gap = last ? Math.abs(last.objective - last.bound) : Number.NaN;
  for (const share of NEAR_SHARES) {
    const range = extremes(points, [to - (to - from) * share, to]);
    const isLast = share === NEAR_SHARES.at(-1);
    if (range && (isLast || !(gap < (range[1] - range[0]) * MIN_GAP_PART))) return padded(range);
  }
  return padded(extremes(points, span));
}

/** The range of the gap within a time span. A gap of 0 has no place on a logarithmic scale. */
export function gapRange(points: Points, span: Range, goal: number): Range | undefined {
  const gaps = points.column("gap");
  const seconds = points.column("seconds");
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  let closed = false;
  for (let index = startIndex(seconds, span[0]); index < gaps.length; index++) {
    if (seconds[index]! > span[1]) break;
    const gap = gaps[index]!;
    if (gap === 0) closed = true;
    if (!(gap > 0) || !Number.isFinite(gap)) continue;
    low = Math.min(low, gap);
    high = Math.max(high, gap);
  }
  if (high === 0) return undefined;
  // The goal is shown if it is not far below.
  if (goal > 0 && goal < low && goal > low / 300) low = goal;
  if (closed) low /= 2;
  const padding = Math.max(1.15, (high / low) ** 0.08);
  return [low / padding, high * padding];
}

/** The least and the largest of objective and bound in a time span, with what held at its start. */
function extremes(points: Points, [from, to]: Range): Range | undefined {
  const seconds = points.column("seconds");
  const columns = [points.column("objective"), points.column("bound")];
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let index = startIndex(seconds, from); index < seconds.length; index++) {
    if (seconds[index]! > to) break;
    for (const column of columns) {
      const value = column[index]!;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? [low, high] : undefined;
}

/** The last index at or before a time; 0 if there is none. */
export function startIndex(seconds: Float64Array, from: number): number {
  let low = 0;
  let high = seconds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (seconds[middle]! <= from) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

function padded(range: Range | undefined): Range | undefined {
  if (!range) return undefined;
  const [low, high] = range;
  const span = high - low;
  const padding = span > 0 ? span * 0.15 : Math.max(Math.abs(high) * 0.01, 1e-6);
  return [low - padding, high + padding];
}
