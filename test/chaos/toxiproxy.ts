import { spawn } from "node:child_process";
import { Child } from "../support/field/child.ts";
import { goTool } from "../support/go-tool.ts";
import { freePort } from "../support/postgres.ts";
import type { Cut, Path } from "./proxy.ts";

const TOXIPROXY = { name: "toxiproxy", package: "github.com/Shopify/toxiproxy/v2/cmd/server", version: "v2.12.0" };

export interface Toxiproxy {
  path(name: string, upstreamPort: number): Promise<Path>;
  close(): Promise<void>;
}

/** How toxiproxy does it. A `timeout` of 0 lets nothing through and keeps the connection. */
const TOXICS: Partial<Record<Cut, object>> = {
  reset: { type: "reset_peer", attributes: { timeout: 0 } },
  freeze: { type: "timeout", attributes: { timeout: 0 } },
};

/** @throws when toxiproxy cannot be had */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const port = await freePort();
  const program = await goTool(TOXIPROXY);
  const child = new Child(spawn(program, ["-host", "127.0.0.1", "-port", String(port)]));
  const call = async (method: string, path: string, body?: object): Promise<void> => {
    const init = body ? { method, body: JSON.stringify(body) } : { method };
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    if (!answer.ok) throw new Error(`toxiproxy: ${method} ${path}: ${await answer.text()}`);
  };
  await child.line("Starting");
  for (let tries = 0; ; tries++) {
    const up = await call("GET", "/version").then(
      () => true,
      () => false,
    );
    if (up) break;
    if (tries > 100) throw new Error(`toxiproxy does not answer: ${child.said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  let cuts = 0;
  return {
    async path(name, upstreamPort) {
      const listen = await freePort();
      const upstream = `127.0.0.1:${upstreamPort}`;
      await call("POST", "/proxies", { name, listen: `127.0.0.1:${listen}`, upstream, enabled: true });
      return {
        port: listen,
        async cut(how, ms) {
          const toxic = TOXICS[how];
          const id = `cut-${++cuts}`; // one may begin before the last one is over
          if (toxic) await call("POST", `/proxies/${name}/toxics`, { name: id, ...toxic });
          else await call("POST", `/proxies/${name}`, { enabled: false });
          await new Promise((resolve) => setTimeout(resolve, ms));
          if (toxic) await call("DELETE", `/proxies/${name}/toxics/${id}`);
          else await call("POST", `/proxies/${name}`, { enabled: true });
        },
        close: () => call("DELETE", `/proxies/${name}`),
      };
    },
    close: () => child.end("SIGKILL"),
  };
}
