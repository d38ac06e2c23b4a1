// What the view of the model knows. It outlives the view, so that a look at a job and back loses
// nothing.

import { batch, computed, effect, signal, untracked } from "@preact/signals";

import type { GetCapabilitiesResponse } from "../../gen/solvemesh/v1/job_service_pb";
import { client, UNARY_TIMEOUT_MS } from "../api";
import { type Symbols, symbolsOf } from "../editor/symbols";
import { type AxisForm, axisError, type ReportForm, scenarioCount } from "../model/axes";
import { fileLimits } from "../model/capabilities";
import { type Check, fieldErrors, marksOf } from "../model/check";
import { keepDraft, keptDraft } from "../model/draft";
import { EXAMPLES } from "../model/examples";
import {
  checkOptions,
  DEFAULT_OPTIONS,
  type FormErrors,
  formField,
  type OptionsForm,
} from "../model/options";
import { FileRefused, type NamedBlob, readModelFile } from "../model/read-file";
import { buildRequest, type Draft } from "../model/request";
import type { Source, TextSource } from "../model/source";
import { retryIn } from "../model/submit";
import { type Problem, problemOf } from "../problem";

/** Time from the last key to the check. */
const CHECK_DELAY_MS = 600;

/** Texts up to this size are checked while they are typed. */
export const CHECK_LIMIT = 100_000;

/** Up to this number of variables are asked for by name. */
const MAX_NAMED = 200;

const [wyndor] = EXAMPLES;
const kept = keptDraft();

/** The model. */
export const source = signal<Source>(
  kept?.source ?? { kind: "text", name: wyndor?.name ?? "", format: "lp", text: wyndor?.lp ?? "" },
);
/** The options. */
export const options = signal<OptionsForm>(kept?.options ?? { ...DEFAULT_OPTIONS });
/** The axes of a sweep; none for a single solve. */
export const axes = signal<AxisForm[]>(kept?.axes ?? []);
/** Whether a sweep returns the values of the variables too. */
export const withValues = signal(true);
/** Whether the form of the article is shown in place of the editor. */
export const article = signal(false);
/** A text of the user that an example or a file has replaced, to bring it back. */
export const replaced = signal<TextSource | undefined>(undefined);

/** What the gateway can do, once it has told. */
export const capabilities = signal<GetCapabilitiesResponse | undefined>(undefined);

/** A file that is being opened, or why it was not. */
export const opening = signal<{ name: string; error?: string } | undefined>(undefined);

/** The result of the last check, while it is about what is in the form. */
export const check = signal<Check | undefined>(undefined);
/** Whether a check is running or about to. */
export const checking = signal(false);

/** The names and numbers in the text. */
export const symbols = computed(() =>
  source.value.kind === "text"
    ? symbolsOf(source.value.text, source.value.format)
    : symbolsOf("", "lp"),
);

/** The lines with errors and warnings. */
export const marks = computed(() => marksOf(check.value));

/** What is wrong with each axis; empty if nothing is. */
export const axisErrors = computed(() => {
  const errors = fieldErrors(check.value);
  return axes.value.map((axis, index) => {
    const own = axisError(axis, axes.value.slice(0, index));
    if (own) return own;
    const prefix = `sweep.grid.axes[${index}]`;
    const found = [...errors].find(([field]) => field.startsWith(prefix));
    return found?.[1] ?? "";
  });
});

/** The errors of the options, of the page and of the gateway. */
export const optionErrors = computed<FormErrors>(() => {
  const errors: FormErrors = {};
  for (const [field, description] of fieldErrors(check.value)) {
    const key = formField(field);
    if (key) errors[key] = description;
  }
  return { ...errors, ...checkOptions(options.value, capabilities.value) };
});

/** The errors of the last check that have no place in the form. */
export const otherErrors = computed(() =>
  [...fieldErrors(check.value)].filter(
    ([field]) => !formField(field) && !field.startsWith("sweep.grid.axes["),
  ),
);

/** Why nothing can be sent; empty if something can. */
export const unready = computed(() => {
  const now = source.value;
  if (now.kind === "text" && !now.text.trim())
    return "Write a model, pick an example, or open a file.";
  if (Object.keys(checkOptions(options.value, capabilities.value)).length > 0) {
    return "An option has a wrong value.";
  }
  const wrong = axes.value.findIndex((axis, index) => axisError(axis, axes.value.slice(0, index)));
  if (wrong >= 0) return `Axis ${wrong + 1} is not complete.`;
  const most = capabilities.value?.limits?.maxScenarios;
  if (axes.value.length > 0 && most && scenarioCount(axes.value) > most) {
    return `More scenarios than this gateway takes: ${most.toLocaleString("en")}.`;
  }
  return "";
});

/** The draft as it would be sent now. */
export function draft(): Draft {
  return {
    source: source.value,
    options: options.value,
    axes: axes.value,
    ...(axes.value.length > 0 && withValues.value && { report: reportOf(symbols.value) }),
  };
}

/**
 * The values of the variables by name, where the text has the names and they are few: results
 * of scenarios have names only of variables that were asked for by name.
 */
function reportOf({ variables }: Symbols): ReportForm {
  const named = variables.length > 0 && variables.length <= MAX_NAMED;
  return named ? { variables } : { allVariables: true };
}

