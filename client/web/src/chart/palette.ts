// The colours of the chart, from the style sheet: a canvas does not follow it by itself.

export interface Palette {
  surface: string;
  grid: string;
  axis: string;
  text: string;
  muted: string;
  best: string;
  bestSoft: string;
  bound: string;
  boundSoft: string;
  accent: string;
  accentSoft: string;
  font: string;
}

/** The present colours of an element. They change with the colour scheme. */
export function paletteOf(element: Element): Palette {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    surface: colour("surface"),
    grid: colour("line"),
    axis: colour("line-strong"),
    text: colour("text"),
    muted: colour("text-2"),
    best: colour("best"),
    bestSoft: colour("best-soft"),
    bound: colour("bound"),
    boundSoft: colour("bound-soft"),
    accent: colour("accent"),
    accentSoft: colour("accent-soft"),
    font: `12px ${style.fontFamily}`,
  };
}
