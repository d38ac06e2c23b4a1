import { create } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { DurationSchema } from "@bufbuild/protobuf/wkt";

import type {
  GetCapabilitiesResponse,
  SubmitJobRequest,
} from "../../gen/solvemesh/v1/job_service_pb";
import {
  Presolve,
  type SolveOptions,
  SolveOptionsSchema,
  Solver,
} from "../../gen/solvemesh/v1/options_pb";
import { secondsOf } from "../time";
import { solverCapabilities, solverName, supports, whyUnavailable } from "./capabilities";
import { numberOf, parseSeconds } from "./numbers";

/** The fields of the options as a person fills them in: texts, empty for the default. */
export interface OptionsForm {
  name: string;
  timeLimit: string;
  solver: Solver;
  relativeGap: string;
  absoluteGap: string;
  threads: string;
  seed: string;
  presolve: Presolve;
  log: boolean;
  infeasibleSubset: boolean;
  sensitivity: boolean;
  nodeLimit: string;
  solutionLimit: string;
  iterationLimit: string;
  objectiveTarget: string;
  memoryLimit: string;
  lane: string;
  labels: string;
  raw: RawOption[];
}

/** An option by the solver's own name. */
export interface RawOption {
  name: string;
  value: string;
}

/** The names of the fields with text. */
export type TextField = {
  [K in keyof OptionsForm]: OptionsForm[K] extends string ? K : never;
}[keyof OptionsForm];

/** The form before anyone fills it in. */
export const DEFAULT_OPTIONS: Readonly<OptionsForm> = {
  name: "",
  timeLimit: "",
  solver: Solver.AUTO,
  relativeGap: "",
  absoluteGap: "",
  threads: "",
  seed: "",
  presolve: Presolve.AUTO,
  log: true,
  infeasibleSubset: true,
  sensitivity: false,
  nodeLimit: "",
  solutionLimit: "",
  iterationLimit: "",
  objectiveTarget: "",
  memoryLimit: "",
  lane: "",
  labels: "",
  raw: [],
};

/** The fields that are numbers in the API, where they have the same names. */
type NumberKey = {
  [K in TextField]: K extends keyof SolveOptions ? K : never;
}[TextField] &
  string;

/** A number of the form, with the field of the API that it sets. */
interface NumberField {
  key: NumberKey;
  field: string;
  least: number;
  integer: boolean;
  /** Whether the API has 64 bits for it. */
  isLong: boolean;
}

const NUMBERS: readonly NumberField[] = (
  [
    ["relativeGap", "relative_gap", 0, false, false],
    ["absoluteGap", "absolute_gap", 0, false, false],
    ["threads", "threads", 1, true, false],
    ["seed", "seed", 0, true, false],
    ["nodeLimit", "node_limit", 1, true, true],
    ["iterationLimit", "iteration_limit", 0, true, true],
    ["solutionLimit", "solution_limit", 1, true, false],
    ["objectiveTarget", "objective_target", -Infinity, false, false],
  ] as const
).map(([key, field, least, integer, isLong]) => ({ key, field, least, integer, isLong }));

/** The field of the form that a field of the API belongs to, as in `options.relative_gap`. */
export function formField(path: string): keyof OptionsForm | undefined {
  const named: Record<string, keyof OptionsForm> = {
    "options.time_limit": "timeLimit",
    "options.solver": "solver",
    "options.presolve": "presolve",
    "options.memory_limit_bytes": "memoryLimit",
    "options.return_log": "log",
    "options.return_sensitivity": "sensitivity",
    "options.return_infeasible_subset": "infeasibleSubset",
    "model.name": "name",
    lane: "lane",
  };
  if (path.startsWith("labels")) return "labels";
  if (path.startsWith("options.solver_options")) return "raw";
  return named[path] ?? NUMBERS.find(({ field }) => path === `options.${field}`)?.key;
}

/** What is wrong with the form, by its field. */
export type FormErrors = Partial<Record<keyof OptionsForm, string>>;

