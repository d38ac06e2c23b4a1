// What was submitted.

import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { useMemo } from "preact/hooks";
import type { JobDescription } from "../../gen/solvemesh/v1/job_pb";
import { type Model, NamedModelSchema } from "../../gen/solvemesh/v1/model_pb";
import { type SolveOptions, SolveOptionsSchema } from "../../gen/solvemesh/v1/options_pb";
import { bytes, clock, count, duration } from "../format";
import { solverName } from "../model/capabilities";
import { Copy } from "../parts/Copy";
import { save } from "../parts/download";
import { TextBox } from "../parts/TextBox";
import { sentRequest } from "../sent";
import type { Story } from "../story";
import { dateOf } from "../time";

/** Longer models are shown in part, in characters. */
const MAX_SHOWN = 200_000;

export function JobModel({ story }: { story: Story }) {
  const request = useMemo(() => sentRequest(story.id), [story.id]);
  const { description } = story.job;
  // The same element for all versions of a story: dates and numbers take time to write.
  const shown = useMemo(
    () => description && <Description description={description} />,
    [description],
  );
  return (
    <div class="job-text">
      {shown}
      {request?.model ? (
        <ModelForm model={request.model} name={description?.modelName || "model"} />
      ) : (
        <p class="job-hint">
          The model itself is not shown: the mesh does not return it, and it was not submitted by
          this browser, or too long ago.
        </p>
      )}
    </div>
  );
}

function Description({ description }: { description: JobDescription }) {
  const { size, lane, options, requestId, traceId, expireTime } = description;
  const settings = options ? optionRows(options) : [];
  const expiry = dateOf(expireTime);
  return (
    <table class="job-facts-table">
      <tbody>
        {size && (
          <tr>
            <th scope="row">Size</th>
            <td>
              {count(size.variableCount)} variables ({count(size.integerCount)} integer),{" "}
              {count(size.constraintCount)} constraints, {count(size.nonzeroCount)} coefficients
            </td>
          </tr>
        )}
        <tr>
          <th scope="row">Lane</th>
          <td>{lane}</td>
        </tr>
        {settings.map(([key, value]) => (
          <tr key={key}>
            <th scope="row">{key}</th>
            <td>{value}</td>
          </tr>
        ))}
        {expiry && (
          <tr>
            <th scope="row">Given up at</th>
            <td>
              {expiry.toLocaleDateString()} {clock(expiry)}
            </td>
          </tr>
        )}
        {requestId && (
          <tr>
            <th scope="row">Request id</th>
            <td class="mono">{requestId}</td>
          </tr>
        )}
        {traceId && (
          <tr>
            <th scope="row">Trace</th>
            <td class="mono">{traceId}</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

/** The options in effect with words for their names: "returnLog" becomes "Return log". */
function optionRows(options: SolveOptions): [string, string][] {
  const json = toJson(SolveOptionsSchema, options) as JsonObject;
  return Object.entries(json).map(([key, value]) => {
    if (key === "solver") return ["Solver", solverName(options.solver)];
    const words = key.replace(/([A-Z])/g, " $1").toLowerCase();
    return [words[0]!.toUpperCase() + words.slice(1), optionText(value)];
  });
}

function optionText(value: unknown): string {
  if (value === true) return "yes";
  if (value === false) return "no";
  if (typeof value !== "object" || value === null) {
    const text = String(value);
    const seconds = /^(\d[\d.]*)s$/.exec(text);
    return seconds ? duration(Number(seconds[1])) : text.replace(/^PRESOLVE_/, "").toLowerCase();
  }
  return Object.entries(value)
    .map(([key, inner]) => `${key} = ${optionText(inner)}`)
    .join(", ");
}

function ModelForm({ model, name }: { model: Model; name: string }) {
  const { form } = model;
  switch (form.case) {
    case "lp":
    case "mps":
      return <ModelText text={form.value} file={`${name}.${form.case}`} />;
    case "named": {
      const json = JSON.stringify(toJson(NamedModelSchema, form.value), undefined, 1);
      return <ModelText text={json} file={`${name}.json`} />;
    }
    case "file": {
      const { name: file, content } = form.value;
      const download = () => {
        save(file || name, "application/octet-stream", [new TextDecoder().decode(content)]);
      };
      const isPacked = /\.(gz|zst)$/.test(file) || content[0] === 0x1f || content[0] === 0x28;
      return (
        <p>
          Submitted as the file <span class="mono">{file || "without a name"}</span>,{" "}
          {bytes(content.length)}.{" "}
          {!isPacked && (
            <button type="button" class="button button-small" onClick={download}>
              Download
            </button>
          )}
        </p>
      );
    }
    default:
      return <p class="job-hint">The model was too large to be kept by this browser.</p>;
  }
}

function ModelText({ text, file }: { text: string; file: string }) {
  const isCut = text.length > MAX_SHOWN;
  return (
    <section>
      <div class="job-code-head">
        <h2 class="mono">{file}</h2>
        <Copy text={text} />
        <button
          type="button"
          class="button button-small"
          onClick={() => save(file, "text/plain", [text])}
        >
          Download
        </button>
      </div>
      <TextBox class="job-code job-code-tall" label="Model">
        {isCut ? text.slice(0, MAX_SHOWN) : text}
      </TextBox>
      {isCut && (
        <p class="job-hint">
          The first {count(MAX_SHOWN)} of {count(text.length)} characters.
        </p>
      )}
    </section>
  );
}
