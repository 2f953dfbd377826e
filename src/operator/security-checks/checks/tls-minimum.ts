import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, unknown } from "../outcome.ts";

const GOOD = new Set(["TLSv1.2", "TLSv1.3"]);

/** No connection, and no server, goes below TLS 1.2. */
export const tlsMinimum: Check = {
  name: "TlsMinimum",
  decide({ database, probe }) {
    if (isUnseen(database)) return unknown("DatabaseNotReached", database.unseen);
    const { own, logins } = database.tls;
    const old = [own ?? "none", ...logins.versions].filter((version) => !GOOD.has(version));
    if (old.length > 0)
      return failed(
        "OldProtocol",
        `connections to Postgres use ${[...new Set(old)].join(", ")}: at least TLSv1.2 is needed`,
      );
    if (isUnseen(probe)) return unknown("NotTried", probe.unseen);
    if (probe.takesOldTls === undefined) return unknown("NotTried", "the server could not be asked for TLS 1.1");
    if (probe.takesOldTls)
      return failed(
        "ServerTakesOld",
        "Postgres shook hands over TLS 1.1: ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.2', then SELECT pg_reload_conf()",
      );
    return passed(
      "AtLeast12",
      "pg_stat_ssl shows TLS 1.2 or newer for all connections, and Postgres refused a handshake over TLS 1.1; agents refuse less from the model endpoint and from tools' servers",
    );
  },
};
