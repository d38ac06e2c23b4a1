import { type AxisForm, MAX_AXES } from "./axes";
import { DEFAULT_OPTIONS, type OptionsForm } from "./options";
import type { TextSource } from "./source";

const KEY = "solvemesh.draft";

/** Texts above this are not kept: the browser allows 5 MB for all that a site keeps. */
const MAX_TEXT = 1 << 20;

/** What the page keeps of an unsent model, for the next visit. */
export interface KeptDraft {
  source: TextSource;
  options: OptionsForm;
  axes: AxisForm[];
}

/** The draft as it is kept. */
export function draftText(draft: KeptDraft): string {
  return draft.source.text.length > MAX_TEXT ? "" : JSON.stringify(draft);
}

/** The draft that a text stands for; nothing if it is none, or one of another version. */
export function draftOf(text: string | null): KeptDraft | undefined {
  if (!text) return undefined;
  try {
    const kept: unknown = JSON.parse(text);
    if (!isRecord(kept) || !isRecord(kept.source) || typeof kept.source.text !== "string")
      return undefined;
    const { source } = kept;
    return {
      source: {
        kind: "text",
        name: typeof source.name === "string" ? source.name : "",
        format: source.format === "mps" ? "mps" : "lp",
        text: kept.source.text,
      },
      options: optionsOf(kept.options),
      axes: Array.isArray(kept.axes) ? kept.axes.filter(isAxis).slice(0, MAX_AXES) : [],
    };
  } catch {
    return undefined;
  }
}

/** Keeps a draft. */
export function keepDraft(draft: KeptDraft): void {
  try {
    const text = draftText(draft);
    if (text) localStorage.setItem(KEY, text);
    else localStorage.removeItem(KEY);
  } catch {
    // The storage is full or not allowed: the draft lives as long as the tab.
  }
}

/** The draft of an earlier visit. */
export function keptDraft(): KeptDraft | undefined {
  try {
    return draftOf(localStorage.getItem(KEY));
  } catch {
    return undefined;
  }
}

function optionsOf(kept: unknown): OptionsForm {
  const options: OptionsForm = { ...DEFAULT_OPTIONS, raw: [] };
  if (!isRecord(kept)) return options;
  const known = Object.entries(kept).filter(
    ([key, value]) =>
      key in DEFAULT_OPTIONS &&
      key !== "raw" &&
      typeof value === typeof DEFAULT_OPTIONS[key as keyof OptionsForm],
  );
  Object.assign(options, Object.fromEntries(known));
  if (Array.isArray(kept.raw)) {
    options.raw = kept.raw.flatMap((each: unknown) =>
      isRecord(each) && typeof each.name === "string" && typeof each.value === "string"
        ? [{ name: each.name, value: each.value }]
        : [],
    );
  }
  return options;
}

function isAxis(value: unknown): value is AxisForm {
  return (
    isRecord(value) &&
    typeof value.kind === "number" &&
    ["variable", "constraint", "from", "to", "points"].every(
      (key) => typeof value[key] === "string",
    )
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
