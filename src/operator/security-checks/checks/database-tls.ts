import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, unknown } from "../outcome.ts";

/** The operator's and the pods' connections are encrypted, as Postgres itself says of them. */
export const databaseTls: Check = {
  name: "DatabaseTLS",
  decide({ database }) {
    if (isUnseen(database)) return unknown("DatabaseNotReached", database.unseen);
    const { own, logins } = database.tls;
    const remedy = "set database.insecure: false in the chart, and give the server a certificate";
    if (own === null) return failed("OperatorPlainText", `the operator's own connection is plain text: ${remedy}`);
    if (logins.plain > 0) return failed("PlainText", `connections of the tenant's login are plain text: ${remedy}`);
    const pods = logins.versions.length > 0 ? "and all of the tenant's logins" : "; the tenant has none open now";
    return passed(
      "Verified",
      `pg_stat_ssl shows TLS for the operator's connection ${pods}; clients verify the server's certificate and name (verify-full)`,
    );
  },
};
