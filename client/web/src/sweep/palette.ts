// The colours of a canvas, which does not follow the style sheet by itself.

import type { Palette } from "./plot";

/** The colours of the style sheet, as they are now. */
export function readPalette(element: Element, dark: boolean): Palette {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: color("--text-2"),
    faint: color("--text-3"),
    line: color("--line"),
    surface: color("--surface"),
    idle: color("--idle-soft"),
    best: color("--best"),
    warn: color("--bound"),
    bad: color("--bad"),
    accent: color("--accent"),
    series: [1, 4, 3, 2, 5].map((index) => color(`--series-${index}`)),
    font: `12px ${style.fontFamily}`,
    dark,
  };
}
