import { createSecureContext } from "node:tls";
import { readSecretFiles } from "../runtime/credentials/files.ts";
import { Watched } from "../runtime/credentials/watched.ts";
import type { ServedCertificate } from "../runtime/listen.ts";

const FILES = { certificate: "tls.crt", key: "tls.key" } as const;

/** The certificate that the broker shows, and its key, from a mounted Secret; a pair that does not fit is not taken. */
export const servedCertificate = (directory: string): Watched<ServedCertificate> =>
  new Watched(async () => {
    const files = await readSecretFiles(directory, Object.values(FILES));
    const [cert, key] = [files[FILES.certificate], files[FILES.key]];
    if (!cert || !key) throw new Error(`${directory} has no ${FILES.certificate} and ${FILES.key}`);
    createSecureContext({ cert, key });
    return { cert, key };
  });
