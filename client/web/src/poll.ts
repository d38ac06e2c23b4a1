// Asks again and again while the tab is visible.

/** Calls `ask` now, every `interval` milliseconds and when the tab is shown. Returns how to stop. */
export function poll(interval: number, ask: (signal: AbortSignal) => Promise<void>): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  const turn = () => {
    if (document.visibilityState !== "hidden") void ask(signal);
  };
  turn();
  const timer = setInterval(turn, interval);
  document.addEventListener("visibilitychange", turn, { signal });
  return () => {
    abort.abort();
    clearInterval(timer);
  };
}
