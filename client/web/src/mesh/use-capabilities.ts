// What the gateway can do, asked for again while the view of the mesh is visible.

import { useEffect, useState } from "preact/hooks";

import type { GetCapabilitiesResponse } from "../../gen/solvemesh/v1/job_service_pb";
import { client } from "../api";
import { poll } from "../poll";
import { type Problem, problemOf } from "../problem";

/** Time between two requests, in milliseconds: a worker may bring a solver at any time. */
const INTERVAL = 5000;

export function useCapabilities() {
  const [capabilities, setCapabilities] = useState<GetCapabilitiesResponse | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  const [updated, setUpdated] = useState<Date | undefined>(undefined);
  useEffect(
    () =>
      poll(INTERVAL, async (signal) => {
        try {
          setCapabilities(await client.getCapabilities({}, { signal }));
          setUpdated(new Date());
          setProblem(undefined);
        } catch (error) {
          if (!signal.aborted) setProblem(problemOf(error));
        }
      }),
    [],
  );
  return { capabilities, problem, updated };
}
