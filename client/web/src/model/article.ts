/**
 * The form of the article that this project follows: a profit rate of windows, and back come the
 * batches to make. Doors earn 300 a batch.
 */

import { ParameterKind } from "../../gen/solvemesh/v1/sweep_pb";
import type { AxisForm } from "./axes";
import type { TextSource } from "./source";

/** The profit of a batch of doors. */
export const DOORS_RATE = 300;

/** The rates that the slider covers, and the number of them that the sweep solves. */
export const SLIDER = { from: 0, to: 1000, points: 101 };

/** The variables, in the order in which a sweep reports them. */
export const PRODUCTS = ["Doors", "Windows"] as const;

/** The model for a profit rate of windows. */
export function articleModel(rate: number): TextSource {
  const windows = rate < 0 ? `- ${-rate}` : `+ ${rate}`;
  return {
    kind: "text",
    name: "wyndor",
    format: "lp",
    text: `\\ Wyndor Glass: how many batches of doors and windows to make in a week.
Maximize
 profit: ${DOORS_RATE} Doors ${windows} Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End
`,
  };
}

/** The axis of the sweep behind the slider. */
export const SLIDER_AXIS: AxisForm = {
  kind: ParameterKind.OBJECTIVE,
  variable: "Windows",
  constraint: "",
  from: String(SLIDER.from),
  to: String(SLIDER.to),
  points: String(SLIDER.points),
};

/** The scenario nearest to a rate. */
export function sliderIndex(rate: number): number {
  const step = (SLIDER.to - SLIDER.from) / (SLIDER.points - 1);
  const index = Math.round((rate - SLIDER.from) / step);
  return Math.min(Math.max(index, 0), SLIDER.points - 1);
}

/** The rate of a scenario. */
export function sliderRate(index: number): number {
  return SLIDER.from + ((SLIDER.to - SLIDER.from) * index) / (SLIDER.points - 1);
}
