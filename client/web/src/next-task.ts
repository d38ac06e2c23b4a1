// Lets the browser draw and handle keys in the middle of long work.

/** Not in all browsers yet, nor in TypeScript's library. */
interface Yielding {
  scheduler?: { yield?(): Promise<void> };
}

const { scheduler } = globalThis as Yielding;

/**
 * Resolves in a task of its own, so that the browser can draw before it. Not a timer: in a hidden
 * tab they come once a second.
 */
export function nextTask(): Promise<void> {
  if (scheduler?.yield) return scheduler.yield();
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
