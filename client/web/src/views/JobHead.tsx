// The head of a job: its name, state and facts, what can be done with it, and how it stands.

import { useState } from "preact/hooks";
import { JobState } from "../../gen/solvemesh/v1/job_pb";
import type { SubmitJobRequest } from "../../gen/solvemesh/v1/job_service_pb";
import { client } from "../api";
import { ago, counted, duration } from "../format";
import { useQueuePosition } from "../jobs/use-queue-position";
import { useShortcuts } from "../keys";
import { optionsForm } from "../model/options";
import type { TextSource } from "../model/source";
import { useNow } from "../now";
import { Chip, StateChip } from "../parts/Chip";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { problemOf } from "../problem";
import { queueSentence } from "../queue-words";
import { go } from "../router";
import { sentRequest } from "../sent";
import { sentenceOf } from "../sentence";
import type { Story } from "../story";
import { reasonWord } from "../sweep/reasons";
import { dateOf } from "../time";
import { options, replaceSource } from "./solve-state";

export interface JobHeadProps {
  story: Story;
  compact: boolean;
}

export function JobHead({ story, compact }: JobHeadProps) {
  const { job } = story;
  const name = job.description?.modelName || (story.scenarios ? "Sweep" : "Job");
  const sentence = sentenceOf(story);
  const position = useQueuePosition(story);
  const advice = position ? queueSentence(position) : sentence.advice;
  return (
    <header class="job-head">
      <div class="job-head-row">
        <h1 class="job-name">{compact ? <a href={`#/job/${story.id}`}>{name}</a> : name}</h1>
        <Outcome story={story} />
        <Copy text={story.id} class="job-id mono" title={`Copy the id ${story.id}`}>
          {story.id.slice(0, 8)}
        </Copy>
        <JobActions story={story} compact={compact} />
      </div>
      <Facts story={story} />
      <p class={`job-sentence job-sentence-${sentence.tone}`}>
        <strong>{unbroken(sentence.text)}</strong>
        {advice && <span> {unbroken(advice)}</span>}
      </p>
    </header>
  );
}

/** The state of the job; of one that has succeeded, what was found out about its model. */
function Outcome({ story }: { story: Story }) {
  const { job, result, finished } = story;
  const reason = result?.termination?.reason;
  if (job.state === JobState.SUCCEEDED && reason !== undefined) {
    const [tone, word] = reasonWord(reason);
    return <Chip tone={tone}>{word}</Chip>;
  }
  if (job.state === JobState.CANCELLED && job.attempt === 0) {
    return <Chip tone="warn">cancelled</Chip>;
  }
  return <StateChip state={job.state} stopping={job.cancelRequested && !finished} />;
}

/** A sentence in which no line breaks between a number and its unit. */
function unbroken(text: string): string {
  return text.replace(/(\d) (s|min|h|d|%)(?!\w)/g, "$1\u00a0$2");
}

function Facts({ story }: { story: Story }) {
  const { job } = story;
  const now = useNow(!story.finished).value;
  const size = job.description?.size;
  const submitted = dateOf(job.submitTime);
  const started = dateOf(job.startTime);
  const finished = dateOf(job.finishTime);
  const facts: string[] = [];
  if (size) {
    facts.push(counted(size.variableCount, "variable"));
    if (size.integerCount > 0) facts.push(`${counted(size.integerCount, "integer", "integer")}`);
    facts.push(counted(size.constraintCount, "constraint"));
  }
  if (job.attempt > 0) {
    facts.push(job.attempt > 1 ? `attempt ${job.attempt} on ${job.worker}` : `on ${job.worker}`);
  }
  if (finished && started) {
    const took = (finished.getTime() - started.getTime()) / 1000;
    facts.push(`took ${duration(took)}`);
  }
  if (submitted) facts.push(`submitted ${ago(submitted, now)}`);
  const labels = Object.entries(job.description?.labels ?? {});
  return (
    <p class="job-facts">
      {facts.map((fact) => (
        <span key={fact.replace(/\d+/g, "#")}>{fact}</span>
      ))}
      {labels.map(([key, value]) => (
        <a
          key={key}
          class="job-label"
          href={`#/jobs?label=${encodeURIComponent(`${key}=${value}`)}`}
          title="Jobs with this label"
        >
          {key}={value}
        </a>
      ))}
    </p>
  );
}

/** The request of a job, if this browser sent it, and its model as a text. */
function textRequest({ id, job }: Story): [TextSource, SubmitJobRequest] | undefined {
  const request = sentRequest(id);
  const form = request?.model?.form;
  if (!request || (form?.case !== "lp" && form?.case !== "mps")) return undefined;
  const name = job.description?.modelName || "model";
  return [{ kind: "text", name, format: form.case, text: form.value }, request];
}

function JobActions({ story, compact }: JobHeadProps) {
  const [asking, setAsking] = useState(false);
  const [pending, setPending] = useState(false);
  const [refusal, setRefusal] = useState("");
  const { job } = story;
  const canStop = !story.finished && !job.cancelRequested && job.state !== JobState.UNSPECIFIED;
  const isQueued = job.state === JobState.QUEUED;

  const stop = async () => {
    setAsking(false);
    setPending(true);
    setRefusal("");
    try {
      await client.cancelJob({ jobId: story.id });
    } catch (error) {
      setRefusal(problemOf(error).message);
    } finally {
      setPending(false);
    }
  };

  useShortcuts([
    { keys: "x", does: "stop the job, keep the best", run: () => canStop && setAsking(true) },
  ]);
  const sent = story.finished && !compact ? textRequest(story) : undefined;
  if (!canStop && !refusal && !sent) return null;
  const again = () => {
    if (sent) {
      replaceSource(sent[0]);
      options.value = optionsForm(sent[1]);
    }
    go("#/");
  };
  return (
    <div class="job-actions">
      {sent && (
        <button type="button" class="button" onClick={again}>
          Solve again…
        </button>
      )}
      {refusal && <span class="job-refusal">{refusal}</span>}
      {canStop && (
        <button type="button" class="button button-danger" disabled={pending} onClick={stop}>
          {isQueued ? "Cancel" : "Stop, keep the best"}
        </button>
      )}
      {asking && (
        <Dialog title="Stop this job?" onClose={() => setAsking(false)}>
          <p>
            {isQueued
              ? "It has not started, so there is no result."
              : "The best solution found so far becomes its result."}
          </p>
          <p class="job-dialog-actions">
            <button type="button" class="button button-danger" autofocus onClick={stop}>
              {isQueued ? "Cancel the job" : "Stop, keep the best"}
            </button>
          </p>
        </Dialog>
      )}
    </div>
  );
}
