// What was checked of a result, outside the solver.

import type { ComponentChildren } from "preact";
import {
  type SolveResult,
  StartStatus,
  TerminationReason,
  type Verification,
} from "../../gen/solvemesh/v1/result_pb";
import { count, counted, duration, number, percent } from "../format";
import { solverName } from "../model/capabilities";
import type { Story } from "../story";
import { secondsOf } from "../time";

export function JobCheck({ story }: { story: Story }) {
  const { result, job, finished } = story;
  if (!result) {
    return (
      <p class="empty">
        {finished
          ? "There is no result to check."
          : "The result is checked outside the solver, against the model as it was submitted, once the solve has ended."}
      </p>
    );
  }
  const isMip = (job.description?.size?.integerCount ?? 0) > 0;
  const { termination, verification } = result;
  const warnings = [...(termination?.warnings ?? []), ...(job.description?.warnings ?? [])];
  return (
    <div class="job-text">
      <p>{conclusion(result, isMip)}</p>
      {verification && <Violations verification={verification} isMip={isMip} />}
      {warnings.length > 0 && (
        <section>
          <h2>Warnings</h2>
          <ul class="job-list">
            {warnings.map((warning) => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        </section>
      )}
      <Solver result={result} />
    </div>
  );
}

function conclusion({ termination, verification }: SolveResult, isMip: boolean): string {
  switch (termination?.reason) {
    case TerminationReason.OPTIMAL:
      return isMip
        ? `The solution satisfies the model, and its objective, computed from the model, is within the gap of the bound. The bound itself is that of the solver's branch and bound: ${number(termination.objectiveBound ?? Number.NaN)}.`
        : "The solution satisfies the model, and its duals prove that no solution is better: the bound that follows from them equals the objective.";
    case TerminationReason.FEASIBLE: {
      const gap = termination.relativeGap;
      const distance = gap === undefined ? "" : ` It is at most ${percent(gap)} from the optimum.`;
      return `The solution satisfies the model. It is not proven to be optimal.${distance}`;
    }
    case TerminationReason.INFEASIBLE:
      return "There is no solution to check. “Why” has what proves it.";
    case TerminationReason.UNBOUNDED:
      return "The solution and the direction from it were checked: see “Why”.";
    case TerminationReason.IMPRECISE:
      return "The check rejects what the solver claims, also after a second solve. The solution below is the best that was found.";
    default:
      return verification ? "The solution was checked." : "There is no solution to check.";
  }
}

interface ViolationsProps {
  verification: Verification;
  isMip: boolean;
}

function Violations({ verification, isMip }: ViolationsProps) {
  const { boundViolation, rowViolation, integralityViolation } = verification;
  const { dualViolation, complementarityViolation, worst } = verification;
  return (
    <>
      <table class="job-facts-table">
        <tbody>
          <Holds title="Constraints" violation={rowViolation} />
          <Holds title="Bounds of variables" violation={boundViolation} />
          {isMip && <Holds title="Integers" violation={integralityViolation} />}
          <Holds title="Signs of duals and reduced costs" violation={dualViolation} />
          <Holds title="Complementary slackness" violation={complementarityViolation} />
        </tbody>
      </table>
      {worst.length > 0 && (
        <p class="job-hint">
          Most violated: {worst.join(", ")}. All violations are absolute, in the units of the model.
        </p>
      )}
    </>
  );
}

function Holds({ title, violation }: { title: string; violation: number | undefined }) {
  if (violation === undefined) return null;
  return (
    <tr>
      <th scope="row">{title}</th>
      <td>{violation === 0 ? "hold exactly" : `hold to ${number(violation, 2)}`}</td>
    </tr>
  );
}

function Solver({ result }: { result: SolveResult }) {
  const { statistics, startReport, termination } = result;
  const time = secondsOf(statistics?.solveTime);
  return (
    <section>
      <h2>Solve</h2>
      <table class="job-facts-table">
        <tbody>
          <Fact title="Solver">
            {solverName(result.solver)} {result.solverVersion}
          </Fact>
          {termination?.detail && <Fact title="Its status">{termination.detail}</Fact>}
          {time !== undefined && <Fact title="Time">{duration(time)}</Fact>}
          {statistics?.threadCount !== undefined && (
            <Fact title="Threads">{count(statistics.threadCount)}</Fact>
          )}
          {startReport && (
            <Fact title="Starting point">
              {START_WORDS[startReport.status]}
              {startReport.objective !== undefined &&
                `, objective ${number(startReport.objective)}`}
              {startReport.detail && `: ${startReport.detail}`}
            </Fact>
          )}
          {result.solutionPartCount > 0 && (
            <Fact title="Solution">sent in {counted(result.solutionPartCount, "part")}</Fact>
          )}
        </tbody>
      </table>
    </section>
  );
}

const START_WORDS: Record<StartStatus, string> = {
  [StartStatus.UNSPECIFIED]: "unknown",
  [StartStatus.USED]: "used as submitted",
  [StartStatus.COMPLETED]: "completed to a solution",
  [StartStatus.REJECTED]: "not used",
  [StartStatus.SUPERSEDED]: "replaced by the best solution of an earlier attempt",
};

function Fact({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <tr>
      <th scope="row">{title}</th>
      <td>{children}</td>
    </tr>
  );
}
