// Shares the connections of a browser among its tabs.
//
// Over HTTP/1.1 a browser opens six connections to a server, for all tabs together, and a watch
// holds one of them. Tabs beyond that would wait, and with them every other call: not even a
// submission would get through. So tabs tell each other of their streams; where there are too
// many, the oldest one is ended, and its tab opens another one a little later, from its token.

/** Number of streams of all tabs; two connections are left for other calls. */
const MAX_STREAMS = 4;
/** How often a tab repeats that it has a stream. */
const REPEAT_MS = 10_000;
/** A tab that has said nothing for this long is gone. A hidden tab's timers may be a minute late. */
const GONE_MS = 75_000;

/** A tab with a stream. */
export interface Holder {
  tab: string;
  /** When it opened the stream, in milliseconds since 1970. */
  since: number;
  hidden: boolean;
}

interface Message extends Holder {
  /** False: the stream is closed. */
  open: boolean;
  /** Whether others should tell of their streams. */
  asks: boolean;
}

/** The tab that must end its stream, if there are more than `max`: a hidden one, or the oldest. */
export function surplus(holders: readonly Holder[], max = MAX_STREAMS): string | undefined {
  if (holders.length <= max) return undefined;
  const order = [...holders].sort(
    (a, b) => Number(b.hidden) - Number(a.hidden) || a.since - b.since || (a.tab < b.tab ? -1 : 1),
  );
  return order[0]?.tab;
}

const tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
const others = new Map<string, Holder & { seen: number }>();
let channel: BroadcastChannel | undefined;
let own: { since: number; end: () => void } | undefined;
let repeat: ReturnType<typeof setInterval> | undefined;

/** Over HTTP/2 all streams share one connection. */
function isLimited(): boolean {
  const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return typeof BroadcastChannel === "function" && !/^h[23]/.test(page?.nextHopProtocol ?? "");
}

/**
 * Announces to the other tabs that this one opens a stream. `end` is called if it has to close it.
 * The result announces that it is closed.
 */
export function claimSlot(end: () => void): () => void {
  const claim = { since: Date.now(), end };
  own = claim;
  channel ??= openChannel();
  tell(true);
  repeat ??= setInterval(tell, REPEAT_MS);
  check();
  return () => {
    if (own !== claim) return;
    own = undefined;
    clearInterval(repeat);
    repeat = undefined;
    tell();
  };
}

function tell(asks = false): void {
  const since = own?.since ?? 0;
  const hidden = document.visibilityState === "hidden";
  channel?.postMessage({ tab, since, hidden, open: own !== undefined, asks } satisfies Message);
}

function openChannel(): BroadcastChannel | undefined {
  if (!isLimited()) return undefined;
  globalThis.addEventListener("pagehide", () => {
    own = undefined;
    tell();
  });
  const opened = new BroadcastChannel("solvemesh.streams");
  opened.addEventListener("message", ({ data }: MessageEvent<Message>) => {
    if (data.open) others.set(data.tab, { ...data, seen: Date.now() });
    else others.delete(data.tab);
    if (data.asks && own) tell();
    check();
  });
  return opened;
}

function check(): void {
  if (!own) return;
  for (const [id, { seen }] of others) if (Date.now() - seen > GONE_MS) others.delete(id);
  const hidden = document.visibilityState === "hidden";
  if (surplus([...others.values(), { tab, since: own.since, hidden }]) === tab) own.end();
}
