// What is used, asked for again while the view of it is visible.

import { useEffect, useState } from "preact/hooks";

import type { GetUsageResponse } from "../../gen/solvemesh/v1/job_service_pb";
import { client } from "../api";
import { poll } from "../poll";
import { type Problem, problemOf } from "../problem";

/** Time between two requests, in milliseconds. */
const INTERVAL = 10_000;

export function useUsage() {
  const [usage, setUsage] = useState<GetUsageResponse | undefined>(undefined);
  const [updated, setUpdated] = useState<Date | undefined>(undefined);
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  useEffect(
    () =>
      poll(INTERVAL, async (signal) => {
        try {
          setUsage(await client.getUsage({}, { signal }));
          setUpdated(new Date());
          setProblem(undefined);
        } catch (error) {
          if (!signal.aborted) setProblem(problemOf(error));
        }
      }),
    [],
  );
  return { usage, updated, problem };
}
