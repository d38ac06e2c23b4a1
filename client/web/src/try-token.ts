// Tries a token before it is kept, so that one that is refused changes nothing.

import { JobService } from "../gen/solvemesh/v1/job_service_pb";
import { gatewayAddress, UNARY_TIMEOUT_MS } from "./api";
import { createClient } from "./grpc-web";
import { type Problem, problemOf } from "./problem";

/** What the gateway says to a call with a token; undefined if it accepts it. */
export async function tryToken(token: string): Promise<Problem | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const client = createClient(JobService, gatewayAddress(), UNARY_TIMEOUT_MS, headers);
  try {
    // Every role may make this call.
    await client.getCapabilities({});
    return undefined;
  } catch (error) {
    return problemOf(error);
  }
}
