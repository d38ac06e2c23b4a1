// The model itself: the editor or the card of a file, and what the gateway says about it.

import type { RefObject } from "preact";
import { useRef } from "preact/hooks";

import type { JobDescription } from "../../gen/solvemesh/v1/job_pb";
import { Coloured } from "../editor/Coloured";
import { Editor } from "../editor/Editor";
import { runsOf, tokensOf } from "../editor/highlight";
import { lineStarts, offsetOf } from "../editor/lines";
import { bytes, counted } from "../format";
import { type Mark, otherWarnings } from "../model/check";
import { refusalOf } from "../model/refusal";
import { type FileSource, formatOf, type TextSource } from "../model/source";
import { ExampleMenu } from "./SolveExamples";
import {
  article,
  CHECK_LIMIT,
  check,
  checking,
  closeFile,
  marks,
  openFile,
  opening,
  otherErrors,
  replaced,
  source,
  stopOpening,
  unchecked,
} from "./solve-state";

export function SolveModel() {
  const area = useRef<HTMLTextAreaElement>(null);
  const now = source.value;
  return (
    <>
      <div class="solve-head">
        <fieldset class="switch" aria-label="What to fill in">
          <ModeButton form={false} title="Model" />
          <ModeButton form title="Profit rate" />
        </fieldset>
        {!article.value && (
          <>
            <ExampleMenu />
            <OpenButton />
          </>
        )}
      </div>
      <OpeningNotice />
      {!article.value && (
        <section class="card solve-card" aria-label="Model">
          {now.kind === "text" ? <TextModel model={now} area={area} /> : <FileModel model={now} />}
          <Verdict area={area} />
        </section>
      )}
      {!article.value && replaced.value && now.kind === "text" && <ReplacedNotice />}
    </>
  );
}

function ModeButton({ form, title }: { form: boolean; title: string }) {
  return (
    <button
      type="button"
      aria-pressed={article.value === form}
      onClick={() => {
        article.value = form;
      }}
    >
      {title}
    </button>
  );
}

function OpenButton() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="button button-small" onClick={() => input.current?.click()}>
        Open file…
      </button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="Model file"
        accept=".lp,.mps,.gz,.zst"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (file) void openFile(file);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

function OpeningNotice() {
  const now = opening.value;
  if (!now) return null;
  return (
    <div class={`notice ${now.error ? "notice-bad" : ""}`} role={now.error ? "alert" : "status"}>
      <p class="solve-grow">{now.error ?? `Reading and packing ${now.name}…`}</p>
      <button type="button" class="solve-link" onClick={stopOpening}>
        {now.error ? "Dismiss" : "Stop"}
      </button>
    </div>
  );
}

function ReplacedNotice() {
  return (
    <div class="notice" role="status">
      <p class="solve-grow">Your text was replaced.</p>
      <button
        type="button"
        class="solve-link"
        onClick={() => {
          const back = replaced.value;
          if (back) source.value = back;
          replaced.value = undefined;
        }}
      >
        Bring it back
      </button>
      <button
        type="button"
        class="solve-link"
        onClick={() => {
          replaced.value = undefined;
        }}
      >
        Dismiss
      </button>
    </div>
  );
}

function TextModel({
  model,
  area,
}: {
  model: TextSource;
  area: RefObject<HTMLTextAreaElement | null>;
}) {
  return (
    <Editor
      text={model.text}
      format={model.format}
      marks={marks.value}
      area={area}
      describedBy="solve-verdict"
      onInput={(text) => {
        source.value = { ...model, text, format: formatOf("", text) };
        replaced.value = undefined;
      }}
    />
  );
}

function FileModel({ model }: { model: FileSource }) {
  const packed = model.content.length !== model.size;
  const head = model.head.join("\n");
  return (
    <div class="solve-file">
      <div class="solve-file-head">
        <div class="solve-grow">
          <h2>{model.name}</h2>
          <p class="solve-hint">
            {model.format.toUpperCase()} · {bytes(model.size)}
            {model.packing !== "none" && `, ${model.packing}`}
            {packed && ` · sent as ${bytes(model.content.length)}, packed here by gzip`}
          </p>
        </div>
        <button type="button" class="button button-small" onClick={closeFile}>
          Close
        </button>
      </div>
      {model.head.length > 0 ? (
        <>
          <p class="solve-file-label">The first {counted(model.head.length, "line")}</p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <section class="solve-file-lines" tabIndex={0} aria-label="The first lines">
            <pre>
              <Coloured runs={runsOf(head, tokensOf(head, model.format), 0, head.length, [])} />
            </pre>
          </section>
        </>
      ) : (
        <p class="solve-file-label">
          This browser cannot unpack it to show its first lines. The gateway can.
        </p>
      )}
    </div>
  );
}

