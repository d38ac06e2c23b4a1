// The values of a solution: that of a finished job, or the best so far.

import { useMemo, useState } from "preact/hooks";
import { JobState } from "../../gen/solvemesh/v1/job_pb";
import type { Solution } from "../../gen/solvemesh/v1/result_pb";
import { exact, number } from "../format";
import { constraintsCsv, save, sol, solutionJson, variablesCsv } from "../parts/download";
import { type Column, VirtualTable } from "../parts/VirtualTable";
import {
  type ConstraintRow,
  constraintRows,
  incumbentRows,
  type Range,
  type VariableRow,
  variableRows,
} from "../solution-rows";
import type { Story } from "../story";

type Part = "variables" | "constraints";

export function JobSolution({ story }: { story: Story }) {
  const [part, setPart] = useState<Part>("variables");
  const { solution, incumbent } = story;
  if (!solution && !incumbent) return <p class="empty">{whyEmpty(story)}</p>;
  if (!solution && incumbent?.valuesOmitted) {
    return (
      <p class="empty">
        The values of this solution are too large to be sent while the job runs. The result will
        have them. The option “incumbents: only these variables” selects some.
      </p>
    );
  }
  const isUnchecked = !solution && story.finished;
  const hasConstraints = (solution?.activities.length ?? 0) > 0;
  const shown = hasConstraints ? part : "variables";
  return (
    <div class="job-solution">
      <div class="job-solution-tools">
        {hasConstraints && (
          <fieldset class="switch job-switch" aria-label="Part of the solution">
            {(["variables", "constraints"] as const).map((each) => (
              <button
                key={each}
                type="button"
                aria-pressed={each === shown}
                onClick={() => setPart(each)}
              >
                {each}
              </button>
            ))}
          </fieldset>
        )}
        {solution && <Downloads story={story} solution={solution} part={shown} />}
      </div>
      {isUnchecked && (
        <p class="job-hint job-note">
          The best solution that was found before the job failed. It was not checked.
        </p>
      )}
      {shown === "variables" ? <Variables story={story} /> : <Constraints solution={solution!} />}
    </div>
  );
}

function whyEmpty({ job, finished, result }: Story): string {
  if (!finished) {
    return job.state === JobState.RUNNING
      ? "No solution has been found yet. The best one so far will be shown here."
      : "The job has not started.";
  }
  if (result && result.solutionPartCount > 0) return "The solution is no longer stored.";
  return "There is no solution.";
}

function Variables({ story }: { story: Story }) {
  const [onlyNonzero, setOnlyNonzero] = useState(false);
  const { solution, incumbent } = story;
  const rows = useMemo(
    () => (solution ? variableRows(solution) : incumbentRows(incumbent!)),
    [solution, incumbent],
  );
  const columns = useMemo(() => variableColumns(solution), [solution]);
  const omitsZeros = story.job.description?.options?.incumbents?.nonzerosOnly && !solution;
  return (
    <VirtualTable<VariableRow>
      label="Variables"
      rows={rows}
      columns={columns}
      rowKey={(row) => row.index}
      include={onlyNonzero ? isNonzero : undefined}
      search={{ placeholder: "Search variables", text: (row) => row.name }}
      empty="All values are 0."
      keys
      tools={
        omitsZeros ? (
          <span class="job-hint">values of 0 are not sent</span>
        ) : (
          <label class="job-check">
            <input
              type="checkbox"
              checked={onlyNonzero}
              onChange={(event) => setOnlyNonzero(event.currentTarget.checked)}
            />
            not 0
          </label>
        )
      }
    />
  );
}

function isNonzero(row: VariableRow): boolean {
  return row.value !== 0;
}

function Constraints({ solution }: { solution: Solution }) {
  const [onlyPriced, setOnlyPriced] = useState(false);
  const rows = useMemo(() => constraintRows(solution), [solution]);
  const columns = useMemo(() => constraintColumns(solution), [solution]);
  return (
    <VirtualTable<ConstraintRow>
      label="Constraints"
      rows={rows}
      columns={columns}
      rowKey={(row) => row.index}
      include={onlyPriced ? isPriced : undefined}
      search={{ placeholder: "Search constraints", text: (row) => row.name }}
      empty="There are no constraints."
      keys
      tools={
        solution.duals.length > 0 ? (
          <label class="job-check">
            <input
              type="checkbox"
              checked={onlyPriced}
              onChange={(event) => setOnlyPriced(event.currentTarget.checked)}
            />
            dual not 0
          </label>
        ) : undefined
      }
    />
  );
}

