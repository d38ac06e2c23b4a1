// What all plots of a sweep have in common.

import type { Scenarios } from "../scenarios";
import type { Measure } from "./measure";

/** The colours of a plot, from the style sheet. */
export interface Palette {
  text: string;
  faint: string;
  line: string;
  surface: string;
  /** Of what has no result yet. */
  idle: string;
  best: string;
  warn: string;
  bad: string;
  accent: string;
  series: readonly string[];
  font: string;
  dark: boolean;
}

/** What a plot is made from. */
export interface PlotInput {
  results: Scenarios;
  measure: Measure;
  /** The best scenario by its objective, to be pointed out. */
  best: number | undefined;
  /** Whether a larger objective is better. */
  maximise: boolean;
  /** Of the canvas, in CSS pixels. */
  width: number;
  height: number;
  palette: Palette;
  context: CanvasRenderingContext2D;
}

/** A rectangle or a point of a plot, in pixels. */
export interface Mark {
  x: number;
  y: number;
  /** Set for areas such as the cells of a heat map. */
  width?: number;
  height?: number;
}

/** A plot, computed for one state of the results. */
export interface Plot {
  draw(): void;
  /** The scenario at a pixel. */
  hit(x: number, y: number): number | undefined;
  /** Where a scenario is drawn; `undefined` if it is not in this plot. */
  mark(scenario: number): Mark | undefined;
  /** The range of the measure. `undefined`: there are no values yet. */
  range: readonly [number, number] | undefined;
}

/** The area between the axes, in pixels. */
export interface Area {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The height of a line of text, in pixels. */
export const TEXT_HEIGHT = 16;

/** Draws the ticks and the titles of both axes, with grid lines where asked. */
export function drawAxes(
  { context, palette, width }: PlotInput,
  area: Area,
  x: { ticks: readonly { pixel: number; text: string }[]; title: string },
  y: { ticks: readonly { pixel: number; text: string }[]; title: string },
  grid: boolean,
): void {
  context.font = palette.font;
  context.lineWidth = 1;
  context.strokeStyle = palette.line;
  context.fillStyle = palette.faint;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const { pixel, text } of y.ticks) {
    const at = Math.round(pixel) + 0.5;
    if (grid) line(context, area.left, at, area.right, at);
    context.fillText(text, area.left - 8, pixel);
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  let free = Number.NEGATIVE_INFINITY;
  for (const { pixel, text } of [...x.ticks].sort((a, b) => a.pixel - b.pixel)) {
    const half = context.measureText(text).width / 2;
    const center = Math.min(Math.max(pixel, half), width - half);
    if (center - half < free) continue;
    free = center + half + 10;
    const at = Math.round(pixel) + 0.5;
    line(context, at, area.bottom + 1, at, area.bottom + 5);
    context.fillText(text, center, area.bottom + 7);
  }
  if (grid) {
    context.strokeStyle = palette.faint;
    line(context, area.left, area.bottom + 0.5, area.right, area.bottom + 0.5);
  }
  context.fillStyle = palette.text;
  if (x.title) {
    const title = fitted(context, x.title, area.right - area.left);
    context.fillText(title, (area.left + area.right) / 2, area.bottom + 7 + TEXT_HEIGHT);
  }
  if (y.title) {
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    const title = fitted(context, y.title, width - 8);
    context.fillText(title, 4, area.top - 10);
  }
}

/** Room for the texts of the ticks on the left, in pixels. */
export function tickRoom(
  { context, palette }: PlotInput,
  ticks: readonly { text: string }[],
): number {
  context.font = palette.font;
  return Math.ceil(Math.max(20, ...ticks.map(({ text }) => context.measureText(text).width))) + 12;
}

/** A text, shortened to a width. */
export function fitted(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text;
  let short = text;
  while (short.length > 1 && context.measureText(`${short}…`).width > width) {
    short = short.slice(0, -1);
  }
  return `${short}…`;
}

function line(context: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
