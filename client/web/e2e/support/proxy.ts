// A TCP proxy in front of a gateway, whose connections can be cut.

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import type { Gateway } from "./gateway";

/** A proxy. */
export interface Proxy {
  url: string;
  /** Ends all connections, and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  stop(): Promise<void>;
}

export async function startProxy(gateway: Gateway): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((browser) => {
    if (isCut) {
      browser.destroy();
      return;
    }
    const upstream = connect(gateway.port, "127.0.0.1");
    for (const [from, to] of [
      [browser, upstream],
      [upstream, browser],
    ] as const) {
      sockets.add(from);
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      // The other side is closed with it; there is nobody to tell.
      from.on("error", () => {});
      from.pipe(to);
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  const endAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    cut: () => {
      isCut = true;
      endAll();
    },
    mend: () => {
      isCut = false;
    },
    stop: async () => {
      const closed = new Promise((done) => server.close(done));
      endAll();
      await closed;
    },
  };
}
