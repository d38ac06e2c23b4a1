// Whether the page is as narrow as a phone.

import { useEffect, useMemo, useState } from "preact/hooks";

/** True below 720 pixels. */
export function useNarrow(): boolean {
  const query = useMemo(() => matchMedia("(max-width: 720px)"), []);
  const [narrow, setNarrow] = useState(query.matches);
  useEffect(() => {
    const listener = () => setNarrow(query.matches);
    query.addEventListener("change", listener);
    return () => query.removeEventListener("change", listener);
  }, [query]);
  return narrow;
}
