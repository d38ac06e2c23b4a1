// A bar for each day.

import { counted, duration } from "../format";
import type { DaySpent } from "../usage/summary";

/** What the bars show. */
export type Measure = "seconds" | "jobs";

interface Props {
  days: readonly DaySpent[];
  measure: Measure;
  /** What the bars are, for screen readers. Without it they are decoration. */
  label?: string;
}

export function UsageBars({ days, measure, label }: Props) {
  const most = Math.max(...days.map((day) => day[measure]));
  return (
    <div class="usage-bars" {...(label ? { role: "img", "aria-label": label } : HIDDEN)}>
      {days.map((day) => (
        <span key={day.day} title={`${day.day}: ${spentText(day)}`}>
          <i style={{ height: `${most > 0 ? (100 * day[measure]) / most : 0}%` }} />
        </span>
      ))}
    </div>
  );
}

const HIDDEN = { "aria-hidden": true } as const;

/** "12 jobs, 3 min 20 s of solver time". */
export function spentText({ jobs, seconds }: { jobs: number; seconds: number }): string {
  return jobs > 0 ? `${counted(jobs, "job")}, ${duration(seconds)} of solver time` : "no jobs";
}
