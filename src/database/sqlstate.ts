/** SQLSTATEs by the names of Postgres' Appendix A. */
export const SQLSTATE = {
  uniqueViolation: "23505",
  duplicateSchema: "42P06",
  duplicateTable: "42P07",
  duplicateObject: "42710",
  undefinedTable: "42P01",
  undefinedSchema: "3F000",
  undefinedDatabase: "3D000",
  insufficientPrivilege: "42501",
  invalidPassword: "28P01",
  invalidAuthorization: "28000",
  lockNotAvailable: "55P03",
  queryCanceled: "57014",
  serializationFailure: "40001",
  deadlockDetected: "40P01",
  tooManyConnections: "53300",
  dependentObjectsStillExist: "2BP01",
  internalError: "XX000",
} as const;

/** What a failure means to a caller who has to decide what to do next. */
export type Failure =
  | "unreachable"
  | "authentication"
  | "tls"
  | "missing"
  | "privilege"
  | "busy"
  | "dependents"
  | "other";

const BY_STATE: Record<string, Failure> = {
  [SQLSTATE.invalidPassword]: "authentication",
  [SQLSTATE.invalidAuthorization]: "authentication",
  [SQLSTATE.undefinedDatabase]: "missing",
  [SQLSTATE.insufficientPrivilege]: "privilege",
  [SQLSTATE.lockNotAvailable]: "busy",
  [SQLSTATE.queryCanceled]: "busy",
  [SQLSTATE.serializationFailure]: "busy",
  [SQLSTATE.deadlockDetected]: "busy",
  [SQLSTATE.dependentObjectsStillExist]: "dependents",
};

/** Class 08 connection exception, 53 insufficient resources, 57P operator intervention (shutdown, starting up, idle limits), 25P03/25P04 time-outs in a transaction. */
const UNREACHABLE_STATE = /^(08|53|57P|25P0[34])/;

const UNREACHABLE_SYSTEM = new Set(
  "ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENOTFOUND EAI_AGAIN EAI_FAIL".split(
    " ",
  ),
);

/** OpenSSL's verification results (X509_V_ERR_…) as Node names them, and Node's own TLS codes. */
const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|INVALID_CA$|HOSTNAME_MISMATCH$|ERROR_IN_CERT_|PATH_LENGTH_EXCEEDED$|EPROTO$)/;

/** The SQLSTATE or system code of an error that node-postgres or Node threw, if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

export const hasCode = (error: unknown, ...codes: string[]): boolean => codes.includes(codeOf(error) ?? "");

/**
 * What the error means, by its code. node-postgres gives no code where the server went away or did not answer in time
 * (everything that the server itself says has an SQLSTATE), so no code is "unreachable".
 */
export function classify(error: unknown): Failure {
  const code = codeOf(error);
  if (code === undefined) return "unreachable";
  if (code in BY_STATE) return BY_STATE[code] ?? "other";
  if (UNREACHABLE_STATE.test(code) || UNREACHABLE_SYSTEM.has(code)) return "unreachable";
  return TLS_CODE.test(code) ? "tls" : "other";
}