/** Puts a model into the editor, and keeps the text that was there, if it is the user's own. */
export function replaceSource(next: Source): void {
  const now = source.value;
  batch(() => {
    const own =
      now.kind === "text" &&
      now.text.trim() &&
      !EXAMPLES.some((example) => example.lp === now.text);
    replaced.value = own ? now : undefined;
    source.value = next;
    check.value = undefined;
    article.value = false;
    axes.value = [];
    // A name is that of one model; the other options are habits.
    if (options.value.name) options.value = { ...options.value, name: "" };
    opening.value = undefined;
  });
}

let reading: AbortController | undefined;

/** Opens a file that was dropped or chosen. */
export async function openFile(file: NamedBlob): Promise<void> {
  stopOpening();
  const controller = new AbortController();
  reading = controller;
  opening.value = { name: file.name };
  try {
    const limits = fileLimits(capabilities.value);
    const found = await readModelFile(file, limits, controller.signal);
    if (!controller.signal.aborted) replaceSource(found);
  } catch (error) {
    if (controller.signal.aborted) return;
    const reason = error instanceof FileRefused ? error.message : `${file.name} cannot be read.`;
    opening.value = { name: file.name, error: reason };
  }
}

/** Gives up opening a file. */
export function stopOpening(): void {
  reading?.abort();
  opening.value = undefined;
}

/** Closes the card of a file, and returns to the text that was in the editor before. */
export function closeFile(): void {
  const back = replaced.value ?? keptDraft()?.source;
  batch(() => {
    source.value = back ?? { kind: "text", name: "", format: "lp", text: "" };
    check.value = undefined;
    replaced.value = undefined;
    axes.value = [];
  });
}

/** The time that a request of this size may take to arrive, in milliseconds. */
export function timeoutFor(model: Source): number {
  const size = model.kind === "file" ? model.content.length : model.text.length;
  return Math.min(UNARY_TIMEOUT_MS + size / 250, 125_000);
}

let running: AbortController | undefined;

/** Checks the draft now: the gateway reads and validates it, and queues nothing. */
export async function checkNow(): Promise<void> {
  running?.abort();
  const controller = new AbortController();
  running = controller;
  checking.value = true;
  const now = draft();
  // An axis that is half filled in must not hide errors of the model.
  if (
    axisErrors.value.some(Boolean) &&
    axes.value.some((axis, at) => axisError(axis, axes.value.slice(0, at)))
  ) {
    now.axes = [];
    delete now.report;
  }
  let found: Check | undefined;
  let again: number | undefined;
  try {
    const request = buildRequest(now, capabilities.value, "");
    const { job } = await client.submitJob(request, {
      signal: controller.signal,
      timeoutMs: timeoutFor(now.source),
    });
    if (job?.description) found = { kind: "good", description: job.description };
  } catch (error) {
    if (controller.signal.aborted) return;
    const problem = problemOf(error);
    found = { kind: "bad", problem };
    again = retryIn(problem, 4);
  }
  if (controller.signal.aborted) return;
  batch(() => {
    check.value = found;
    checking.value = false;
  });
  if (again !== undefined) setTimeout(() => !controller.signal.aborted && checkNow(), again * 1000);
}

/** Stops a running check, as its model is about to be sent or has changed. */
function stopChecking(): void {
  running?.abort();
  checking.value = false;
}

/** Starts what goes on while the view is shown. Returns how to stop it. */
export function start(): () => void {
  const stop = [effect(checkWhileTyping), effect(keepWhileTyping)];
  if (!capabilities.value) void askCapabilities();
  return () => {
    for (const end of stop) end();
    stopChecking();
  };
}

function checkWhileTyping(): (() => void) | undefined {
  const now = source.value;
  const watched = [options.value, axes.value, withValues.value, capabilities.value];
  untracked(stopChecking);
  if (article.value || watched.length === 0) return undefined;
  if (now.kind === "file" || now.text.length > CHECK_LIMIT || !now.text.trim()) {
    check.value = undefined;
    return undefined;
  }
  checking.value = true;
  const timer = setTimeout(() => void checkNow(), CHECK_DELAY_MS);
  return () => clearTimeout(timer);
}

function keepWhileTyping(): (() => void) | undefined {
  const now = source.value;
  const kept = { options: options.value, axes: axes.value };
  if (now.kind !== "text") return undefined;
  const timer = setTimeout(() => keepDraft({ source: now, ...kept }), 300);
  return () => clearTimeout(timer);
}

/** Asks what the gateway can do, until it answers. */
async function askCapabilities(tries = 1): Promise<void> {
  try {
    capabilities.value = await client.getCapabilities({});
  } catch {
    setTimeout(() => void askCapabilities(tries + 1), Math.min(500 * 2 ** tries, 15_000));
  }
}

/** The problem that kept the gateway from looking at the model, if any. */
export function unchecked(found: Check | undefined): Problem | undefined {
  if (found?.kind !== "bad") return undefined;
  const isDenied = found.problem.code === "PERMISSION_DENIED";
  return isDenied || retryIn(found.problem, 1) !== undefined ? found.problem : undefined;
}
