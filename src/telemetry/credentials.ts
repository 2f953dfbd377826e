/** What credentials look like by their form alone, with few false alarms: no bare word `password`. */
const FORMS: readonly (readonly [kind: string, form: RegExp])[] = [
  ["an Anthropic API key", /\bsk-ant-[A-Za-z0-9_-]{8,}/],
  ["an API key (sk-…)", /\bsk-(?:proj-|live-|test-)?[A-Za-z0-9]{20,}/],
  ["an AWS access key", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["a Google API key", /\bAIza[A-Za-z0-9_-]{35}/],
  ["a GitHub token", /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})/],
  ["a GitLab token", /\bglpat-[A-Za-z0-9_-]{20,}/],
  ["a Slack token", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/],
  ["a Stripe key", /\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}/],
  ["a JSON Web Token", /\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}/],
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ["a database URL with a password", /\bpostgres(?:ql)?:\/\/[^:/@\s]+:[^@\s]+@/i],
  ["a bearer token", /\bBearer\s+(?=[A-Za-z0-9._~+/=-]*\d)[A-Za-z0-9._~+/=-]{20,}/],
];

/** A text that has the form of a credential, by where it is; never the text itself. */
export interface FoundCredential {
  /** The path to it, `spec.tools[0].sql.statement`. */
  path: string;
  /** What it looks like. */
  kind: string;
}

/** The texts within `value` that hold something of the form of a credential. Names of fields are looked at too. */
export function credentialsIn(value: unknown, path: string): FoundCredential[] {
  if (typeof value === "string") {
    const found = FORMS.find(([, form]) => form.test(value));
    return found ? [{ path, kind: found[0] }] : [];
  }
  if (Array.isArray(value)) return value.flatMap((item, at) => credentialsIn(item, `${path}[${at}]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    credentialsIn(name, path).length > 0 ? credentialsIn(name, path) : credentialsIn(item, `${path}.${name}`),
  );
}
