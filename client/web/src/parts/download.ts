// Files made in the browser: CSV, JSON and .sol.

/** A value of a cell. Missing and non-finite ones are handled by each format. */
export type Cell = string | number | boolean | undefined;

/** The parts of a solution that are written to files, in the order of the model. */
export interface SolutionColumns {
  /** Empty, or one for each variable. */
  variableNames: readonly string[];
  values: ArrayLike<number>;
  /** Empty, or one for each variable. */
  reducedCosts: ArrayLike<number>;
  /** Empty, or one for each constraint. */
  constraintNames: readonly string[];
  activities: ArrayLike<number>;
  /** Empty, or one for each constraint. */
  duals: ArrayLike<number>;
}

/** Lines are joined to chunks of this number, so that a large file is not one huge string. */
const CHUNK_LINES = 10_000;

/** Lets the user save a file. */
export function save(name: string, type: string, chunks: Iterable<string>): void {
  const url = URL.createObjectURL(new Blob([...chunks], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Chromium reads the blob after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A CSV file: RFC 4180, but with LF as the line break, as the command line writes it. */
export function csv(header: readonly string[], rows: Iterable<readonly Cell[]>): Generator<string> {
  return chunked(csvLines(header, rows));
}

function* csvLines(header: readonly string[], rows: Iterable<readonly Cell[]>): Generator<string> {
  yield header.map(csvCell).join(",");
  for (const row of rows) yield row.map(csvCell).join(",");
}

function csvCell(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell === "number") return number(cell);
  const text = String(cell);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A number as text, exactly; infinities as the API and Python read them. */
function number(value: number): string {
  if (Number.isNaN(value)) return "";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  return Object.is(value, -0) ? "0" : String(value);
}

/**
 * A solution as a .sol file, `NAME VALUE` lines below a comment with the objective, which
 * Gurobi, COPT and others read as a start. Values of 0 are included: without them, readers take
 * the variable as unknown.
 */
export function sol(solution: SolutionColumns, objective: number | undefined): Generator<string> {
  return chunked(solLines(solution, objective));
}

function* solLines(solution: SolutionColumns, objective: number | undefined): Generator<string> {
  if (objective !== undefined) yield `# Objective value = ${number(objective)}`;
  for (let index = 0; index < solution.values.length; index++) {
    yield `${named(solution.variableNames, index, "x")} ${number(solution.values[index] ?? 0)}`;
  }
}

/** A name or, in a result without names, the one that the mesh generates. */
function named(names: readonly string[], index: number, letter: "x" | "c"): string {
  return names[index] || letter + index;
}

/** The variables of a solution as CSV. */
export function variablesCsv(solution: SolutionColumns): Generator<string> {
  const header = ["variable", "value"];
  const hasCosts = solution.reducedCosts.length > 0;
  if (hasCosts) header.push("reduced_cost");
  return csv(
    header,
    columns(solution.variableNames, "x", [solution.values, solution.reducedCosts], hasCosts),
  );
}

/** The constraints of a solution as CSV. */
export function constraintsCsv(solution: SolutionColumns): Generator<string> {
  const header = ["constraint", "activity"];
  const hasDuals = solution.duals.length > 0;
  if (hasDuals) header.push("dual");
  return csv(
    header,
    columns(solution.constraintNames, "c", [solution.activities, solution.duals], hasDuals),
  );
}

function* columns(
  names: readonly string[],
  letter: "x" | "c",
  [first, second]: readonly [ArrayLike<number>, ArrayLike<number>],
  hasSecond: boolean,
): Generator<Cell[]> {
  for (let index = 0; index < first.length; index++) {
    const name = named(names, index, letter);
    yield hasSecond ? [name, first[index], second[index]] : [name, first[index]];
  }
}

/**
 * A solution as JSON with the keys of `solvemesh solve --json`. It is written in chunks, as names
 * and values of a large model do not fit into one string.
 */
export function solutionJson(
  facts: Readonly<Record<string, string | number | undefined>>,
  solution: SolutionColumns,
): Generator<string> {
  return chunked(solutionJsonLines(facts, solution));
}

function* solutionJsonLines(
  facts: Readonly<Record<string, string | number | undefined>>,
  solution: SolutionColumns,
): Generator<string> {
  yield "{";
  for (const [key, value] of Object.entries(facts))
    yield ` ${JSON.stringify(key)}: ${json(value)},`;
  yield* jsonObject("values", solution.variableNames, "x", solution.values, ",");
  if (solution.reducedCosts.length > 0) {
    yield* jsonObject("reducedCosts", solution.variableNames, "x", solution.reducedCosts, ",");
  }
  if (solution.duals.length > 0) {
    yield* jsonObject("duals", solution.constraintNames, "c", solution.duals, ",");
  }
  yield* jsonObject("activities", solution.constraintNames, "c", solution.activities, "");
  yield "}";
}

function* jsonObject(
  key: string,
  names: readonly string[],
  letter: "x" | "c",
  values: ArrayLike<number>,
  after: string,
): Generator<string> {
  yield ` ${JSON.stringify(key)}: {`;
  for (let index = 0; index < values.length; index++) {
    const comma = index + 1 < values.length ? "," : "";
    const name = JSON.stringify(named(names, index, letter));
    yield `  ${name}: ${json(values[index])}${comma}`;
  }
  yield ` }${after}`;
}

/** One JSON object a line, for rows of any number. Missing and non-finite numbers are null. */
export function jsonLines(
  header: readonly string[],
  rows: Iterable<readonly Cell[]>,
): Generator<string> {
  return chunked(
    (function* () {
      for (const row of rows) {
        const pairs = header.map((key, index) => `${JSON.stringify(key)}: ${json(row[index])}`);
        yield `{${pairs.join(", ")}}`;
      }
    })(),
  );
}

function json(value: Cell): string {
  if (value === undefined) return "null";
  // JSON.stringify makes null of NaN and of infinities.
  return JSON.stringify(value);
}

function* chunked(lines: Iterable<string>): Generator<string> {
  let chunk: string[] = [];
  for (const line of lines) {
    chunk.push(line);
    if (chunk.length === CHUNK_LINES) {
      yield `${chunk.join("\n")}\n`;
      chunk = [];
    }
  }
  if (chunk.length > 0) yield `${chunk.join("\n")}\n`;
}
