// The options, folded under one line with those in effect.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

import { Presolve, type Solver } from "../../gen/solvemesh/v1/options_pb";
import {
  SOLVER_NAMES,
  solverCapabilities,
  solverName,
  whyUnavailable,
} from "../model/capabilities";
import {
  DEFAULT_OPTIONS,
  type OptionsForm,
  summary,
  type TextField,
  timeInWords,
  unsupported,
} from "../model/options";
import { secondsOf } from "../time";
import { axes, capabilities, optionErrors, options } from "./solve-state";

export function SolveOptions() {
  const form = options.value;
  const sweep = axes.value.length > 0;
  const wrong = Object.keys(optionErrors.value).length;
  return (
    <details class="card solve-options">
      <summary>
        <b>Options</b>
        <span class="solve-summary">{summary(form, capabilities.value, sweep)}</span>
        {wrong > 0 && <span class="solve-bad">{wrong === 1 ? "1 error" : `${wrong} errors`}</span>}
      </summary>
      <Fields form={form} sweep={sweep} />
    </details>
  );
}

function change(part: Partial<OptionsForm>): void {
  options.value = { ...options.value, ...part };
}

function Fields({ form, sweep }: { form: OptionsForm; sweep: boolean }) {
  const known = capabilities.value;
  const limits = known?.limits;
  const missing = unsupported(form, known);
  const perScenario = sweep ? ", of each scenario" : "";
  const standard = secondsOf(limits?.defaultTimeLimit);
  const most = secondsOf(limits?.maxTimeLimit);
  return (
    <div class="solve-fields">
      <Text
        field="timeLimit"
        label={`Time limit${perScenario}`}
        placeholder={standard === undefined ? "default" : timeInWords(standard)}
        hint={most === undefined ? "" : `at most ${timeInWords(most)}`}
      />
      <Field label="Solver" error={optionErrors.value.solver}>
        {(id) => (
          <select
            id={id}
            class="input"
            value={form.solver}
            onChange={(event) => change({ solver: Number(event.currentTarget.value) as Solver })}
          >
            {SOLVER_NAMES.map(([solver, name]) => {
              const why = whyUnavailable(known, solver);
              return (
                <option key={solver} value={solver} disabled={Boolean(why)}>
                  {why ? `${name} (${why})` : name}
                </option>
              );
            })}
          </select>
        )}
      </Field>
      <Text
        field="relativeGap"
        label="Relative gap"
        placeholder="solver’s own"
        missing={missing}
        hint="0.01 is 1 %"
      />
      <Text field="absoluteGap" label="Absolute gap" placeholder="solver’s own" missing={missing} />
      <Text
        field="threads"
        label="Threads"
        placeholder="1"
        missing={missing}
        hint="a worker may allow fewer"
      />
      <Text field="seed" label="Random seed" placeholder="solver’s own" missing={missing} />
      <Field label="Presolve" missing={missing.has("presolve")}>
        {(id) => (
          <select
            id={id}
            class="input"
            disabled={missing.has("presolve")}
            value={form.presolve}
            onChange={(event) =>
              change({ presolve: Number(event.currentTarget.value) as Presolve })
            }
          >
            <option value={Presolve.AUTO}>solver decides</option>
            <option value={Presolve.ON}>on</option>
            <option value={Presolve.OFF}>off</option>
          </select>
        )}
      </Field>
      <Text field="memoryLimit" label="Memory limit, MiB" placeholder="worker’s own" />
      <fieldset class="solve-checks">
        <legend>Return</legend>
        <CheckBox field="log" label="the solver’s log" missing={missing} sweep={sweep} />
        <CheckBox
          field="infeasibleSubset"
          label="the constraints that contradict, if infeasible"
          missing={missing}
          sweep={sweep}
        />
        <CheckBox
          field="sensitivity"
          label="sensitivity ranges (LPs)"
          missing={missing}
          sweep={sweep}
        />
      </fieldset>
      <details class="solve-more">
        <summary>Stop early</summary>
        <div class="solve-fields">
          <Text field="nodeLimit" label="Nodes (MIPs)" placeholder="no limit" missing={missing} />
          <Text
            field="solutionLimit"
            label="Solutions (MIPs)"
            placeholder="no limit"
            missing={missing}
          />
          <Text
            field="objectiveTarget"
            label="Target objective (MIPs)"
            placeholder="none"
            missing={missing}
          />
          <Text
            field="iterationLimit"
            label="Iterations (LPs)"
            placeholder="no limit"
            missing={missing}
          />
        </div>
      </details>
      <details class="solve-more">
        <summary>Name, labels, lane</summary>
        <div class="solve-fields">
          <Text field="name" label="Name of the model" placeholder="that of the file" />
          <Text field="labels" label="Labels" placeholder="team=blue, run=7" />
          <Field label="Lane" error={optionErrors.value.lane}>
            {(id) => (
              <select
                id={id}
                class="input"
                value={form.lane}
                onChange={(event) => change({ lane: event.currentTarget.value })}
              >
                <option value="">by size</option>
                {known?.lanes.map(({ name }) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
      </details>
      <RawOptions form={form} missing={missing.has("raw")} />
      <div class="solve-fields-end">
        <button
          type="button"
          class="solve-link"
          onClick={() => {
            options.value = { ...DEFAULT_OPTIONS, raw: [] };
          }}
        >
          All to default
        </button>
      </div>
    </div>
  );
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  missing?: boolean;
  children: (id: string, noteId: string | undefined) => ComponentChildren;
}

function Field({ label, hint, error, missing = false, children }: FieldProps) {
  const id = useId();
  const note = missing ? `not for ${solverName(options.value.solver)}` : (error ?? hint);
  return (
    <div class="solve-field">
      <label for={id}>{label}</label>
      {children(id, note ? `${id}-note` : undefined)}
      {note && (
        <span id={`${id}-note`} class={error && !missing ? "solve-field-error" : "solve-hint"}>
          {note}
        </span>
      )}
    </div>
  );
}

function Text({
  field,
  label,
  placeholder,
  hint,
  missing,
}: {
  field: TextField;
  label: string;
  placeholder: string;
  hint?: string;
  missing?: Set<keyof OptionsForm>;
}) {
  const error = optionErrors.value[field];
  const disabled = missing?.has(field) ?? false;
  return (
    <Field label={label} hint={hint} error={error} missing={disabled}>
      {(id, noteId) => (
        <input
          id={id}
          class="input"
          placeholder={placeholder}
          disabled={disabled}
          aria-invalid={Boolean(error)}
          aria-describedby={noteId}
          spellcheck={false}
          autocomplete="off"
          value={options.value[field]}
          onInput={(event) => change({ [field]: event.currentTarget.value })}
        />
      )}
    </Field>
  );
}

function CheckBox({
  field,
  label,
  missing,
  sweep,
}: {
  field: "log" | "infeasibleSubset" | "sensitivity";
  label: string;
  missing: Set<keyof OptionsForm>;
  sweep: boolean;
}) {
  const why = sweep ? "not of a sweep" : missing.has(field) ? "HiGHS only" : "";
  const error = why ? "" : (optionErrors.value[field] ?? "");
  return (
    <label class="solve-check">
      <input
        type="checkbox"
        disabled={Boolean(why)}
        checked={options.value[field] && !why}
        onChange={(event) => change({ [field]: event.currentTarget.checked })}
      />
      <span>
        {label} {why && <span class="solve-hint">{why}</span>}
        {error && <span class="solve-field-error">{error}</span>}
      </span>
    </label>
  );
}

/** Options by the solver's own names. */
function RawOptions({ form, missing }: { form: OptionsForm; missing: boolean }) {
  const list = useId();
  const allowed = solverCapabilities(capabilities.value, form.solver)?.options ?? [];
  const put = (index: number, part: Partial<OptionsForm["raw"][number]>) =>
    change({ raw: form.raw.map((each, at) => (at === index ? { ...each, ...part } : each)) });
  if (missing) return null;
  return (
    <details class="solve-more">
      <summary>Options by the solver’s own names</summary>
      <datalist id={list}>
        {allowed.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {form.raw.map(({ name, value }, index) => (
        <div key={index} class="solve-raw">
          <input
            class="input"
            aria-label="option"
            placeholder="option"
            list={list}
            spellcheck={false}
            value={name}
            onInput={(event) => put(index, { name: event.currentTarget.value })}
          />
          <input
            class="input"
            aria-label="value"
            placeholder="value"
            spellcheck={false}
            value={value}
            onInput={(event) => put(index, { value: event.currentTarget.value })}
          />
          <button
            type="button"
            class="solve-remove"
            aria-label={`Remove ${name || "the option"}`}
            onClick={() => change({ raw: form.raw.filter((_, at) => at !== index) })}
          >
            ✕
          </button>
        </div>
      ))}
      {optionErrors.value.raw && <p class="solve-field-error">{optionErrors.value.raw}</p>}
      <button
        type="button"
        class="button button-small"
        onClick={() => change({ raw: [...form.raw, { name: "", value: "" }] })}
      >
        Add an option
      </button>
    </details>
  );
}