/** Checks the form before it is sent, as far as the page can. */
export function checkOptions(
  form: OptionsForm,
  capabilities: GetCapabilitiesResponse | undefined,
): FormErrors {
  const errors: FormErrors = {};
  const limit = parseSeconds(form.timeLimit);
  const most = secondsOf(capabilities?.limits?.maxTimeLimit);
  if (limit !== undefined) {
    if (Number.isNaN(limit)) errors.timeLimit = "a time, as in 90, 5 min or 1.5 h";
    else if (limit <= 0) errors.timeLimit = "above 0";
    else if (most !== undefined && limit > most) errors.timeLimit = `at most ${timeInWords(most)}`;
  }
  for (const { key, least, integer } of NUMBERS) {
    const value = numberOf(form[key]);
    if (value === undefined) continue;
    if (Number.isNaN(value)) errors[key] = "not a number";
    else if (value < least) errors[key] = `${least} or more`;
    else if (integer && !Number.isInteger(value)) errors[key] = "a whole number";
  }
  const memory = numberOf(form.memoryLimit);
  if (memory !== undefined && !(memory >= 16)) errors.memoryLimit = "16 MiB or more";
  const why = whyUnavailable(capabilities, form.solver);
  if (why) errors.solver = why;
  const broken = labelLines(form.labels).find((line) => !/^[^=]+=/.test(line));
  if (broken !== undefined) errors.labels = `one key=value each: ${broken}`;
  const allowed = solverCapabilities(capabilities, form.solver)?.options;
  if (allowed && form.raw.length > 0) {
    const unknown = form.raw.find(
      ({ name }) => name && !allowed.some((each) => each.name === name),
    );
    if (unknown) errors.raw = `${solverName(form.solver)} has no option ${unknown.name} here`;
  }
  return errors;
}

/** The number fields of the form that the chosen solver does not support, which are not sent. */
export function unsupported(
  form: OptionsForm,
  capabilities: GetCapabilitiesResponse | undefined,
): Set<keyof OptionsForm> {
  const missing = new Set<keyof OptionsForm>();
  const check = (key: keyof OptionsForm, field: string) => {
    if (!supports(capabilities, form.solver, field)) missing.add(key);
  };
  for (const { key, field } of NUMBERS) check(key, field);
  check("presolve", "presolve");
  check("log", "return_log");
  check("infeasibleSubset", "return_infeasible_subset");
  check("sensitivity", "return_sensitivity");
  if (!solverCapabilities(capabilities, form.solver)?.options.length) missing.add("raw");
  return missing;
}

/**
 * The options of a request. Fields that the chosen solver does not support are left out, as the
 * form shows them disabled; so are those of a single solve in a sweep.
 */
export function solveOptions(
  form: OptionsForm,
  capabilities: GetCapabilitiesResponse | undefined,
  sweep: boolean,
): SolveOptions {
  const missing = unsupported(form, capabilities);
  const options = create(SolveOptionsSchema);
  const limit = parseSeconds(form.timeLimit);
  if (limit !== undefined) options.timeLimit = durationOf(limit);
  for (const { key, isLong } of NUMBERS) {
    const value = missing.has(key) ? undefined : numberOf(form[key]);
    if (value === undefined) continue;
    Object.assign(options, { [key]: isLong ? BigInt(Math.trunc(value)) : value });
  }
  const memory = numberOf(form.memoryLimit);
  if (memory !== undefined) options.memoryLimitBytes = BigInt(Math.round(memory * 2 ** 20));
  if (form.solver !== Solver.AUTO) options.solver = form.solver;
  if (form.presolve !== Presolve.AUTO && !missing.has("presolve")) options.presolve = form.presolve;
  if (!sweep) {
    options.returnLog = form.log && !missing.has("log");
    options.returnInfeasibleSubset = form.infeasibleSubset && !missing.has("infeasibleSubset");
    options.returnSensitivity = form.sensitivity && !missing.has("sensitivity");
  }
  if (!missing.has("raw")) {
    for (const { name, value } of form.raw) {
      if (name.trim()) options.solverOptions[name.trim()] = value.trim();
    }
  }
  return options;
}

