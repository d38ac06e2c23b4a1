// Whether the page is as narrow as a phone.

import { useMedia } from "./use-media";

/** True below 720 pixels. */
export function useNarrow(): boolean {
  return useMedia("(max-width: 720px)");
}
