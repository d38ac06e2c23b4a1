// Lets the browser draw and handle keys in the middle of long work.

/** A tab that has no frames, but is not said to be hidden, goes on after this time. */
const MAX_WAIT_MS = 100;

/**
 * Resolves in a task after the next frame is drawn; in a hidden tab, which has no frames, in the
 * next task. Not `scheduler.yield`: what follows it comes before frames, so that long work in slices
 * has a frame in 150 ms.
 */
export function afterFrame(): Promise<void> {
  if (document.hidden) return nextTask();
  return new Promise((resolve) => {
    const goOn = () => {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      void nextTask().then(resolve);
    };
    const timer = setTimeout(goOn, MAX_WAIT_MS);
    const frame = requestAnimationFrame(goOn);
  });
}

/** Resolves in a task of its own. Not a timer: in a hidden tab they come once a second. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
