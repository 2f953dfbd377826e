import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, unknown } from "../outcome.ts";

/** The audit log is written, and its end is as it was written. */
export const auditIntact: Check = {
  name: "AuditIntact",
  decide({ database }) {
    if (isUnseen(database)) return unknown("DatabaseNotReached", database.unseen);
    const { fault, begun } = database.audit;
    if (fault !== undefined)
      return failed(
        "Tampered",
        `the audit log was tampered with: ${fault}; compare it with a backup, and find out who had the owner's or a superuser's rights`,
      );
    if (!begun) return unknown("NothingWritten", "nothing was audited yet: no run has ended");
    return passed(
      "ChainHolds",
      "hashed the newest 1000 rows anew in the server: each follows the one before, and the last is the chain's head",
    );
  },
};
