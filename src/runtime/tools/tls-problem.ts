import { certificateFault } from "../../database/tls-failure.ts";

/** Nothing in common: no TLS at all, or none that is new enough. Node says EPROTO for whatever OpenSSL has no code for. */
const NO_COMMON_TLS =
  /^EPROTO$|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|WRONG_VERSION_NUMBER|HANDSHAKE_FAILURE|NO_CIPHERS|TOO_LOW|PACKET_LENGTH_TOO_LONG/;

/**
 * What is wrong with the TLS of a host, for the model and for who runs the agent; undefined when it is something else. Pure.
 * @param code of OpenSSL or Node
 */
export function tlsProblem(host: string, code: string | undefined): string | undefined {
  if (code === undefined) return undefined;
  const fault = certificateFault(code);
  if (fault === "expired") return `the certificate of ${host}, or its CA's, has expired`;
  if (fault === "not yet valid") return `the certificate of ${host} is not valid yet`;
  if (fault === "other name") return `the certificate that ${host} shows is not for this name`;
  if (fault === "other CA") return `the certificate of ${host} was not issued by a CA that is trusted`;
  if (NO_COMMON_TLS.test(code)) return `${host} speaks no TLS that is taken: 1.2 is the oldest`;
  return undefined;
}
