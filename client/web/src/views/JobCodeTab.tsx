// The same job for programs.

import { useMemo, useState } from "preact/hooks";
import { gatewayAddress } from "../api";
import { jobCode } from "../job-code";
import { Copy } from "../parts/Copy";
import { TextBox } from "../parts/TextBox";
import { sentRequest } from "../sent";
import type { Story } from "../story";

const LANGUAGES = [
  ["shell", "Command line"],
  ["grpcurl", "grpcurl"],
  ["python", "Python"],
] as const;

export function JobCodeTab({ story }: { story: Story }) {
  const [language, setLanguage] = useState<(typeof LANGUAGES)[number][0]>("shell");
  const { description } = story.job;
  const code = useMemo(
    () => jobCode({ request: sentRequest(story.id), description }, gatewayAddress()),
    [story.id, description],
  );
  return (
    <div class="job-text">
      <div class="job-code-head">
        <fieldset class="switch job-switch" aria-label="Language">
          {LANGUAGES.map(([id, title]) => (
            <button
              key={id}
              type="button"
              aria-pressed={id === language}
              onClick={() => setLanguage(id)}
            >
              {title}
            </button>
          ))}
        </fieldset>
        <Copy text={code[language]} />
      </div>
      {code.notes.map((note) => (
        <p class="job-hint" key={note}>
          {note}
        </p>
      ))}
      <TextBox class="job-code job-code-tall" label="Code">
        {code[language]}
      </TextBox>
    </div>
  );
}
