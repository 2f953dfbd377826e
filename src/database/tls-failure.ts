import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";

/** The code that {@link tagPlainTextServer} gives: node-postgres has none for it. */
const NO_TLS = "ERR_TLS_NOT_OFFERED";

const OTHER_CA = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
]);

/** What is wrong with a certificate; undefined: nothing that is known. Pure. @param code of OpenSSL or Node */
export function certificateFault(
  code: string | undefined,
): "expired" | "not yet valid" | "other name" | "other CA" | undefined {
  if (code === "CERT_HAS_EXPIRED") return "expired";
  if (code === "CERT_NOT_YET_VALID") return "not yet valid";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "other name";
  return code !== undefined && OTHER_CA.has(code) ? "other CA" : undefined;
}

/** A server that has no version or cipher in common with us. Node says EPROTO for whatever OpenSSL fails at in a handshake. */
const TOO_OLD =
  /(^EPROTO$|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|WRONG_VERSION_NUMBER|HANDSHAKE_FAILURE|NO_CIPHERS|TOO_LOW)/;

/** What is wrong with the server's TLS, and what to do. @param code of OpenSSL or Node, as {@link classify} knows them */
export function tlsRemedy(code: string | undefined): string {
  if (code === NO_TLS)
    return "the server offers no TLS; turn it on there (ssl = on), or accept plain text with the chart value database.insecure (an agent run alone: sslmode=disable and AGENTPG_INSECURE_DATABASE=true)";
  const fault = certificateFault(code);
  if (fault === "expired") return "the server's certificate, or its CA's, has expired; renew it";
  if (fault === "not yet valid") return "the server's certificate is not valid yet; check the clocks";
  if (fault === "other name")
    return "the server's certificate does not name this host; connect by a name that is in it, or issue one that names this host";
  if (fault === "other CA")
    return "the server's certificate was not issued by a CA that is trusted; put the CA that issued it into ca.crt of the database Secret (an agent run alone: sslrootcert)";
  if (code && TOO_OLD.test(code))
    return "the TLS handshake failed, for want of a version or cipher that both sides take; let the server use TLS 1.2 or newer (ssl_max_protocol_version, ssl_ciphers)";
  return "the server's certificate could not be verified; check the CA and that the certificate names this host";
}

/** A connection of node-postgres, as far as it matters here. */
interface Connection extends NodeJS.EventEmitter {
  ssl: unknown;
  stream?: Socket;
}

/** Gives a code to the error of node-postgres about a server that answered the request for TLS with the one byte `N`. */
export function tagPlainTextServer(connection: Connection): void {
  connection.on("error", (error: Error & { code?: string }) => {
    const { ssl, stream } = connection;
    const saidNo = Boolean(ssl) && !(stream instanceof TLSSocket) && stream?.bytesRead === 1;
    if (saidNo) error.code ??= NO_TLS;
  });
}