function isPriced(row: ConstraintRow): boolean {
  return row.dual !== undefined && row.dual !== 0;
}

// Numbers stay near their names, also on a wide screen.
const NAME_WIDTH = "minmax(84px, 340px)";
const NUMBER_WIDTH = "minmax(84px, 180px)";
const RANGE_WIDTH = "minmax(120px, 260px)";

function variableColumns(solution: Solution | undefined): Column<VariableRow>[] {
  const columns: Column<VariableRow>[] = [
    {
      key: "name",
      title: "variable",
      width: NAME_WIDTH,
      cell: (row) => <span title={row.name}>{row.name}</span>,
      by: (row) => row.name,
    },
    {
      key: "value",
      title: "value",
      align: "right",
      width: NUMBER_WIDTH,
      cell: (row) => <Value value={row.value} />,
      by: (row) => row.value,
    },
  ];
  if (solution && solution.reducedCosts.length > 0) {
    columns.push({
      key: "reducedCost",
      title: "reduced cost",
      width: NUMBER_WIDTH,
      hint: "The change of the objective for each unit of the variable",
      align: "right",
      cell: (row) => <Value value={row.reducedCost} />,
      by: (row) => row.reducedCost,
    });
  }
  if (solution?.costRanges) {
    columns.push({
      key: "cost",
      title: "cost range",
      hint: "The solution stays optimal while the objective coefficient is in this range",
      align: "right",
      wide: true,
      width: RANGE_WIDTH,
      cell: (row) => <RangeText range={row.cost} />,
    });
  }
  return columns;
}

function constraintColumns(solution: Solution): Column<ConstraintRow>[] {
  const columns: Column<ConstraintRow>[] = [
    {
      key: "name",
      title: "constraint",
      width: NAME_WIDTH,
      cell: (row) => <span title={row.name}>{row.name}</span>,
      by: (row) => row.name,
    },
    {
      key: "activity",
      title: "activity",
      width: NUMBER_WIDTH,
      hint: "The value of the left-hand side",
      align: "right",
      cell: (row) => <Value value={row.activity} />,
      by: (row) => row.activity,
    },
  ];
  if (solution.duals.length > 0) {
    columns.push({
      key: "dual",
      title: "dual",
      width: NUMBER_WIDTH,
      hint: "The change of the objective for each unit of the right-hand side. Not 0: it is tight",
      align: "right",
      cell: (row) => <Value value={row.dual} />,
      by: (row) => row.dual,
    });
  }
  if (solution.rightHandSideRanges) {
    columns.push({
      key: "rhs",
      title: "right-hand side range",
      hint: "The dual holds while the right-hand side is in this range",
      align: "right",
      wide: true,
      width: RANGE_WIDTH,
      cell: (row) => <RangeText range={row.rightHandSide} />,
    });
  }
  return columns;
}

function Value({ value = Number.NaN }: { value: number | undefined }) {
  return (
    <span class={value === 0 ? "job-zero" : undefined} title={exact(value)}>
      {number(value, 10)}
    </span>
  );
}

function RangeText({ range }: { range: Range | undefined }) {
  if (!range) return <span>–</span>;
  const at = `objective ${number(range.objectiveAtLower)} … ${number(range.objectiveAtUpper)}`;
  return (
    <span title={at}>
      {number(range.lower)} … {number(range.upper)}
    </span>
  );
}

interface DownloadsProps {
  story: Story;
  solution: Solution;
  part: Part;
}

function Downloads({ story, solution, part }: DownloadsProps) {
  const name = story.job.description?.modelName || story.id.slice(0, 8);
  const termination = story.result?.termination;
  const saveCsv = () => {
    const lines = part === "variables" ? variablesCsv(solution) : constraintsCsv(solution);
    save(`${name}.${part}.csv`, "text/csv", lines);
  };
  const saveJson = () => {
    const facts = {
      jobId: story.id,
      objective: termination?.objective,
      objectiveBound: termination?.objectiveBound,
    };
    save(`${name}.json`, "application/json", solutionJson(facts, solution));
  };
  const saveSol = () => save(`${name}.sol`, "text/plain", sol(solution, termination?.objective));
  return (
    <div class="job-downloads">
      <span class="job-hint">Download</span>
      <button type="button" class="button button-small" onClick={saveCsv}>
        CSV
      </button>
      <button type="button" class="button button-small" onClick={saveJson}>
        JSON
      </button>
      <button type="button" class="button button-small" onClick={saveSol}>
        .sol
      </button>
    </div>
  );
}
