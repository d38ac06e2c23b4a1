// Round numbers for the axes of a chart.

import { number, percent } from "../format";

export interface Tick {
  value: number;
  text: string;
}

/** At most about `count` round numbers from `low` to `high`. */
export function numberTicks(low: number, high: number, count: number): Tick[] {
  const step = roundStep((high - low) / Math.max(1, count));
  if (!(step > 0) || !Number.isFinite(step)) return [];
  // As many digits as tell neighbours apart.
  const digits = Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / step)) + 2;
  return multiples(low, high, step).map((value) => ({
    value,
    text: number(value, Math.min(15, Math.max(1, digits))),
  }));
}

/** Ticks of a logarithmic axis of ratios, in percent. */
export function ratioTicks(low: number, high: number, count: number): Tick[] {
  const decades = Math.log10(high / low);
  if (decades < 0.9) {
    return numberTicks(low * 100, high * 100, count).map(({ value }) => ({
      value: value / 100,
      text: percent(value / 100),
    }));
  }
  const factors = decades * 3 <= count * 1.5 ? [1, 2, 5] : [1];
  const skip = Math.max(1, Math.ceil(decades / count));
  const ticks: Tick[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (power % skip !== 0) continue;
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      ticks.push({ value, text: percent(Number(value.toPrecision(3))) });
    }
  }
  return ticks;
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** Steps of a time axis from a second on. Below, and above a day, steps are 1, 2 or 5 × 10ⁿ. */
const TIME_STEPS = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12, 24].map((hours) => hours * HOUR),
];

/** Ticks of an axis of time spans, in seconds. */
export function timeTicks(low: number, high: number, count: number): Tick[] {
  const wanted = (high - low) / Math.max(1, count);
  const step =
    wanted < 1
      ? roundStep(wanted)
      : (TIME_STEPS.find((candidate) => candidate >= wanted * 0.8) ??
        roundStep(wanted / DAY) * DAY);
  if (!(step > 0) || !Number.isFinite(step)) return [];
  return multiples(low, high, step).map((value) => ({ value, text: timeText(value, step) }));
}

/** The unit is that of the step, so that all ticks have the same. */
function timeText(seconds: number, step: number): string {
  if (seconds === 0) return "0";
  const two = (n: number) => String(n).padStart(2, "0");
  if (step < MINUTE) {
    if (seconds < MINUTE || step < 1) return `${Number(seconds.toPrecision(6))} s`;
    return `${Math.floor(seconds / MINUTE)}:${two(Math.round(seconds % MINUTE))} min`;
  }
  if (step < HOUR) {
    if (seconds < HOUR) return `${Math.round(seconds / MINUTE)} min`;
    return `${Math.floor(seconds / HOUR)}:${two(Math.round((seconds % HOUR) / MINUTE))} h`;
  }
  if (step < DAY) return `${Math.round(seconds / HOUR)} h`;
  return `${Math.round(seconds / DAY)} d`;
}

/** The smallest of 1, 2, 5, 10, … × 10ⁿ that is at least `raw`. */
export function roundStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= raw * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** The multiples of a step in a range. Not by adding up: sums of 0.1 are not round. */
function multiples(low: number, high: number, step: number): number[] {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const length = Math.min(200, Math.max(0, last - first + 1));
  return Array.from({ length }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}
