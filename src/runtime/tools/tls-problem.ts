const OTHER_CA = new Set([
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_SIGNATURE_FAILURE",
]);

/** Nothing in common: no TLS at all, or none that is new enough. Node says EPROTO for whatever OpenSSL has no code for. */
const NO_COMMON_TLS =
  /^EPROTO$|UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|WRONG_VERSION_NUMBER|HANDSHAKE_FAILURE|NO_CIPHERS|TOO_LOW|PACKET_LENGTH_TOO_LONG/;

/**
 * What is wrong with the TLS of a host, for the model and for who runs the agent; undefined when it is something else. Pure.
 * @param code of OpenSSL or Node
 */
export function tlsProblem(host: string, code: string | undefined): string | undefined {
  if (code === undefined) return undefined;
  if (code === "CERT_HAS_EXPIRED") return `the certificate of ${host}, or its CA's, has expired`;
  if (code === "CERT_NOT_YET_VALID") return `the certificate of ${host} is not valid yet`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `the certificate that ${host} shows is not for this name`;
  if (OTHER_CA.has(code)) return `the certificate of ${host} was not issued by a CA that is trusted`;
  if (NO_COMMON_TLS.test(code)) return `${host} speaks no TLS that is taken: 1.2 is the oldest`;
  return undefined;
}
