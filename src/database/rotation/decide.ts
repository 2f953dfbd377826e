import { type Login, otherLogin, type TenantRecord } from "../registry.ts";

/** Why a password changes. The first three are asked for or due, the others mend. */
export type RotationReason = "Scheduled" | "Requested" | "SecretLost" | "SecretChanged";

/** What the tenant's Secret holds, compared with the tenant's logins. */
export interface Published {
  login: Login;
  /** Of this user and password, whatever the Secret says of itself. */
  revision: string;
  /** Postgres lets it in. */
  accepted: boolean;
}

export interface Situation {
  record: Pick<TenantRecord, "activeLogin" | "credentialsRevision" | "rotation">;
  /** undefined: there is none, a part is missing or empty, or it names no login of this tenant. */
  published: Published | undefined;
  /** A rotation is asked for. */
  due: RotationReason | undefined;
  /** Nobody uses the old login any more; looked at while draining only. */
  drained: boolean;
}

export type CredentialsStep =
  /** All is as it should be. */
  | { kind: "keep" }
  /** The first password was published, now or by an earlier version: it is noted. */
  | { kind: "note" }
  /** Nothing was ever published: the active login gets a password. */
  | { kind: "setFirst" }
  /** The login's password is not the published one any more: it is set back, so that pods go on with what they have. */
  | { kind: "restore"; login: Login }
  /** A change of logins begins: the idle login is opened with a new password. */
  | { kind: "open"; reason: RotationReason }
  /** What the idle login was given was never published, or is lost: it gets another. */
  | { kind: "replace" }
  | { kind: "drain" }
  | { kind: "wait" }
  | { kind: "close" }
  | { kind: "finish" };

/** The login whose password the Secret should hold. */
export const publishedLogin = ({ activeLogin, rotation }: Situation["record"]): Login =>
  rotation && rotation.step !== "closing" ? otherLogin(activeLogin) : activeLogin;

/** Whether the Secret holds what was last set. */
const isOurs = ({ record, published }: Situation): boolean =>
  published?.login === publishedLogin(record) &&
  (record.credentialsRevision === undefined || record.credentialsRevision === published.revision);

/**
 * The next step towards one login that is open, whose password only the Secret knows, and which every pod uses. Pure.
 * A login that pods may be using is never given another password than the published one: what is lost is replaced over the
 * other login, so that pods go on with what they have until the new Secret has reached them.
 */
export function nextStep(situation: Situation): CredentialsStep {
  const { record, published, drained } = situation;
  switch (record.rotation?.step) {
    case undefined:
      return atRest(situation);
    case "opening":
      return isOurs(situation) && published?.accepted ? { kind: "drain" } : { kind: "replace" };
    case "draining":
      if (drained) return { kind: "close" };
      if (!isOurs(situation)) return { kind: "replace" };
      return published?.accepted ? { kind: "wait" } : { kind: "restore", login: publishedLogin(record) };
    case "closing":
      return { kind: "finish" };
  }
}

function atRest(situation: Situation): CredentialsStep {
  const { record, published, due } = situation;
  const isFirst = record.credentialsRevision === undefined;
  if (isOurs(situation)) {
    if (!published?.accepted) return isFirst ? { kind: "setFirst" } : { kind: "restore", login: record.activeLogin };
    if (isFirst) return { kind: "note" };
    return due ? { kind: "open", reason: due } : { kind: "keep" };
  }
  if (isFirst) return { kind: "setFirst" };
  return { kind: "open", reason: published ? "SecretChanged" : "SecretLost" };
}
