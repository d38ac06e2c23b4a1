// The view of the model: what to solve, how, and beside it the job that it became.

import { useEffect, useState } from "preact/hooks";

import { useShortcuts } from "../keys";
import { JobView } from "./Job";
import { SolveArticle } from "./SolveArticle";
import { SolveAxes, VaryButton } from "./SolveAxes";
import { ExampleList } from "./SolveExamples";
import { SolveModel } from "./SolveModel";
import { SolveOptions } from "./SolveOptions";
import { SendingNotice } from "./SolveSending";
import { beside, showBeside, showJob, useWide } from "./solve-layout";
import { busy, solve } from "./solve-send";
import { article, axes, checkNow, openFile, start, unready } from "./solve-state";
import "./solve.css";

export function Solve() {
  useEffect(start, []);
  useShortcuts([
    { keys: "Ctrl Enter", does: "solve", run: () => {} },
    { keys: "Ctrl Shift Enter", does: "check only", run: () => {} },
  ]);
  useEffect(() => {
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
  const wide = useWide();
  const job = wide ? beside.value : "";
  return (
    <div class={`solve ${job ? "solve-split" : ""}`}>
      <DropTarget />
      <h1 class="visually-hidden">Solve a model</h1>
      <div class="solve-left">
        <SolveModel />
        {article.value ? (
          <SolveArticle />
        ) : (
          <>
            <SolveAxes />
            <SolveOptions />
            <SendingNotice onJob={showJob} />
            <Actions />
          </>
        )}
        {article.value && <SendingNotice onJob={showJob} />}
      </div>
      <div class="solve-right">{job ? <JobBeside id={job} /> : <StartPanel />}</div>
    </div>
  );
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (article.value || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  if (event.shiftKey) void checkNow();
  else void solve(showJob);
}

function Actions() {
  const sweep = axes.value.length > 0;
  const why = unready.value;
  return (
    <div class="solve-actions">
      <button
        type="button"
        class="button button-primary solve-go"
        disabled={Boolean(why) || busy()}
        title={why || undefined}
        onClick={() => void solve(showJob)}
      >
        {busy() ? "Sending…" : sweep ? "Solve all" : "Solve"}
        <kbd>Ctrl ↵</kbd>
      </button>
      <button
        type="button"
        class="button"
        disabled={Boolean(why)}
        title="Check the model and the options, and queue nothing (Ctrl Shift ↵)"
        onClick={() => void checkNow()}
      >
        Check
      </button>
      <VaryButton />
      {why && <p class="solve-why">{why}</p>}
    </div>
  );
}

function JobBeside({ id }: { id: string }) {
  return (
    <section class="solve-job" aria-label="Job">
      <div class="solve-job-bar">
        <a href={`#/job/${id}`}>Open on its own</a>
        <button type="button" class="solve-link" onClick={() => showBeside("")}>
          Close
        </button>
      </div>
      <JobView key={id} id={id} compact />
    </section>
  );
}

function StartPanel() {
  return (
    <section class="solve-start" aria-label="Start">
      <h2>Start from an example</h2>
      <ExampleList />
      <h2>Or from a file</h2>
      <p class="solve-hint">
        Drop an LP or MPS file anywhere on this page, plain or packed by gzip or zstd. It is read by
        the gateway; one above 1 MiB is packed before it is sent.
      </p>
      <h2>Or from one number</h2>
      <p class="solve-hint">
        The{" "}
        <button
          type="button"
          class="solve-link"
          onClick={() => {
            article.value = true;
          }}
        >
          profit rate form
        </button>{" "}
        asks for the profit of a batch of windows, and says how many batches to make.
      </p>
    </section>
  );
}

/** Opens files that are dropped anywhere on the page. */
function DropTarget() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    const enter = (event: DragEvent) => {
      if (!files(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!files(event)) return;
      depth -= 1;
      if (depth <= 0) setOver(false);
    };
    const move = (event: DragEvent) => {
      if (files(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      const file = event.dataTransfer?.files[0];
      if (file) void openFile(file);
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: move, drop };
    for (const [name, listener] of Object.entries(listeners)) {
      window.addEventListener(name as "drop", listener);
    }
    return () => {
      for (const [name, listener] of Object.entries(listeners)) {
        window.removeEventListener(name as "drop", listener);
      }
    };
  }, []);
  return over ? (
    <div class="solve-drop" aria-hidden="true">
      <p>Drop an LP or MPS file</p>
    </div>
  ) : null;
}
