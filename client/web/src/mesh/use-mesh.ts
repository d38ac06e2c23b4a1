// The state of the mesh while its view is on screen.

import { useEffect, useState } from "preact/hooks";

import { client, tokens } from "../api";
import { claimSlot } from "../stream-slots";
import { type MeshNews, NO_NEWS, watchMesh } from "./watch-mesh";

/**
 * The state of the mesh, as it changes. A hidden tab has no stream: a browser opens six
 * connections to a gateway over HTTP/1.1, for all tabs together.
 */
export function useMesh(): MeshNews {
  const [news, setNews] = useState<MeshNews>(NO_NEWS);
  useEffect(() => {
    let stop: (() => void) | undefined;
    const show = (next: MeshNews) =>
      setNews((before) => ({
        ...next,
        // After a while in the background, the old state is better than none.
        state: next.state ?? before.state,
        updated: next.updated ?? before.updated,
      }));
    const turn = () => {
      const isHidden = document.visibilityState === "hidden";
      if (isHidden) {
        stop?.();
        stop = undefined;
      } else {
        const isAsked = () => tokens.asked.value !== undefined;
        const transport = {
          watchMesh: client.watchMesh,
          claimSlot,
          isAsked,
          random: Math.random,
        };
        stop ??= watchMesh(transport, show);
      }
    };
    turn();
    document.addEventListener("visibilitychange", turn);
    return () => {
      document.removeEventListener("visibilitychange", turn);
      stop?.();
    };
  }, []);
  return news;
}
