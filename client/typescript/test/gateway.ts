// A real gateway, which solves in its own process, and a proxy that can cut connections to it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fromLp, type Model } from "../src/index.js";

export interface Gateway {
  address: string;
  url: string;
  stop(): Promise<void>;
}

/** Starts the gateway of the folder SOLVEMESH_BIN. */
export async function startGateway(listen = "127.0.0.1:0", flags: string[] = []): Promise<Gateway> {
  const folder = process.env.SOLVEMESH_BIN ?? join("..", "..", "target", "release");
  const gateway: ChildProcess = spawn(
    join(folder, "solvemesh-gateway"),
    ["--listen", listen, "--slots", "express=1,standard=2", ...flags],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  // Read to the end, or the gateway would wait for its log to be read.
  let log = "";
  gateway.stderr!.on("data", (chunk) => {
    log += chunk;
  });
  const ended = once(gateway, "exit");
  const lines = createInterface({ input: gateway.stdout! });
  const first = await Promise.race([once(lines, "line"), ended]);
  const address = /^listening on (.*)$/.exec(String(first[0]))?.[1];
  if (!address) throw new Error(`the gateway did not start: ${log}`);
  const stop = async () => {
    gateway.kill();
    await ended;
  };
  return { address, url: `http://${address}`, stop };
}

/** Port of the loopback interface that is free. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Forwards connections to an address until they are cut. */
export async function startCutter(target: string) {
  const [host, port] = target.split(":");
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((near) => {
    connections += 1;
    const far = connect(Number(port), host);
    for (const [from, to] of [[near, far], [far, near]] as const) {
      sockets.add(from);
      from.on("error", () => to.destroy()).on("close", () => to.destroy());
      from.pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    connections: () => connections,
    stop() {
      cut();
      server.close();
    },
  };
}

export const WYNDOR = `Maximize
 profit: 300 Doors + 500 Windows
Subject To
 plant1: Doors <= 4
 plant2: 2 Windows <= 12
 plant3: 3 Doors + 2 Windows <= 18
End`;

/**
 * A MIP that has solutions at once, and whose proof of optimality takes hours (Cornuejols and Dawande
 * 1998): minimise the slack of equations with large coefficients.
 */
export function marketSplit(): Model {
  const [rows, columns] = [4, 30];
  let state = 7;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state % 100;
  };
  const names = [...Array(columns).keys()].map((column) => `x${column}`);
  const equations = [...Array(rows).keys()].map((row) => {
    const coefficients = names.map(random);
    const half = Math.floor(coefficients.reduce((sum, value) => sum + value, 0) / 2);
    const terms = coefficients.map((value, at) => `${value} ${names[at]}`).join(" + ");
    return ` ${terms} + over${row} - under${row} = ${half}`;
  });
  const slack = [...Array(rows).keys()].map((row) => `over${row} + under${row}`).join(" + ");
  return fromLp(
    ["Minimize", ` slack: ${slack}`, "Subject To", ...equations, "Binaries", ` ${names.join(" ")}`, "End"].join("\n"),
  );
}
