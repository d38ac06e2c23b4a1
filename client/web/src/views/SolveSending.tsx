// What became of a submission that was not accepted at once.

import { useEffect, useState } from "preact/hooks";

import { refusalOf } from "../model/refusal";
import type { Waiting } from "../model/submit";
import { giveUp, sendAgain, sending } from "./solve-send";

/** The reasons for which the same request can't succeed later. */
const FINAL = [
  "REQUEST_TOO_LARGE",
  "REQUEST_ID_TAKEN",
  "REQUEST_ID_EXPIRED",
  "ROLE_TOO_LOW",
  "UNKNOWN_FIELD",
];

export function SendingNotice({ onJob }: { onJob: (jobId: string) => void }) {
  const now = sending.value;
  if (now?.waiting) return <WaitingNotice waiting={now.waiting} onJob={onJob} />;
  if (!now?.problem) return null;
  const { title, advice } = refusalOf(now.problem);
  return (
    <div class="notice notice-bad solve-refusal" role="alert">
      <p>
        <b>{title}</b> {advice}
      </p>
      <p class="solve-refusal-actions">
        {!FINAL.includes(now.problem.reason) && (
          <button type="button" class="button button-small" onClick={() => void sendAgain(onJob)}>
            Try again
          </button>
        )}
        <button type="button" class="button button-small" onClick={giveUp}>
          Dismiss
        </button>
        {!FINAL.includes(now.problem.reason) && (
          <span class="solve-hint">
            A new try is the same request ({now.request.requestId.slice(0, 8)}): it cannot become
            two jobs.
          </span>
        )}
      </p>
    </div>
  );
}

function WaitingNotice({ waiting, onJob }: { waiting: Waiting; onJob: (jobId: string) => void }) {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const tick = () => setSeconds(Math.max(Math.ceil((waiting.until - Date.now()) / 1000), 0));
    tick();
    const timer = setInterval(tick, 250);
    return () => clearInterval(timer);
  }, [waiting]);
  const { title, advice } = refusalOf(waiting.problem);
  return (
    <div class="notice notice-warn solve-refusal" role="status">
      <p>
        <b>{title}</b> {advice}
      </p>
      <p class="solve-refusal-actions">
        <button type="button" class="button button-small" onClick={() => void sendAgain(onJob)}>
          Send now
        </button>
        <button type="button" class="button button-small" onClick={giveUp}>
          Give up
        </button>
        <span class="solve-hint" aria-hidden="true">
          The same request is sent again {seconds > 0 ? `in ${seconds} s` : "now"} (try{" "}
          {waiting.tries + 1}).
        </span>
      </p>
    </div>
  );
}
