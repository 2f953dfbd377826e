import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { readSecretFiles } from "./secret-files.ts";
import { Watched } from "./watched.ts";

const FILES = { cert: "tls.crt", key: "tls.key" } as const;

/** A server's certificate, with those that lead to its CA, and its key; PEM. */
export interface ServedCertificate {
  cert: string;
  key: string;
}

/**
 * The certificate that a server of ours shows, from a mounted Secret of the type kubernetes.io/tls. One that lacks a file, has an empty one
 * (TLS would begin without it) or does not fit its key is not taken.
 */
export const servedCertificate = (directory: string, everyMs?: number): Watched<ServedCertificate> =>
  new Watched(async () => {
    const files = await readSecretFiles(directory, Object.values(FILES));
    const text = (file: string): string => {
      const found = files[file];
      if (!found) throw new Error(`${join(directory, file)} is ${found === undefined ? "missing" : "empty"}`);
      return found;
    };
    const pair = { cert: text(FILES.cert), key: text(FILES.key) };
    createSecureContext(pair);
    return pair;
  }, everyMs);
