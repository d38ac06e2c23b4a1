// The present time as a signal, for ages that count up on the screen.

import { type ReadonlySignal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const now = signal(Date.now());
let users = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** The time, in milliseconds since 1970. It changes once a second while `live`. */
export function useNow(live = true): ReadonlySignal<number> {
  useEffect(() => {
    if (!live) return;
    now.value = Date.now();
    users += 1;
    timer ??= setInterval(() => {
      now.value = Date.now();
    }, 1000);
    return () => {
      users -= 1;
      if (users > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, [live]);
  return now;
}
