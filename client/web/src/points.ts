// The numbers of a solve over time, as columns for the chart.

/** Number of points that are kept: several for each pixel of a wide chart. */
export const MAX_POINTS = 16_384;

/** What is known of a solve at one time. NaN: not known. */
export interface Point {
  /** Time since the first attempt started, in seconds. */
  seconds: number;
  objective: number;
  bound: number;
  gap: number;
}

interface Memory {
  written: number;
  columns: Record<keyof Point, Float64Array>;
}

const KEYS = ["seconds", "objective", "bound", "gap"] as const;

/**
 * Points as columns, ascending in time. Immutable; versions share their memory, as those of
 * `Growing` do, so that an hour of points is not copied for each new one.
 */
export class Points {
  static empty(): Points {
    return new Points({ written: 0, columns: columns(256) }, 0);
  }

  private constructor(
    private readonly memory: Memory,
    /** Number of points. */
    readonly length: number,
  ) {}

  /** The column of a number, without a copy. Do not change it. */
  column(key: keyof Point): Float64Array {
    return this.memory.columns[key].subarray(0, this.length);
  }

  last(): Point | undefined {
    return this.length > 0 ? this.at(this.length - 1) : undefined;
  }

  at(index: number): Point {
    const { seconds, objective, bound, gap } = this.memory.columns;
    if (index < 0 || index >= this.length) throw new RangeError(`no point ${index}`);
    return {
      seconds: seconds[index]!,
      objective: objective[index]!,
      bound: bound[index]!,
      gap: gap[index]!,
    };
  }

  append(point: Point): Points {
    return (this.length < MAX_POINTS ? this : this.thinned()).with(point);
  }

  private with(point: Point): Points {
    let { memory } = this;
    const capacity = memory.columns.seconds.length;
    if (memory.written !== this.length || this.length === capacity) {
      const grown = columns(this.length === capacity ? capacity * 2 : capacity);
      for (const key of KEYS) grown[key].set(this.column(key));
      memory = { written: this.length, columns: grown };
    }
    for (const key of KEYS) memory.columns[key][this.length] = point[key];
    memory.written = this.length + 1;
    return new Points(memory, this.length + 1);
  }

  /** Every second point, the last one, and the gaps between attempts. */
  private thinned(): Points {
    const from = this.memory.columns;
    const to = columns(MAX_POINTS);
    const last = this.length - 1;
    let length = 0;
    for (let index = 0; index <= last; index++) {
      const isGap = Number.isNaN(from.objective[index]) && Number.isNaN(from.bound[index]);
      if (index % 2 === 1 && index < last && !isGap) continue;
      for (const key of KEYS) to[key][length] = from[key][index]!;
      length += 1;
    }
    return new Points({ written: length, columns: to }, length);
  }
}

function columns(capacity: number): Record<keyof Point, Float64Array> {
  const column = () => new Float64Array(capacity);
  return { seconds: column(), objective: column(), bound: column(), gap: column() };
}
