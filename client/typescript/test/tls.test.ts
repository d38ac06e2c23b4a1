// TLS and tokens.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { createMeshClient } from "../src/index.js";
import { startGateway } from "./gateway.js";

const run = promisify(execFile);

/** A program that solves a model on a gateway. Node reads its CAs at its start, so it is a process. */
const PROGRAM = `
  import { createMeshClient, fromLp } from ${JSON.stringify(new URL("../src/index.js", import.meta.url).href)};
  const client = createMeshClient({ baseUrl: process.argv[1], token: "sesame", retry: { budget: 0 } });
  const result = await client.solve(fromLp("Maximize\\n x\\nSubject To\\n c: x <= 4\\nEnd"));
  console.log(result.objective);
`;

test("a gateway with TLS and a private CA", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "solvemesh-"));
  t.after(() => rm(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  try {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const names = ["-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1"];
    await run("openssl", ["req", "-x509", ...curve, ...names, "-days", "1", "-keyout", key, "-out", cert]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return t.skip("openssl is not installed");
  }
  const gateway = await startGateway("127.0.0.1:0", ["--tls-cert", cert, "--tls-key", key]);
  t.after(() => gateway.stop());
  const program = ["--input-type=module", "--eval", PROGRAM, `https://${gateway.address}`];
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert };
  const { stdout } = await run(process.execPath, program, { env });
  assert.equal(stdout, "4\n");
  // The CAs of Node did not sign its certificate.
  await assert.rejects(run(process.execPath, program));
});

test("a token is sent over TLS or to this machine only", async (t) => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createMeshClient({ baseUrl, token: "sesame" });
  await assert.rejects(client.service.getCapabilities({}));
  assert.deepEqual(seen, ["Bearer sesame"]);

  for (const url of ["http://10.0.0.1", "http://mesh:50051", "http://localhost.example"]) {
    assert.throws(() => createMeshClient({ baseUrl: url, token: "sesame" }), /https:/, url);
    createMeshClient({ baseUrl: url, token: "sesame", allowPlainTextToken: true });
  }
  for (const url of ["http://localhost", "http://[::1]:1", "https://mesh"]) {
    createMeshClient({ baseUrl: url, token: "sesame" });
  }
});
