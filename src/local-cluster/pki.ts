import "reflect-metadata"; // what @peculiar/x509 asks of whoever loads it
import * as x509 from "@peculiar/x509";
import { webcrypto } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const serviceAccountAlgorithm = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: "SHA-256",
} as const;
const validDays = 365;

/** Whom a certificate names: Kubernetes takes the user from CN and the groups from O. */
export interface Subject {
  user: string;
  group?: string;
  dns?: string[];
  addresses?: string[];
}

/** A certificate and its key, PEM. */
export interface Credentials {
  certificate: string;
  key: string;
}

export interface Authority {
  certificate: string;
  key: string;
  /** @param notAfter a year from now unless given */
  issue(subject: Subject, notAfter?: Date): Promise<Credentials>;
}

const pem = async (key: webcrypto.CryptoKey) =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");

const validity = () => ({
  notBefore: new Date(Date.now() - 3_600_000), // a clock that was set back meanwhile does no harm
  notAfter: new Date(Date.now() + validDays * 86_400_000),
});

const subjectName = (subject: Subject) =>
  new x509.Name([...(subject.group ? [{ O: [subject.group] }] : []), { CN: [subject.user] }]).toString();

/** A certificate authority of its own; keys are ECDSA P-256, made in milliseconds. */
export async function createAuthority(name: string): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const issue = async (subject: Subject, notAfter?: Date): Promise<Credentials> => {
    const leaf = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const names: x509.JsonGeneralNames = [
      ...(subject.dns ?? []).map((value) => ({ type: "dns" as const, value })),
      ...(subject.addresses ?? []).map((value) => ({ type: "ip" as const, value })),
    ];
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(),
      ...(notAfter ? { notAfter } : {}),
      subject: subjectName(subject),
      issuer: own.subject,
      publicKey: leaf.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ],
    });
    return { certificate: certificate.toString("pem"), key: await pem(leaf.privateKey) };
  };
  return { certificate: own.toString("pem"), key: await pem(keys.privateKey), issue };
}

/** The key pair that signs ServiceAccount tokens: RSA, as most clusters have it, so that tokens are RS256 here too. */
export async function createTokenKeys(): Promise<{ privateKey: string; publicKey: string }> {
  const keys = await webcrypto.subtle.generateKey(serviceAccountAlgorithm, true, ["sign", "verify"]);
  const publicKey = x509.PemConverter.encode(await webcrypto.subtle.exportKey("spki", keys.publicKey), "PUBLIC KEY");
  return { privateKey: await pem(keys.privateKey), publicKey };
}

/** Writes `name.crt` and `name.key`; only the owner reads them. */
export async function writeCredentials(folder: string, name: string, credentials: Credentials): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, `${name}.crt`), credentials.certificate, { mode: 0o600 });
  await writeFile(join(folder, `${name}.key`), credentials.key, { mode: 0o600 });
}
