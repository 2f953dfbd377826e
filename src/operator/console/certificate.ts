import { readFileSync } from "node:fs";
import type { Server } from "node:https";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import type { Logger } from "../../telemetry/log.ts";

/** The kubelet brings a changed Secret within a minute or so. */
const LOOK_MS = 5_000;

/** Of a mounted Secret of the type kubernetes.io/tls. @throws Error when a file is missing, or empty: TLS would begin without it */
function read(folder: string) {
  const [cert = "", key = ""] = ["tls.crt", "tls.key"].map((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    if (!text.trim()) throw new Error(`${file} is empty`);
    return text;
  });
  return { cert, key, minVersion: "TLSv1.2" as const };
}

/**
 * Keeps the server at the certificate that is in the folder: new connections get the newest good one. What cannot be used is told
 * once, and ends nothing: the operator has more to do than to show a page.
 * @param everyMs how often what is mounted is looked at
 * @returns ends it
 */
export function keepCertificate(server: Server, folder: string, logger: Logger, everyMs = LOOK_MS): () => void {
  let used = "";
  let told = "";
  const look = (): void => {
    try {
      const found = read(folder);
      const now = `${found.cert}${found.key}`;
      if (now !== used) {
        createSecureContext(found); // throws where the two do not belong together, before the server has either
        server.setSecureContext(found);
      }
      used = now;
      told = "";
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why === told) return;
      told = why;
      const then = used ? "the one before stays in use" : "nobody can open the console until it is there";
      logger.error(
        { why },
        `the console's certificate cannot be used, ${then}: put tls.crt and tls.key that belong together into the Secret of console.tlsSecret`,
      );
    }
  };
  look();
  const timer = setInterval(look, everyMs).unref();
  return () => clearInterval(timer);
}
