// The log of the solver.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, counted } from "../format";
import { save } from "../parts/download";
import { TextBox } from "../parts/TextBox";
import type { Story } from "../story";

/** Distance from the end, in pixels, within which the log follows it. */
const NEAR_END = 24;

export function JobLog({ story }: { story: Story }) {
  const { log, logOmitted, job } = story;
  const [query, setQuery] = useState("");
  const [follows, setFollows] = useState(true);
  const box = useRef<HTMLElement>(null);

  const lines = useMemo(() => log.toArray(), [log]);
  const words = query.trim().toLowerCase();
  const shown = useMemo(
    () => (words ? lines.filter((line) => line.toLowerCase().includes(words)) : lines),
    [lines, words],
  );
  const text = useMemo(() => shown.join("\n"), [shown]);

  useLayoutEffect(() => {
    const element = box.current;
    if (element && follows) element.scrollTop = element.scrollHeight;
  }, [text, follows]);

  const onScroll = () => {
    const element = box.current;
    if (!element) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    setFollows(below <= NEAR_END);
  };

  if (lines.length === 0) return <p class="empty">{whyEmpty(story)}</p>;
  const name = job.description?.modelName || story.id.slice(0, 8);
  const left = log.dropped + logOmitted;
  return (
    <div class="job-log">
      <div class="job-log-tools">
        <input
          type="search"
          class="input job-log-search"
          placeholder="Search the log"
          aria-label="Search the log"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
        <span class="job-hint" role="status">
          {words ? `${count(shown.length)} of ${counted(lines.length, "line")}` : ""}
          {left > 0 && ` ${counted(left, "line")} left out`}
        </span>
        {!follows && !story.finished && (
          <button type="button" class="button button-small" onClick={() => setFollows(true)}>
            Follow ↓
          </button>
        )}
        <button
          type="button"
          class="button button-small"
          onClick={() => save(`${name}.log`, "text/plain", [`${lines.join("\n")}\n`])}
        >
          Download
        </button>
      </div>
      <TextBox boxRef={box} class="job-log-box" label="Log" onScroll={onScroll}>
        {text}
      </TextBox>
    </div>
  );
}

function whyEmpty({ job, finished }: Story): string {
  if (!job.description?.options?.returnLog) {
    return "The job was submitted without its log: the option “log” turns it on.";
  }
  return finished ? "The solver wrote no log." : "The solver has written nothing yet.";
}
