import { type Check, failed, passed, some, unknown } from "../outcome.ts";

const DAY_MS = 86_400_000;
/** A rotation that is under way, or waits for a pod, is not late yet. */
const GRACE_MS = DAY_MS;

const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** The database password and the API key are younger than the Tenant allows. */
export const keysRotated: Check = {
  name: "KeysRotated",
  decide({ tenant: { spec, status }, now }) {
    const { passwordChangedAt, apiKey } = status;
    if (passwordChangedAt === undefined || apiKey === undefined)
      return unknown("NotKnownYet", "the operator has not seen the database password and the API key yet");
    const passwordDue = Date.parse(passwordChangedAt) + spec.database.passwordRotationDays * DAY_MS;
    const keyDue = Date.parse(apiKey.since) + spec.anthropic.apiKeyMaxAgeDays * DAY_MS;
    const late = [
      ...(now.getTime() > passwordDue + GRACE_MS
        ? [`the database password was due on ${dateOf(passwordDue)}: see status.rotation for what it waits for`]
        : []),
      ...(now.getTime() > keyDue
        ? [
            `the API key ${apiKey.fingerprint} was due on ${dateOf(keyDue)} (anthropic.apiKeyMaxAgeDays): put a new one into Secret ${spec.anthropic.apiKeySecretRef.name}, then revoke the old one`,
          ]
        : []),
    ];
    if (late.length > 0) return failed("TooOld", some(late));
    const holder = spec.anthropic.access === "Broker" ? " by the key broker" : "";
    return passed(
      "InTime",
      `the database password is due on ${dateOf(passwordDue)} and changed by itself; the API key ${apiKey.fingerprint}, in use${holder} since ${apiKey.since.slice(0, 10)}, is due on ${dateOf(keyDue)}`,
    );
  },
};
