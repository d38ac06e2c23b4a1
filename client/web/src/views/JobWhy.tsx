// Why a model has no solution, or no best one.

import { useMemo } from "preact/hooks";
import {
  BoundSide,
  type InfeasibilityProof,
  type InfeasibleSubset,
  type SubsetBound,
  TerminationReason,
  type UnboundedRay,
} from "../../gen/solvemesh/v1/result_pb";
import { constraintTexts, typeset } from "../constraint-text";
import { counted, exact, number } from "../format";
import { Copy } from "../parts/Copy";
import { VirtualTable } from "../parts/VirtualTable";
import { sentRequest } from "../sent";
import type { Story } from "../story";

export function JobWhy({ story }: { story: Story }) {
  const { result } = story;
  const reason = result?.termination?.reason;
  if (!result || reason === undefined) return null;
  if (reason === TerminationReason.INFEASIBLE_OR_UNBOUNDED) {
    return (
      <p class="empty">
        The solver found only that the model has no optimum: it is infeasible or unbounded, and its
        claim of one of them could not be proven.
      </p>
    );
  }
  return (
    <div class="job-text">
      {result.infeasibleSubset && <Subset id={story.id} subset={result.infeasibleSubset} />}
      {reason === TerminationReason.INFEASIBLE && !result.infeasibleSubset && (
        <p>
          {story.job.description?.options?.returnInfeasibleSubset
            ? "No subset of contradicting bounds was found within the time limit."
            : "The option “infeasible subset” shows the few constraints that contradict each other. Solve again with it."}
        </p>
      )}
      {result.infeasibilityProof && <Proof proof={result.infeasibilityProof} />}
      {result.unboundedRay && <Ray ray={result.unboundedRay} />}
    </div>
  );
}

function Subset({ id, subset }: { id: string; subset: InfeasibleSubset }) {
  const { constraints, variables, irreducible, verified } = subset;
  const texts = useMemo(() => {
    const model = sentRequest(id)?.model;
    if (model?.form.case !== "lp") return new Map<string, string>();
    return constraintTexts(model.form.value, new Set(constraints.map(({ name }) => name)));
  }, [id, constraints]);
  const bounds = [
    ...constraints.map((bound) => constraintLine(bound, texts.get(bound.name))),
    ...variables.map(variableLine),
  ];
  return (
    <section>
      <h2>
        {bounds.length === 1
          ? "This alone has no solution"
          : `These ${bounds.length} contradict each other`}
      </h2>
      <ol class="job-subset mono">
        {bounds.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ol>
      <p class="job-hint">
        {irreducible
          ? "Without any one of them, the rest has a solution. "
          : "The time limit was reached before it was known whether fewer would do. "}
        {verified ? "Checked outside the solver. ✓" : "Not confirmed by the check."}{" "}
        <Copy text={bounds.join("\n")} />
      </p>
    </section>
  );
}

function constraintLine(
  { index, name, side, bound }: SubsetBound,
  text: string | undefined,
): string {
  // A range constraint takes part with one of its sides, which its text does not tell.
  if (text && !/[<>=].*[<>=]{1,2}.*[<>=]/.test(text.replace(/<=|>=|=<|=>/g, "<"))) {
    return `${name}: ${typeset(text)}`;
  }
  return `${name || `row ${index}`} ${relation(side)} ${value(bound)}`;
}

function variableLine({ index, name, side, bound }: SubsetBound): string {
  return `${name || `x${index}`} ${relation(side)} ${value(bound)}`;
}

function relation(side: BoundSide): string {
  return side === BoundSide.LOWER ? "≥" : "≤";
}

function value(bound: number | undefined): string {
  return bound === undefined ? "?" : number(bound, 12);
}

function Proof({ proof }: { proof: InfeasibilityProof }) {
  const rows = proof.constraintIndices.map((row, index) => ({
    index,
    name: proof.constraintNames[index] || `row ${row}`,
    multiplier: proof.multipliers[index] ?? 0,
  }));
  if (!proof.verified) {
    return (
      <p>
        There is no proof by multipliers: if the integers are left out, the model may have
        solutions. That there is none is the claim of the solver.
      </p>
    );
  }
  return (
    <details class="job-details">
      <summary>
        The proof{rows.length > 0 && ` by ${counted(rows.length, "multiplier")}`} (Farkas), verified
      </summary>
      <p>
        {rows.length > 0
          ? "Multiply each of these constraints by its number and add them up: the sum demands what no values within the bounds of the variables give."
          : "The bounds of one constraint or variable are crossed, or a constraint without terms excludes 0."}
        {proof.distance !== undefined &&
          ` The model stays infeasible if all bounds are widened by up to ${number(proof.distance, 3)}.`}
      </p>
      {rows.length > 0 && (
        <VirtualTable
          label="Constraints"
          rows={rows}
          rowKey={(row) => row.index}
          empty=""
          columns={[
            { key: "name", title: "constraint", cell: (row) => row.name, by: (row) => row.name },
            {
              key: "multiplier",
              title: "multiplier",
              align: "right",
              cell: (row) => <span title={exact(row.multiplier)}>{number(row.multiplier)}</span>,
              by: (row) => row.multiplier,
            },
          ]}
        />
      )}
    </details>
  );
}

function Ray({ ray }: { ray: UnboundedRay }) {
  const rows = ray.variableIndices.map((column, index) => ({
    index,
    name: ray.variableNames[index] || `x${column}`,
    value: ray.values[index] ?? 0,
  }));
  return (
    <section>
      <h2>The objective improves without limit in this direction</h2>
      <p>
        From the solution, change the variables by any multiple of these numbers: every constraint
        still holds
        {ray.rate !== undefined && `, and the objective changes by ${number(ray.rate)} each time`}.{" "}
        {ray.verified ? "Checked outside the solver. ✓" : "Not confirmed by the check."}
      </p>
      <VirtualTable
        label="Variables"
        rows={rows}
        rowKey={(row) => row.index}
        empty=""
        search={{ placeholder: "Search variables", text: (row) => row.name }}
        columns={[
          { key: "name", title: "variable", cell: (row) => row.name, by: (row) => row.name },
          {
            key: "value",
            title: "direction",
            align: "right",
            cell: (row) => <span title={exact(row.value)}>{number(row.value)}</span>,
            by: (row) => row.value,
          },
        ]}
      />
    </section>
  );
}
