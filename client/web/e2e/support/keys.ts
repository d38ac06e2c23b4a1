// The file of keys of a gateway that recognises callers.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "./gateway";

export interface Keys {
  /** The flags of a gateway that knows them. */
  flags: string[];
  /** Makes a key, and returns it. A gateway that runs knows it after about two seconds. */
  add(id: string, tenant: string, role: string): string;
  /** Removes a key. */
  revoke(id: string): void;
  /** Deletes the file. */
  clear(): void;
}

export function makeKeys(): Keys {
  const folder = mkdtempSync(join(tmpdir(), "solvemesh-keys-"));
  const file = join(folder, "keys");
  const lines = new Map<string, string>();
  const write = () => writeFileSync(file, `${[...lines.values()].join("\n")}\n`);
  write();
  return {
    flags: ["--keys", file],
    add: (id, tenant, role) => {
      const flags = ["key", "new", "--id", id, "--tenant", tenant, "--role", role];
      const { stdout, stderr } = spawnSync(program(), flags, { encoding: "utf8" });
      const line = /^key id=.*$/m.exec(stderr)?.[0];
      if (!line) throw new Error(`no key was made: ${stderr}`);
      lines.set(id, line);
      write();
      return stdout.trim();
    },
    revoke: (id) => {
      lines.delete(id);
      write();
    },
    clear: () => rmSync(folder, { recursive: true }),
  };
}
