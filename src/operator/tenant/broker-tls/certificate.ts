import { createPrivateKey, webcrypto, X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** A server's certificate, which is its own CA, and its key; PEM. */
export interface ServerCertificate {
  certificate: string;
  key: string;
}

const DAY_MS = 86_400_000;
export const VALID_DAYS = 90;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * A new one, for these names, from an hour ago on: a clock that is a little behind does no harm. It signs itself, so that no key of a CA
 * has to be kept anywhere: who is given this certificate to trust trusts nothing else.
 */
export async function newServerCertificate(names: string[], now = new Date()): Promise<ServerCertificate> {
  await import("reflect-metadata"); // what @peculiar/x509 asks of whoever loads it; both only when they are needed
  const x509 = await import("@peculiar/x509");
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${names[0]}`,
    notBefore: new Date(now.getTime() - DAY_MS / 24),
    notAfter: new Date(now.getTime() + VALID_DAYS * DAY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      // By these OpenSSL tells the certificates of one name apart: agents trust several of them at a time.
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ("ip" as const) : ("dns" as const), value })),
      ),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { certificate: certificate.toString("pem"), key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
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
