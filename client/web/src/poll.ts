// Asks again and again while the tab is visible.

/**
 * Calls `ask` now, every `interval` milliseconds and when the tab is shown, but not while it is
 * still waiting for its answer. Returns how to stop.
 */
export function poll(interval: number, ask: (signal: AbortSignal) => Promise<void>): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  let isWaiting = false;
  const turn = async () => {
    if (isWaiting || document.visibilityState === "hidden") return;
    isWaiting = true;
    await ask(signal);
    isWaiting = false;
  };
  void turn();
  const timer = setInterval(turn, interval);
  document.addEventListener("visibilitychange", turn, { signal });
  return () => {
    abort.abort();
    clearInterval(timer);
  };
}
