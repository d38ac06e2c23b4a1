// The table of all scenarios of a sweep, and their files.

import { useMemo } from "preact/hooks";

import { TerminationLimit, TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import type { SweepDescription } from "../../gen/solvemesh/v1/sweep_pb";
import { count, exact, number } from "../format";
import { type Cell, csv, jsonLines, save } from "../parts/download";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import { type ScenarioRow, type Scenarios, scenarioAt } from "../scenarios";
import {
  type Design,
  parameterNames,
  parameterTitles,
  parameterValue,
  shownValue,
} from "../sweep/axes";
import { dualNames, valueNames } from "../sweep/measure";
import { limitWord, reasonWord } from "../sweep/reasons";

/** Columns of parameters and of values in the table; the files have all. */
const MAX_PARAMETER_COLUMNS = 4;
const MAX_VALUE_COLUMNS = 5;

interface Props {
  jobId: string;
  sweep: SweepDescription;
  results: Scenarios;
  design: Design;
  selected: number | undefined;
  /** Shows only scenarios that ended for this reason. */
  reason: number | undefined;
  onSelect(scenario: number): void;
}

export function ScenarioTable({
  jobId,
  sweep,
  results,
  design,
  selected,
  reason,
  onSelect,
}: Props) {
  // The arrays of the results are filled in place, so rows made later see later results.
  const rows = useMemo(
    () => ({
      length: results.count,
      at: (index: number): ScenarioRow => scenarioAt(results, index),
    }),
    [results.objectives, results.count],
  );
  const columns = useMemo(
    () => columnsOf(sweep, results, design),
    [sweep, design, results.values, results.duals, results.labels.size > 0],
  );
  const include = useMemo(
    () => (reason === undefined ? undefined : (row: ScenarioRow) => row.reason === reason),
    [reason],
  );
  const name = `sweep-${jobId.slice(0, 8)}`;
  return (
    <VirtualTable
      label="Scenarios"
      rows={rows}
      columns={columns}
      rowKey={(row) => row.index}
      version={results.answered}
      include={include}
      selected={selected}
      onOpen={(row) => onSelect(row.index)}
      rowClass={(row) => (row.reason === 0 ? "sweep-unanswered" : undefined)}
      empty="There are no scenarios."
      keys
      {...(results.labels.size > 0 && {
        search: { placeholder: "Find a scenario", text: (row: ScenarioRow) => row.label },
      })}
      tools={
        <div class="sweep-files">
          {(["CSV", "JSON"] as const).map((format) => (
            <button
              key={format}
              type="button"
              class="button button-small"
              disabled={results.answered === 0}
              title={`Save ${count(results.answered)} results as ${format === "CSV" ? "CSV" : "JSON, one object a line"}`}
              onClick={() => saveResults(format, name, sweep, results, design)}
            >
              {format}
            </button>
          ))}
        </div>
      }
    />
  );
}

function columnsOf(
  sweep: SweepDescription,
  results: Scenarios,
  design: Design,
): Column<ScenarioRow>[] {
  const columns: Column<ScenarioRow>[] = [
    {
      key: "scenario",
      title: "#",
      hint: "The number of the scenario, from 0",
      align: "right",
      width: "56px",
      by: (row) => row.index,
      cell: (row) => count(row.index),
    },
  ];
  if (results.labels.size > 0) {
    columns.push({
      key: "label",
      title: "Label",
      width: "minmax(96px, 2fr)",
      by: (row) => row.label,
      cell: (row) => <span title={row.label}>{row.label}</span>,
    });
  }
  const titles = parameterTitles(design);
  const names = parameterNames(design).slice(0, MAX_PARAMETER_COLUMNS);
  for (const [parameter, name] of names.entries()) {
    columns.push({
      key: `parameter:${name}`,
      title: name,
      hint: titles[parameter] ?? name,
      align: "right",
      // On a phone there is room for two parameters, or for the label.
      wide: parameter > 1 || results.labels.size > 0,
      by: (row) => parameterValue(design, parameter, row.index),
      cell: (row) => {
        const value = shownValue(design, parameter, row.index);
        return value === undefined ? <span class="sweep-base">as is</span> : number(value);
      },
    });
  }
  columns.push({
    key: "objective",
    title: "Objective",
    align: "right",
    by: (row) => row.objective,
    // Where there is no objective, the reason is said here too: a phone has no other place for it.
    cell: (row) =>
      Number.isNaN(row.objective) ? (
        row.reason !== 0 && <Ended row={row} />
      ) : (
        <span title={exact(row.objective)}>{number(row.objective)}</span>
      ),
  });
  columns.push(
    ...numberColumns("value", valueNames(sweep, results), results.values, results.valueWidth),
    ...numberColumns("dual", dualNames(sweep, results), results.duals, results.dualWidth),
  );
  columns.push(
    {
      key: "iterations",
      title: "Iterations",
      align: "right",
      wide: true,
      by: (row) => (row.reason ? row.iterations : undefined),
      cell: (row) => (row.reason ? count(row.iterations) : ""),
    },
    {
      key: "reason",
      title: "Ended",
      width: "minmax(92px, 1fr)",
      by: (row) => reasonWord(row.reason)[1],
      wide: true,
      cell: (row) => <Ended row={row} withLimit />,
    },
  );
  return columns;
}

/** How a scenario ended. */
function Ended({ row, withLimit = false }: { row: ScenarioRow; withLimit?: boolean }) {
  const [tone, word] = reasonWord(row.reason);
  const limit = limitWord(row.limit);
  const text = limit && withLimit ? `${word}, ${limit}` : word;
  return (
    <span class={`sweep-ended sweep-ended-${tone}`} title={row.detail || text}>
      {text}
    </span>
  );
}

function numberColumns(
  kind: "value" | "dual",
  names: readonly string[],
  numbers: Float64Array,
  width: number,
): Column<ScenarioRow>[] {
  if (width === 0) return [];
  return names.slice(0, MAX_VALUE_COLUMNS).map((name, index) => ({
    key: `${kind}:${name}`,
    title: kind === "dual" ? `dual of ${name}` : name,
    align: "right" as const,
    wide: true,
    by: (row: ScenarioRow) => numbers[row.index * width + index],
    cell: (row: ScenarioRow) => {
      const value = numbers[row.index * width + index] ?? Number.NaN;
      return Number.isNaN(value) ? "" : <span title={exact(value)}>{number(value)}</span>;
    },
  }));
}

function saveResults(
  format: "CSV" | "JSON",
  name: string,
  sweep: SweepDescription,
  results: Scenarios,
  design: Design,
): void {
  const parameters = parameterNames(design);
  const values = results.valueWidth > 0 ? valueNames(sweep, results) : [];
  const duals = results.dualWidth > 0 ? dualNames(sweep, results) : [];
  // The columns of `solvemesh sweep --csv`.
  const header = [
    ...["scenario", "label"],
    ...parameters,
    ...["reason", "limit", "objective", "bound"],
    ...values.map((variable) => `value:${variable}`),
    ...duals.map((constraint) => `dual:${constraint}`),
    ...["iterations", "max_violation", "detail"],
  ];
  const lines = resultLines(results, design, parameters.length);
  if (format === "CSV") save(`${name}.csv`, "text/csv", csv(header, lines));
  else save(`${name}.jsonl`, "application/jsonl", jsonLines(header, lines));
}

/** The scenarios that have a result, by their numbers. */
function* resultLines(results: Scenarios, design: Design, parameters: number): Generator<Cell[]> {
  for (let index = 0; index < results.count; index++) {
    const row = scenarioAt(results, index);
    if (row.reason === 0) continue;
    const cells: Cell[] = [index, row.label];
    for (let parameter = 0; parameter < parameters; parameter++) {
      cells.push(parameterValue(design, parameter, index));
    }
    cells.push(
      TerminationReason[row.reason] ?? "",
      row.limit === 0 ? "" : (TerminationLimit[row.limit] ?? ""),
      row.objective,
      row.bound,
    );
    const { valueWidth, dualWidth } = results;
    for (let k = 0; k < valueWidth; k++) cells.push(results.values[index * valueWidth + k]);
    for (let k = 0; k < dualWidth; k++) cells.push(results.duals[index * dualWidth + k]);
    cells.push(row.iterations, row.maxViolation, row.detail);
    yield cells;
  }
}
