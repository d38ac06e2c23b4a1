// The client of the gateway.

import { JobService } from "../gen/solvemesh/v1/job_service_pb";
import { type Client, createClient } from "./grpc-web";
import { keepToken } from "./token";

/** Time after which a unary call fails. */
export const UNARY_TIMEOUT_MS = 15_000;

/**
 * The address of the gateway: the one that served this page. In development, the page is served
 * by another server, and `localStorage["solvemesh.gateway"]` names the gateway.
 */
export function gatewayAddress(): string {
  return localStorage.getItem("solvemesh.gateway") ?? location.origin;
}

/** The token of this tab. */
export const tokens = keepToken(sessionStorage);

export const client: Client<typeof JobService> = createClient(
  JobService,
  gatewayAddress(),
  UNARY_TIMEOUT_MS,
  tokens.headers,
  tokens.around,
);
