// One scenario of a sweep, with all that was reported of it.

import { TerminationReason } from "../../gen/solvemesh/v1/result_pb";
import type { SweepDescription } from "../../gen/solvemesh/v1/sweep_pb";
import { exact, number } from "../format";
import { Chip } from "../parts/Chip";
import { type Scenarios, scenarioAt } from "../scenarios";
import { type Design, parameterNames, parameterTitles, shownValue } from "../sweep/axes";
import { dualNames, valueNames } from "../sweep/measure";
import { limitWord, reasonWord } from "../sweep/reasons";

/** Values above this number are not listed: the table of the scenarios can be saved with all. */
const MAX_LISTED = 300;

interface Props {
  sweep: SweepDescription;
  results: Scenarios;
  design: Design;
  scenario: number;
  isBest: boolean;
  /** Absent if the scenario was not chosen, but is shown as the best one. */
  onClose: (() => void) | undefined;
}

export function ScenarioCard({ sweep, results, design, scenario, isBest, onClose }: Props) {
  const row = scenarioAt(results, scenario);
  const [tone, word] = reasonWord(row.reason);
  const limit = limitWord(row.limit);
  const names = parameterNames(design);
  const titles = parameterTitles(design);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keys
    <section class="sweep-scenario" aria-label={`Scenario ${scenario}`} tabIndex={0}>
      <header class="sweep-scenario-head">
        <h2>{row.label || `Scenario ${scenario}`}</h2>
        <Chip tone={tone}>{word}</Chip>
        {onClose && (
          <button type="button" class="button button-small" onClick={onClose}>
            {isBest ? "Unmark" : "Show the best"}
          </button>
        )}
      </header>
      {isBest && <p class="sweep-best">The best of all that have a result.</p>}
      {(row.detail || limit) && (
        <p class="sweep-detail">
          {[limit && `Stopped: ${limit}.`, row.detail].filter(Boolean).join(" ")}
        </p>
      )}
      <dl class="sweep-list">
        {row.label && <Line name="scenario" value={scenario} />}
        {names.map((name, parameter) => {
          const value = shownValue(design, parameter, scenario);
          return (
            <Line
              key={name}
              name={name}
              title={titles[parameter]}
              value={value}
              missing="as in the model"
            />
          );
        })}
        <Line name="objective" value={known(row.objective)} missing="none" strong />
        {row.reason !== TerminationReason.OPTIMAL && <Line name="bound" value={known(row.bound)} />}
        <Line name="iterations" value={row.iterations} />
        <Line
          name="largest violation"
          title="Of bounds, constraints and integrality, computed outside the solver"
          value={known(row.maxViolation)}
          digits={3}
        />
      </dl>
      <Listed
        title="Values"
        names={results.valueWidth > 0 ? valueNames(sweep, results) : []}
        values={results.values}
        start={scenario * results.valueWidth}
      />
      <Listed
        title="Duals"
        names={results.dualWidth > 0 ? dualNames(sweep, results) : []}
        values={results.duals}
        start={scenario * results.dualWidth}
      />
      {results.valuesDropped && (
        <p class="sweep-note">
          The values of this sweep are too many for the page. The command line writes all of them to
          a file.
        </p>
      )}
    </section>
  );
}

interface ListedProps {
  title: string;
  names: readonly string[];
  values: Float64Array;
  start: number;
}

function Listed({ title, names, values, start }: ListedProps) {
  if (names.length === 0 || Number.isNaN(values[start] ?? Number.NaN)) return null;
  return (
    <>
      <h3>{title}</h3>
      <dl class="sweep-list">
        {names.slice(0, MAX_LISTED).map((name, index) => (
          <Line key={name} name={name} value={values[start + index]} />
        ))}
      </dl>
      {names.length > MAX_LISTED && (
        <p class="sweep-note">{names.length - MAX_LISTED} more are in the files.</p>
      )}
    </>
  );
}

interface LineProps {
  name: string;
  title?: string | undefined;
  value: number | undefined;
  /** What is shown if there is no value. Default: nothing at all. */
  missing?: string;
  strong?: boolean;
  digits?: number;
}

function Line({ name, title, value, missing, strong, digits }: LineProps) {
  if (value === undefined && missing === undefined) return null;
  return (
    <>
      <dt title={title}>{name}</dt>
      <dd
        title={value === undefined ? undefined : exact(value)}
        class={strong ? "sweep-strong" : ""}
      >
        {value === undefined ? missing : number(value, digits)}
      </dd>
    </>
  );
}

function known(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}
