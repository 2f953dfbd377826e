import { type Check, failed, passed, unknown } from "../outcome.ts";

/** Rows that are older than spec.retention were removed lately. */
export const retentionRan: Check = {
  name: "RetentionRan",
  decide({ tenant: { metadata }, lastRetention: last, now, retentionIntervalMs }) {
    const due = now.getTime() - 3 * retentionIntervalMs;
    const since = last ?? metadata.creationTimestamp;
    const isLate = since !== undefined && new Date(since).getTime() < due;
    if (isLate)
      return failed(
        "NotRun",
        `retention ${last ? `last ran on ${last.slice(0, 10)}` : "never ran"}: see the Events RetentionFailed and the operator's log`,
      );
    if (last === undefined) return unknown("NotRunYet", "the Tenant is new: its first retention run is due");
    return passed(
      "Ran",
      "retention ran within the last three of its intervals; status.retention says when, and what it removed",
    );
  },
};