/** What the last check says, below the model. */
function Verdict({ area }: { area: RefObject<HTMLTextAreaElement | null> }) {
  const found = check.value;
  const away = unchecked(found);
  return (
    <div class="solve-verdict" id="solve-verdict" role="status" aria-busy={checking.value}>
      {found?.kind === "good" ? (
        <Good description={found.description} />
      ) : away ? (
        <p class="solve-verdict-line solve-warn">
          <Sign text="!" /> Not checked. {refusalOf(away).title}
        </p>
      ) : found ? (
        <Bad area={area} />
      ) : (
        <p class="solve-verdict-line solve-quiet">{uncheckedText()}</p>
      )}
      <Marks area={area} severity="warning" />
      {otherWarnings(found).map((warning) => (
        <p key={warning} class="solve-verdict-line solve-warn">
          <Sign text="!" /> {warning}
        </p>
      ))}
      {checking.value && found && <span class="solve-checking" aria-hidden="true" />}
    </div>
  );
}

function uncheckedText(): string {
  const now = source.value;
  if (checking.value) return "Checking…";
  if (now.kind === "text" && !now.text.trim()) return "An LP text, or an MPS one.";
  const large = now.kind === "file" || now.text.length > CHECK_LIMIT;
  return large
    ? "Too large to be checked while typing. Press Check; Solve checks it too."
    : "Not checked yet.";
}

function Good({ description }: { description: JobDescription }) {
  const { size, lane, sweep } = description;
  if (!size) return null;
  const parts = [
    source.value.format.toUpperCase(),
    counted(size.variableCount, "variable"),
    ...(size.integerCount > 0 ? [`${counted(size.integerCount, "integer")}`] : []),
    counted(size.constraintCount, "constraint"),
    counted(size.nonzeroCount, "nonzero"),
    ...(sweep ? [counted(sweep.scenarioCount, "scenario")] : []),
    `lane ${lane}`,
  ];
  return (
    <p class="solve-verdict-line solve-verdict-good">
      <Sign text="✓" /> {parts.join(" · ")}
    </p>
  );
}

function Bad({ area }: { area: RefObject<HTMLTextAreaElement | null> }) {
  const found = check.value;
  if (found?.kind !== "bad") return null;
  const others = otherErrors.value.filter(([field]) => !/^model\.(lp|mps|file)/.test(field));
  const nowhere = found.problem.violations.length === 0;
  // An error of a text as a whole, such as a limit, has no line.
  const whole = found.problem.violations.filter(
    ({ field, line }) => !line && /^model\.(lp|mps|file)/.test(field),
  );
  return (
    <>
      <Marks area={area} severity="error" />
      {nowhere && <ErrorLine text={found.problem.message} />}
      {whole.map(({ description }) => (
        <ErrorLine key={description} text={description} />
      ))}
      {others.map(([field, description]) => (
        <ErrorLine key={field} text={`${field}: ${description}`} />
      ))}
      {!nowhere && marks.value.length + whole.length + others.length === 0 && (
        <ErrorLine text="An option or an axis below has an error." />
      )}
    </>
  );
}

function ErrorLine({ text }: { text: string }) {
  return (
    <p class="solve-verdict-line solve-bad">
      <Sign text="✕" /> {text}
    </p>
  );
}

/** The errors or warnings that have a line; a click moves the caret there. */
function Marks({
  area,
  severity,
}: {
  area: RefObject<HTMLTextAreaElement | null>;
  severity: Mark["severity"];
}) {
  const file = source.value.kind === "file";
  return (
    <>
      {marks.value
        .filter((mark) => mark.severity === severity)
        .map((mark) => {
          const place = `Line ${mark.line}${mark.column ? `, column ${mark.column}` : ""}`;
          const body = (
            <>
              <Sign text={severity === "error" ? "✕" : "!"} />{" "}
              <span>
                <b>{place}</b>: {mark.message}
              </span>
            </>
          );
          const name = `solve-verdict-line ${severity === "error" ? "solve-bad" : "solve-warn"}`;
          const key = `${mark.line}:${mark.column}:${mark.message}`;
          return file ? (
            <p key={key} class={name}>
              {body}
            </p>
          ) : (
            <button key={key} type="button" class={name} onClick={() => goTo(area.current, mark)}>
              {body}
            </button>
          );
        })}
    </>
  );
}

function Sign({ text }: { text: string }) {
  return (
    <span class="solve-sign" aria-hidden="true">
      {text}
    </span>
  );
}

function goTo(area: HTMLTextAreaElement | null, { line, column }: Mark): void {
  if (!area) return;
  const at = offsetOf(area.value, lineStarts(area.value), line, column || 1);
  area.focus();
  area.setSelectionRange(at, at);
  const box = area.closest(".editor");
  box?.scrollTo({ top: Math.max((line - 6) * 20, 0), left: 0 });
}
