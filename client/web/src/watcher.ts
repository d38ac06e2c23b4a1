// The follower of this page: what its views follow, while the page is visible.

import { afterFrame } from "./after-frame";
import { client, tokens } from "./api";
import { createFollower } from "./follower";
import { claimSlot } from "./stream-slots";

/** How long a hidden tab keeps its stream. */
const HIDDEN_MS = 30_000;

const isHidden = () => document.visibilityState === "hidden";

const follower = createFollower({
  watchResults: client.watchResults,
  claimSlot,
  isAsked: () => tokens.asked.value !== undefined,
  isHidden,
  beforeFrame: (callback) => requestAnimationFrame(callback),
  afterFrame,
  random: Math.random,
});

/** What the page follows; see `Follower`. */
export const { connection, follow, unfollow } = follower;

let timer: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (isHidden()) timer = setTimeout(() => follower.pause(), HIDDEN_MS);
  else follower.resume();
});
globalThis.addEventListener("online", () => follower.reconnectNow());
