// The same job for the command line, grpcurl and Python.

import { type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";

import type { JobDescription } from "../gen/solvemesh/v1/job_pb";
import { type SubmitJobRequest, SubmitJobRequestSchema } from "../gen/solvemesh/v1/job_service_pb";
import { FileFormat, type Model } from "../gen/solvemesh/v1/model_pb";
import {
  Presolve,
  type SolveOptions,
  SolveOptionsSchema,
  Solver,
} from "../gen/solvemesh/v1/options_pb";
import type { GridAxis, ScenarioTable, Sweep } from "../gen/solvemesh/v1/sweep_pb";
import { designOf, parameterName, parameterValue } from "./sweep/axes";
import { secondsOf } from "./time";

/** Programs that submit the same job again. */
export interface JobCode {
  shell: string;
  grpcurl: string;
  python: string;
  /** What has to be done before, such as saving the model. Empty if nothing. */
  notes: string[];
}

/** What is known of a job: the request, if this browser sent it, and the description. */
export interface JobSource {
  request?: SubmitJobRequest | undefined;
  description?: JobDescription | undefined;
}

/** The longest model that is written into the code, in characters. */
const MAX_INLINE = 4000;

/** The address that the command line uses by itself. */
const DEFAULT_GATEWAY = "http://127.0.0.1:50051";

/** The longest list of scenarios that is written as a CSV file, in lines. */
const MAX_SCENARIO_LINES = 200;

/** The programs for a job, for a gateway at a URL. */
export function jobCode(source: JobSource, gateway: string): JobCode {
  const model = modelOf(source);
  const job = { ...source, model };
  return {
    shell: shellCode(job, gateway),
    grpcurl: grpcurlCode(job, gateway),
    python: pythonCode(job, gateway),
    notes: notesOf(job),
  };
}

/** Where the model comes from: text in the code, or a file beside it. */
type ModelSource = { text: string; format: "lp" | "mps" } | { file: string };

interface Sources extends JobSource {
  model: ModelSource;
}

function modelOf({ request, description }: JobSource): ModelSource {
  const form = request?.model?.form;
  if ((form?.case === "lp" || form?.case === "mps") && form.value.length <= MAX_INLINE) {
    const text = form.value.endsWith("\n") ? form.value : `${form.value}\n`;
    return { text, format: form.case };
  }
  if (form?.case === "file" && form.value.name) return { file: form.value.name };
  const extension =
    form?.case === "mps" || (form?.case === "file" && form.value.format === FileFormat.MPS)
      ? "mps"
      : "lp";
  const name = request?.model?.name || description?.modelName || "model";
  return { file: `${name.replace(/[^\w.-]+/g, "-")}.${extension}` };
}

function notesOf({ request, description, model }: Sources): string[] {
  const notes: string[] = [];
  if ("file" in model) {
    notes.push(
      request?.model?.form.case
        ? `Save the model as ${model.file} first.`
        : `This browser does not have the model: put it into ${model.file} first.`,
    );
  }
  if (description?.sweep && !request?.sweep) {
    notes.push(
      "The scenarios are not known to this browser, because the sweep was submitted elsewhere.",
    );
  }
  if (hasLongTable(request?.sweep)) {
    notes.push(
      "The scenarios are too many to be written here: put them into scenarios.csv, and into the request.",
    );
  }
  if (request?.starts.length) {
    notes.push("The command line reads a starting point from a file; the line here has none.");
  }
  return notes;
}

// The command line.

function shellCode(source: Sources, gateway: string): string {
  const { request, model } = source;
  const sweep = request?.sweep;
  const words = ["solvemesh"];
  if (gateway !== DEFAULT_GATEWAY) words.push(`--gateway ${quoted(gateway)}`);
  words.push(source.description?.sweep || sweep ? "sweep" : "solve");
  words.push("file" in model ? quoted(model.file) : "-");
  if ("format" in model && model.format === "mps") words.push("--format mps");
  words.push(...submissionFlags(source), ...optionFlags(optionsOf(source)));
  const scenarios = sweep ? scenarioLines(sweep) : undefined;
  if (sweep) words.push(...sweepFlags(sweep));
  const command = wrapped(words);
  const parts = [];
  if (scenarios) parts.push(`cat > scenarios.csv ${heredoc(scenarios)}`);
  parts.push("text" in model ? `${command} ${heredoc(model.text)}` : command);
  return `${parts.join("\n")}\n`;
}

function submissionFlags({ request, description }: Sources): string[] {
  const flags: string[] = [];
  for (const [key, value] of Object.entries(request?.labels ?? description?.labels ?? {})) {
    flags.push(`--label ${quoted(`${key}=${value}`)}`);
  }
  if (request?.model?.name) flags.push(`--model-name ${quoted(request.model.name)}`);
  if (request?.lane) flags.push(`--lane ${quoted(request.lane)}`);
  pushSeconds(flags, "--total-time-limit", request?.totalTimeLimit);
  pushSeconds(flags, "--queue-time-limit", request?.queueTimeLimit);
  return flags;
}

function optionFlags(options: SolveOptions | undefined): string[] {
  const flags: string[] = [];
  if (!options) return flags;
  const push = (flag: string, value: number | bigint | undefined) => {
    if (value !== undefined) flags.push(`${flag} ${value}`);
  };
  pushSeconds(flags, "--time-limit", options.timeLimit);
  push("--gap", options.relativeGap);
  push("--abs-gap", options.absoluteGap);
  push("--threads", options.threads);
  push("--seed", options.seed);
  if (options.presolve === Presolve.ON) flags.push("--presolve on");
  if (options.presolve === Presolve.OFF) flags.push("--presolve off");
  if (options.solver > Solver.AUTO) flags.push(`--solver ${Solver[options.solver]?.toLowerCase()}`);
  push("--node-limit", options.nodeLimit);
  push("--iteration-limit", options.iterationLimit);
  push("--solution-limit", options.solutionLimit);
  push("--objective-target", options.objectiveTarget);
  push("--memory-limit", options.memoryLimitBytes);
  if (options.returnInfeasibleSubset) flags.push("--infeasible-subset");
  if (options.returnBasis) flags.push("--return-basis");
  if (options.returnLog) flags.push("--log");
  if (options.returnSensitivity) flags.push("--sensitivity");
  if (options.incumbents?.nonzerosOnly) flags.push("--incumbent-nonzeros");
  for (const name of options.incumbents?.variables ?? []) {
    flags.push(`--incumbent-variable ${quoted(name)}`);
  }
  for (const [name, value] of Object.entries(options.solverOptions)) {
    flags.push(`--option ${quoted(`${name}=${value}`)}`);
  }
  return flags;
}

function sweepFlags(sweep: Sweep): string[] {
  const flags: string[] = [];
  if (sweep.scenarios.case === "grid") {
    for (const axis of sweep.scenarios.value.axes) flags.push(`--vary ${quoted(axisSpec(axis))}`);
  } else {
    flags.push("--scenarios scenarios.csv");
  }
  for (const name of sweep.report?.variables ?? []) flags.push(`--values ${quoted(name)}`);
  for (const name of sweep.report?.constraints ?? []) flags.push(`--duals ${quoted(name)}`);
  if (sweep.report?.allVariables) flags.push("--all-values");
  if (sweep.report?.allConstraints) flags.push("--all-duals");
  if (sweep.stopOnFirst) {
    const target = sweep.stopOnFirst.objectiveTarget;
    flags.push(target === undefined ? "--stop-on-first" : `--stop-at ${target}`);
  }
  return flags;
}

/** An axis as `--vary` has it: `obj:Windows=100..1000/10`. */
export function axisSpec(axis: GridAxis): string {
  const name = axis.parameter ? parameterName(axis.parameter) : "?";
  if (axis.values.length > 0) return `${name}=${axis.values.map(shellNumber).join(",")}`;
  const { first = 0, last = first } = axis;
  return `${name}=${shellNumber(first)}..${shellNumber(last)}/${Math.max(axis.pointCount, 1)}`;
}

/** The CSV file of a table of scenarios; `undefined` if there is no table, or a long one. */
function scenarioLines(sweep: Sweep): string | undefined {
  const design = designOf(sweep);
  if (design.kind !== "table" || hasLongTable(sweep)) return undefined;
  const { table, names } = design;
  const lines = [["label", ...names]];
  for (let scenario = 0; scenario < tableLength(table); scenario++) {
    const values = names.map((_, parameter) => {
      const value = parameterValue(design, parameter, scenario);
      return value === undefined ? "" : shellNumber(value);
    });
    lines.push([table.labels[scenario] ?? "", ...values]);
  }
  return `${lines.map((line) => line.map(csvCell).join(",")).join("\n")}\n`;
}

function tableLength({ parameters, scenarioStarts, values, labels }: ScenarioTable): number {
  if (scenarioStarts.length > 0) return scenarioStarts.length - 1;
  return Math.max(labels.length, values.length / Math.max(parameters.length, 1));
}

/** Whether a sweep has a table that is too long to be written into the code. */
function hasLongTable(sweep: Sweep | undefined): boolean {
  return (
    sweep?.scenarios.case === "table" && tableLength(sweep.scenarios.value) > MAX_SCENARIO_LINES
  );
}

function csvCell(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function pushSeconds(flags: string[], flag: string, time: Duration | undefined): void {
  const seconds = secondsOf(time);
  if (seconds !== undefined) flags.push(`${flag} ${seconds}`);
}

function shellNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "inf";
  if (value === Number.NEGATIVE_INFINITY) return "-inf";
  return String(value);
}

/** A word of a shell command. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./#-]+$/.test(word) && !word.startsWith("#")
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** A command, broken into lines of readable length. */
function wrapped(words: readonly string[]): string {
  const lines = [""];
  for (const word of words) {
    const line = lines.at(-1) ?? "";
    if (line !== "" && line.length + word.length > 88) lines.push(`  ${word}`);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.join(" \\\n");
}

/** Text as the input of a command, without any expansion by the shell. */
function heredoc(text: string): string {
  const end = endWord(text, "END_OF_TEXT");
  return `<<'${end}'\n${text}${end}`;
}

/** A word that is not a line of the text. */
function endWord(text: string, word: string): string {
  let end = word;
  while (text.split("\n").includes(end)) end += "_";
  return end;
}

// The request as JSON.

function optionsOf({ request, description }: JobSource): SolveOptions | undefined {
  return request ? request.options : description?.options;
}

/** The request as JSON, without its id, which would name the job that exists already. */
function requestJson({ request, description, model }: Sources): JsonObject {
  let json: JsonObject = {};
  if (request) {
    const copy: SubmitJobRequest = { ...request, requestId: "", validateOnly: false };
    delete copy.model;
    if (hasLongTable(copy.sweep)) delete copy.sweep;
    json = asObject(toJson(SubmitJobRequestSchema, copy));
  } else if (description) {
    if (Object.keys(description.labels).length > 0) json.labels = { ...description.labels };
    if (description.options) json.options = toJson(SolveOptionsSchema, description.options);
  }
  return { model: modelJson(request?.model, model), ...json };
}

function modelJson(sent: Model | undefined, model: ModelSource): JsonObject {
  const name = sent?.name ? { name: sent.name } : {};
  if ("text" in model) return { ...name, [model.format]: model.text };
  return { ...name, file: { name: model.file, content: "" } };
}

function asObject(json: JsonValue): JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
}

// grpcurl.

function grpcurlCode(source: Sources, gateway: string): string {
  const { model } = source;
  const address = new URL(gateway);
  const secure = address.protocol === "https:";
  const call = `grpcurl ${secure ? "" : "-plaintext "}`;
  const host = hostOf(address);
  const json = JSON.stringify(requestJson(source), null, 2);
  const input =
    "file" in model
      ? expandedInput(json, model.file)
      : `<<'${endWord(json, "JSON")}' | sed -n 's/.*"jobId": "\\([^"]*\\)".*/\\1/p'\n${json}\n${endWord(json, "JSON")}`;
  return `job=$(${call}-d @ ${host} solvemesh.v1.JobService/SubmitJob ${input}
)
${call}-d '{"jobIds": ["'"$job"'"]}' ${host} solvemesh.v1.JobService/WatchResults
`;
}

/** JSON as input, in which the shell puts the file as base64. */
function expandedInput(json: string, file: string): string {
  const escaped = json.replace(/[\\$`]/g, "\\$&");
  const filled = escaped.replace(
    '"content": ""',
    `"content": "$(base64 < ${quoted(file)} | tr -d '\\n')"`,
  );
  return `<<JSON | sed -n 's/.*"jobId": "\\([^"]*\\)".*/\\1/p'\n${filled}\nJSON`;
}

function hostOf(address: URL): string {
  const port = address.port || (address.protocol === "https:" ? "443" : "80");
  return `${address.hostname}:${port}`;
}

// Python.

function pythonCode(source: Sources, gateway: string): string {
  const { model } = source;
  const address = new URL(gateway);
  const channel =
    address.protocol === "https:"
      ? `grpc.secure_channel("${hostOf(address)}", grpc.ssl_channel_credentials())`
      : `grpc.insecure_channel("${hostOf(address)}")`;
  const json = requestJson(source);
  const submitted = asObject(json.model ?? {});
  let before = "";
  let after = "";
  if ("text" in model) {
    before = `\nmodel = ${pythonText(model.text)}\n`;
    submitted[model.format] = PYTHON_MODEL;
  } else {
    json.model = { ...submitted, file: { name: model.file } };
    after = `with open(${pythonValue(model.file, 0)}, "rb") as file:\n    request.model.file.content = file.read()\n`;
  }
  const request = pythonValue(json, 0).replace(pythonValue(PYTHON_MODEL, 0), "model");
  const isSweep = Boolean(source.request?.sweep || source.description?.sweep);
  return `# pip install grpcio grpcio-reflection
import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha import proto_reflection_descriptor_database as reflection

channel = ${channel}
# The gateway describes its API itself, so no generated code is needed.
pool = descriptor_pool.DescriptorPool(reflection.ProtoReflectionDescriptorDatabase(channel))
service = pool.FindServiceByName("solvemesh.v1.JobService")


def method(name):
    """The type of a method's request, and the function that calls it."""
    found = service.methods_by_name[name]
    make = channel.unary_stream if found.server_streaming else channel.unary_unary
    request, response = map(message_factory.GetMessageClass, (found.input_type, found.output_type))
    path = f"/{service.full_name}/{name}"
    return request, make(path, request.SerializeToString, response.FromString)


SubmitJobRequest, submit_job = method("SubmitJob")
WatchResultsRequest, watch_results = method("WatchResults")
${before}
request = json_format.ParseDict(${request}, SubmitJobRequest())
${after}job = submit_job(request).job
for response in watch_results(WatchResultsRequest(job_ids=[job.job_id])):
    event = response.event
${isSweep ? PYTHON_SWEEP_LOOP : PYTHON_LOOP}`;
}

/** Stands for the variable with the text of the model. */
const PYTHON_MODEL = "\u0001model";

const PYTHON_LOOP = `    if event.HasField("progress"):
        print(event.progress.objective, event.progress.objective_bound)
    if event.HasField("finished"):
        print(event.finished.result)
`;

const PYTHON_SWEEP_LOOP = `    for result in event.scenario_results.results:
        print(result.index, result.label, result.objective, *result.values)
    if event.HasField("finished"):
        print(event.finished.sweep_summary)
`;

function pythonText(text: string): string {
  // A raw string keeps the backslashes of LP comments as they are.
  return text.includes('"""') ? JSON.stringify(text) : `r"""${text}"""`;
}

/** A JSON value as Python. */
function pythonValue(value: JsonValue, depth: number): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const indent = "    ".repeat(depth + 1);
  const items = Array.isArray(value)
    ? value.map((item) => pythonValue(item, depth + 1))
    : Object.entries(value).map(
        ([key, item]) => `${JSON.stringify(key)}: ${pythonValue(item, depth + 1)}`,
      );
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  if (items.length === 0) return open + close;
  const flat = `${open}${items.join(", ")}${close}`;
  if (!flat.includes("\n") && flat.length + indent.length <= 80) return flat;
  return `${open}\n${items.map((item) => `${indent}${item},\n`).join("")}${"    ".repeat(depth)}${close}`;
}
