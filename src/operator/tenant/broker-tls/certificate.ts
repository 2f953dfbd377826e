import { createPrivateKey, X509Certificate } from "node:crypto";

/** A server's certificate, which is its own CA, and its key; PEM. */
export interface ServerCertificate {
  certificate: string;
  key: string;
}

const HOUR_MS = 3_600_000;
export const VALID_DAYS = 90;

/**
 * A new one, for these names, from an hour ago on: a clock that is a little behind does no harm. It signs itself, so that no key of a CA
 * has to be kept anywhere: who is given this certificate to trust trusts nothing else.
 */
export async function newServerCertificate(names: string[], now = new Date()): Promise<ServerCertificate> {
  const { selfSigned } = await import("./self-signed.ts"); // its library is loaded only where it is needed
  return selfSigned(names, new Date(now.getTime() - HOUR_MS), new Date(now.getTime() + VALID_DAYS * 24 * HOUR_MS));
}

/** When it ends; undefined when it is none, is of another name, or its key is another's. */
export function endOf({ certificate, key }: ServerCertificate, name: string): Date | undefined {
  try {
    const parsed = new X509Certificate(certificate);
    const isWhole = parsed.checkHost(name) !== undefined && parsed.checkPrivateKey(createPrivateKey(key));
    return isWhole ? new Date(parsed.validTo) : undefined;
  } catch {
    return undefined;
  }
}
