import type { Server } from "node:https";
import { servedCertificate } from "../../process/served-certificate.ts";
import type { Logger } from "../../telemetry/log.ts";

/** The kubelet brings a changed Secret within a minute or so. */
const LOOK_MS = 5_000;

/**
 * Keeps the server at the certificate that is in the folder: new connections get the newest good one. What cannot be used is told
 * once, and ends nothing: the operator has more to do than to show a page.
 * @param everyMs how often what is mounted is looked at
 * @returns ends it
 */
export async function keepCertificate(
  server: Server,
  folder: string,
  logger: Logger,
  everyMs = LOOK_MS,
): Promise<() => void> {
  const certificate = servedCertificate(folder, everyMs);
  certificate.onChange((now) => server.setSecureContext({ ...now, minVersion: "TLSv1.2" }));
  certificate.onProblem(({ message: why }) => {
    const then = certificate.value ? "the one before stays in use" : "nobody can open the console until it is there";
    logger.error(
      { why },
      `the console's certificate cannot be used, ${then}: put tls.crt and tls.key that belong together into the Secret of console.tlsSecret`,
    );
  });
  await certificate.start();
  return () => certificate.stop();
}
