// Starts gateways. Without a broker, each is a mesh of its own in one process.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";

/** A running gateway. */
export interface Gateway {
  url: string;
  port: number;
  /** Kills its solver processes, as a lack of memory would. It starts others. Linux only. */
  killSolvers(): void;
  stop(): Promise<void>;
}

/** Starts a gateway on a free port. */
export async function startGateway(flags: readonly string[] = []): Promise<Gateway> {
  const args = ["--listen", "127.0.0.1:0", "--drain-grace", "0", ...flags];
  const child = spawn(program(), args, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  const port = await listeningPort(child);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    killSolvers: () => {
      for (const pid of childrenOf(child.pid!)) process.kill(pid, "SIGKILL");
    },
    stop: () => stop(child),
  };
}

/** The path of the gateway. */
export function program(): string {
  const folder = process.env.SOLVEMESH_BIN;
  if (!folder) {
    throw new Error("SOLVEMESH_BIN is not set: name the folder that has solvemesh-gateway");
  }
  const path = resolve(folder, "solvemesh-gateway");
  if (!existsSync(path)) throw new Error(`SOLVEMESH_BIN has no solvemesh-gateway: ${path}`);
  return path;
}

/** Each flag of the gateway has a variable too, and those of the caller are for another one. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("SOLVEMESH_"));
  return Object.fromEntries(kept);
}

function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolvePort, reject) => {
    let output = "";
    const read = (chunk: Buffer) => {
      output += chunk;
      const found = /listening on 127\.0\.0\.1:(\d+)/.exec(output);
      if (found) resolvePort(Number(found[1]));
    };
    child.stdout?.on("data", read);
    child.stderr?.on("data", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}:\n${output}`)));
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  const impatient = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await ended;
  clearTimeout(impatient);
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    try {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8");
      return children.split(" ").filter(Boolean).map(Number);
    } catch {
      // The thread has just ended.
      return [];
    }
  });
}
