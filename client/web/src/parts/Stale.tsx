// Says that what is shown is not up to date, and why.

import { clock } from "../format";
import type { Problem } from "../problem";

interface Props {
  problem: Problem;
  /** When it was last up to date; `undefined` if there is nothing to show yet. */
  updated: Date | undefined;
}

export function Stale({ problem, updated }: Props) {
  const { message } = problem;
  return (
    <p class="notice notice-warn" role="status">
      <strong>
        {updated ? `This is as of ${clock(updated)}.` : "The gateway gave no answer."}
      </strong>
      <span>
        {message.slice(0, 1).toUpperCase()}
        {message.slice(1)}.
      </span>
    </p>
  );
}