/** The form that makes the options, labels and lane of a request. The name is the model's. */
export function optionsForm({ options, labels, lane, sweep }: SubmitJobRequest): OptionsForm {
  const form: OptionsForm = {
    ...DEFAULT_OPTIONS,
    lane,
    labels: Object.entries(labels)
      .map((label) => label.join("="))
      .join("\n"),
  };
  if (!options) return form;
  for (const { key } of NUMBERS) form[key] = String(options[key] ?? "");
  const limit = secondsOf(options.timeLimit);
  if (limit !== undefined) form.timeLimit = timeInWords(limit);
  const memory = options.memoryLimitBytes;
  if (memory !== undefined) form.memoryLimit = String(Number(memory) / 2 ** 20);
  form.solver = options.solver || Solver.AUTO;
  form.presolve = options.presolve || Presolve.AUTO;
  form.raw = Object.entries(options.solverOptions).map(([name, value]) => ({ name, value }));
  // A request of a sweep says nothing of what only a single solve returns.
  if (sweep) return form;
  form.log = options.returnLog;
  form.infeasibleSubset = options.returnInfeasibleSubset;
  form.sensitivity = options.returnSensitivity;
  return form;
}

/** What is in effect, in one line. */
export function summary(
  form: OptionsForm,
  capabilities: GetCapabilitiesResponse | undefined,
  sweep: boolean,
): string {
  const missing = unsupported(form, capabilities);
  const has = (key: TextField) => form[key].trim() !== "" && !missing.has(key);
  const parts: string[] = [];
  const limit = parseSeconds(form.timeLimit) ?? secondsOf(capabilities?.limits?.defaultTimeLimit);
  if (limit !== undefined && !Number.isNaN(limit)) {
    parts.push(`${timeInWords(limit)}${sweep ? " a scenario" : ""}`);
  }
  parts.push(form.solver === Solver.AUTO ? "solver chosen by the mesh" : solverName(form.solver));
  if (!missing.has("relativeGap")) {
    const gap = numberOf(form.relativeGap);
    parts.push(gap === undefined ? "default gap" : `gap ${percentInWords(gap)}`);
  }
  if (has("absoluteGap")) parts.push(`absolute gap ${form.absoluteGap.trim()}`);
  const threads = missing.has("threads") ? 1 : (numberOf(form.threads) ?? 1);
  parts.push(threads === 1 ? "1 thread" : `${threads} threads`);
  if (has("seed")) parts.push(`seed ${form.seed.trim()}`);
  if (!missing.has("presolve")) {
    if (form.presolve === Presolve.ON) parts.push("presolve");
    if (form.presolve === Presolve.OFF) parts.push("no presolve");
  }
  if (has("nodeLimit")) parts.push(`${form.nodeLimit.trim()} nodes`);
  if (has("iterationLimit")) parts.push(`${form.iterationLimit.trim()} iterations`);
  if (has("solutionLimit")) parts.push(`${form.solutionLimit.trim()} solutions`);
  if (has("objectiveTarget")) parts.push(`until ${form.objectiveTarget.trim()}`);
  if (form.memoryLimit.trim()) parts.push(`${form.memoryLimit.trim()} MiB`);
  if (!sweep) {
    if (form.log && !missing.has("log")) parts.push("log");
    if (form.infeasibleSubset && !missing.has("infeasibleSubset"))
      parts.push("reason if infeasible");
    if (form.sensitivity && !missing.has("sensitivity")) parts.push("sensitivity");
  }
  if (!missing.has("raw")) {
    for (const { name, value } of form.raw)
      if (name.trim()) parts.push(`${name.trim()} = ${value.trim()}`);
  }
  if (form.lane) parts.push(`lane ${form.lane}`);
  if (form.labels.trim()) parts.push(labelLines(form.labels).join(", "));
  return parts.join(" · ");
}

/** The labels of the form, which has one `key=value` a line. */
export function labelsOf(form: OptionsForm): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const line of labelLines(form.labels)) {
    const at = line.indexOf("=");
    if (at > 0) labels[line.slice(0, at).trim()] = line.slice(at + 1).trim();
  }
  return labels;
}

/** A duration of the API. */
export function durationOf(value: number): Duration {
  const whole = Math.floor(value);
  return create(DurationSchema, {
    seconds: BigInt(whole),
    nanos: Math.min(Math.round((value - whole) * 1e9), 999_999_999),
  });
}

/** A time in its largest unit that needs no fraction: `10 min`, `90 s`, `12 h`. */
export function timeInWords(value: number): string {
  for (const [unit, size] of [
    ["h", 3600],
    ["min", 60],
  ] as const) {
    if (value >= size && value % size === 0) return `${value / size} ${unit}`;
  }
  return `${value} s`;
}

function percentInWords(value: number): string {
  return `${Number((value * 100).toPrecision(6))} %`;
}

function labelLines(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter(Boolean);
}
