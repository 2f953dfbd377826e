import { isUnseen } from "../observation.ts";
import { type Check, failed, passed, unknown } from "../outcome.ts";

/** The audit log is written, and is as it was written. */
export const auditIntact: Check = {
  name: "AuditIntact",
  decide({ audit }) {
    if (isUnseen(audit)) return unknown("DatabaseNotReached", audit.unseen);
    const { fault, begun } = audit;
    if (fault !== undefined)
      return failed(
        "Tampered",
        `the audit log was tampered with: ${fault}; compare it with a backup, and find out who had the owner's or a superuser's rights. After a backup was restored: agentpg audit verify --after-restore`,
      );
    if (!begun) return unknown("NothingWritten", "nothing was audited yet: no run has ended");
    return passed(
      "ChainHolds",
      "hashed anew in the server all rows since the log was last found whole, and older ones in turn, 5000 with each look: each follows the one before, the last is the chain's head, and the row that was the last then is as it was",
    );
  },
};
