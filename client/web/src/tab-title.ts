// The title and the icon of the browser's tab: a job in a background tab is looked at there.

import { useEffect } from "preact/hooks";
import type { Tone } from "./parts/Chip";

const NAME = "solvemesh";

/** The colours of the dot, which are seen on light and dark tabs. */
const COLOURS: Record<Tone, string> = {
  idle: "#8b949e",
  busy: "#3b82f6",
  good: "#16a06a",
  warn: "#d99a1c",
  bad: "#e5484d",
};

/** Shows a title, and a dot in the colour of a state, while the calling component is shown. */
export function useTabTitle(title: string, tone: Tone): void {
  useEffect(() => {
    document.title = `${title} · ${NAME}`;
  }, [title]);
  useEffect(() => {
    const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    if (icon) icon.href = dot(COLOURS[tone]);
  }, [tone]);
  useEffect(
    () => () => {
      document.title = NAME;
      const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
      if (icon) icon.href = "icon.svg";
    },
    [],
  );
}

function dot(colour: string): string {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${colour}"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
