// The axes of a sweep: which numbers of the model vary, and between what.

import { useId } from "preact/hooks";

import type { ParameterKind } from "../../gen/solvemesh/v1/sweep_pb";
import { count, number } from "../format";
import {
  AXIS_KINDS,
  type AxisForm,
  currentValue,
  MAX_AXES,
  needs,
  proposeAxis,
  range,
  scenarioCount,
} from "../model/axes";
import { axes, axisErrors, capabilities, symbols, withValues } from "./solve-state";

/** Names that are offered while a name is typed. More would be slow to open, and no help. */
const MAX_NAMES = 500;

export function VaryButton() {
  const taken = axes.value.length;
  if (taken >= MAX_AXES) return null;
  return (
    <button
      type="button"
      class="button"
      title={taken === 0 ? "Solve once for each of several values of a number" : undefined}
      onClick={() => {
        axes.value = [...axes.value, proposeAxis(symbols.value, axes.value)];
      }}
    >
      {taken === 0 ? "Vary…" : "Second axis…"}
    </button>
  );
}

export function SolveAxes() {
  if (axes.value.length === 0) return null;
  return (
    <section class="card solve-axes" aria-label="Sweep">
      {axes.value.map((axis, index) => (
        <Axis key={index} axis={axis} index={index} />
      ))}
      <Total />
    </section>
  );
}

function change(index: number, part: Partial<AxisForm>): void {
  axes.value = axes.value.map((axis, at) => (at === index ? { ...axis, ...part } : axis));
}

function Axis({ axis, index }: { axis: AxisForm; index: number }) {
  const error = axisErrors.value[index] ?? "";
  const now = currentValue(axis, symbols.value);
  const errorId = useId();
  /** Changes what varies, and proposes a range for it. */
  const vary = (part: Partial<AxisForm>) => {
    const next = { ...axis, ...part };
    const value = currentValue(next, symbols.value);
    change(index, value === undefined ? part : { ...part, ...range(value) });
  };
  const field = (key: "from" | "to" | "points") => (
    <input
      class="input solve-number"
      inputMode={key === "points" ? "numeric" : "decimal"}
      aria-label={key === "points" ? "number of points" : key}
      aria-invalid={Boolean(error)}
      aria-describedby={error ? errorId : undefined}
      value={axis[key]}
      onInput={(event) => change(index, { [key]: event.currentTarget.value })}
    />
  );
  return (
    <fieldset class="solve-axis">
      <legend class="visually-hidden">Axis {index + 1}</legend>
      <div class="solve-axis-line">
        <select
          class="input solve-axis-kind"
          aria-label="what varies"
          value={axis.kind}
          onChange={(event) => vary({ kind: Number(event.currentTarget.value) as ParameterKind })}
        >
          {AXIS_KINDS.map(({ kind, title }) => (
            <option key={kind} value={kind}>
              {title}
            </option>
          ))}
        </select>
        {needs(axis.kind).map((need, at) => (
          <span key={need} class="solve-axis-name">
            <span class="solve-axis-word">{at === 0 ? "of" : "and"}</span>
            <Name need={need} value={axis[need]} onChange={(value) => vary({ [need]: value })} />
          </span>
        ))}
        <button
          type="button"
          class="solve-remove"
          aria-label={`Remove axis ${index + 1}`}
          onClick={() => {
            axes.value = axes.value.filter((_, at) => at !== index);
          }}
        >
          ✕
        </button>
      </div>
      <div class="solve-axis-line">
        <span class="solve-axis-ends">
          <span class="solve-axis-word">from</span>
          {field("from")}
          <span class="solve-axis-word">to</span>
          {field("to")}
        </span>
        <span class="solve-axis-points">
          <span class="solve-axis-word">in</span>
          {field("points")}
          <span class="solve-axis-word">points</span>
        </span>
        {now !== undefined && <span class="solve-axis-now">now {number(now)}</span>}
      </div>
      {error && (
        <p class="solve-field-error" id={errorId}>
          {error}
        </p>
      )}
    </fieldset>
  );
}

function Name({
  need,
  value,
  onChange,
}: {
  need: "variable" | "constraint";
  value: string;
  onChange: (value: string) => void;
}) {
  const list = useId();
  const names = need === "variable" ? symbols.value.variables : symbols.value.constraints;
  return (
    <>
      <input
        class="input solve-name"
        aria-label={`name of the ${need}`}
        placeholder={need}
        list={list}
        spellcheck={false}
        autocomplete="off"
        autocapitalize="off"
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <datalist id={list}>
        {names.slice(0, MAX_NAMES).map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}

function Total() {
  const total = scenarioCount(axes.value);
  const most = capabilities.value?.limits?.maxScenarios ?? Number.POSITIVE_INFINITY;
  const factors = axes.value.map(({ points }) => points.trim() || "?").join(" × ");
  const text = Number.isNaN(total)
    ? "number of scenarios not known yet"
    : `${axes.value.length > 1 ? `${factors} = ` : ""}${count(total)} scenarios`;
  return (
    <div class="solve-axis-total">
      <p class={total > most ? "solve-bad" : undefined}>
        <b>{text}</b>
        {total > most && `; this gateway takes at most ${count(most)}`}
      </p>
      <label class="solve-check">
        <input
          type="checkbox"
          checked={withValues.value}
          onChange={(event) => {
            withValues.value = event.currentTarget.checked;
          }}
        />
        return the variables’ values too
      </label>
    </div>
  );
}
