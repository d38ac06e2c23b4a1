// Text of a model in its colours.

import type { Run } from "./highlight";

export function Coloured({ runs }: { runs: readonly Run[] }) {
  return (
    <>
      {runs.map((run, index) => {
        if (!run.kind && !run.marked) return run.text;
        const name = `tok-${run.kind || "none"} ${run.marked ? "tok-marked" : ""}`;
        return (
          <i key={index} class={name}>
            {run.text}
          </i>
        );
      })}
    </>
  );
}
