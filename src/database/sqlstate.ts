/** SQLSTATEs by the names of Postgres' Appendix A. */
export const SQLSTATE = {
  uniqueViolation: "23505",
  duplicateSchema: "42P06",
  duplicateTable: "42P07",
  duplicateObject: "42710",
  undefinedObject: "42704",
  undefinedTable: "42P01",
  undefinedSchema: "3F000",
  undefinedDatabase: "3D000",
  insufficientPrivilege: "42501",
  syntaxError: "42601",
  invalidPassword: "28P01",
  invalidAuthorization: "28000",
  lockNotAvailable: "55P03",
  queryCanceled: "57014",
  serializationFailure: "40001",
  deadlockDetected: "40P01",
  tooManyConnections: "53300",
  protocolViolation: "08P01",
  unknownStatementName: "26000",
  duplicateStatementName: "42P05",
  diskFull: "53100",
  readOnlySqlTransaction: "25006",
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
  | "readOnly"
  | "full"
  | "crowded"
  | "exhausted"
  | "dependents"
  | "pooler"
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
  [SQLSTATE.readOnlySqlTransaction]: "readOnly",
  [SQLSTATE.diskFull]: "full",
  [SQLSTATE.tooManyConnections]: "crowded",
  // Statements are named by us alone: only a pooler mixes up whose connection has which.
  [SQLSTATE.unknownStatementName]: "pooler",
  [SQLSTATE.duplicateStatementName]: "pooler",
};

/** PgBouncer gives the same code to nearly all that it refuses, so here the text has to tell. */
const refusesSettings = (error: unknown): boolean =>
  hasCode(error, SQLSTATE.protocolViolation) && /unsupported startup parameter/.test((error as Error).message);

/** Class 08 connection exception, 57P operator intervention (shutdown, starting up, idle limits), 25P03/25P04 time-outs in a transaction. */
const UNREACHABLE_STATE = /^(08|57P|25P0[34])/;
/** Class 53: insufficient resources, memory above all. */
const EXHAUSTED_STATE = /^53/;

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
 * (everything that the server itself says has an SQLSTATE), so no code is "unreachable"; but for a fault of the program's own.
 */
export function classify(error: unknown): Failure {
  const code = codeOf(error);
  if (code === undefined) return error instanceof TypeError || error instanceof RangeError ? "other" : "unreachable";
  if (refusesSettings(error)) return "pooler";
  if (code in BY_STATE) return BY_STATE[code] ?? "other";
  if (UNREACHABLE_STATE.test(code) || UNREACHABLE_SYSTEM.has(code)) return "unreachable";
  if (EXHAUSTED_STATE.test(code)) return "exhausted";
  return TLS_CODE.test(code) ? "tls" : "other";
}
