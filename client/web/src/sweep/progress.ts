// How fast a sweep goes.

import type { Story } from "../story";
import { millisOf } from "../time";

/** The rate is that of about this many last seconds. */
const WINDOW = 4;

/** When a number of scenarios had results: seconds, by the clock of the mesh. */
interface Sample {
  seconds: number;
  answered: number;
}

/** The pace of a sweep. */
export interface Pace {
  /** Scenarios per second. */
  rate: number | undefined;
  /** Time since the first attempt started, in seconds. */
  elapsed: number | undefined;
  /** An estimate of the time to the end, in seconds. */
  remaining: number | undefined;
}

/**
 * Estimates the pace from the times of events, not from their arrival: a page that is opened late
 * gets the results of the past all at once.
 */
export class PaceMeter {
  private samples: Sample[] = [];

  /** The pace after a version of the story. */
  measure(story: Story): Pace {
    const results = story.scenarios;
    const start = millisOf(story.job.startTime);
    if (!results || start === undefined) {
      return { rate: undefined, elapsed: undefined, remaining: undefined };
    }
    const finish = millisOf(story.job.finishTime);
    const { answered, count } = results;
    if (finish !== undefined) {
      const elapsed = Math.max((finish - start) / 1000, 1e-3);
      return { rate: answered / elapsed, elapsed, remaining: undefined };
    }
    const now = (story.events.last()?.time?.getTime() ?? start) / 1000;
    const last = this.samples.at(-1);
    if (!last || (answered > last.answered && now > last.seconds)) {
      this.samples.push({ seconds: now, answered });
    }
    while (this.samples.length > 2 && now - (this.samples[1]?.seconds ?? now) > WINDOW) {
      this.samples.shift();
    }
    const first = this.samples[0] ?? { seconds: start / 1000, answered: 0 };
    const span = now - first.seconds;
    const rate = span > 0.05 ? (answered - first.answered) / span : undefined;
    const remaining = rate ? (count - answered) / rate : undefined;
    return { rate, elapsed: Math.max(now - start / 1000, 0), remaining };
  }
}
