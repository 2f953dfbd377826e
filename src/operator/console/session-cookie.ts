import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import { tokenHash } from "./identity.ts";

/** `__Host-`: the browser takes it over https (or from localhost) only, for this host and the whole of it. */
export const COOKIE = "__Host-agentpg-console";
/** What a browser keeps of one cookie, less its name and attributes. */
const MOST_COOKIE = 3_900;
const CONTEXT = "agentpg console session v1";
const [IV, TAG] = [12, 16];

/** What a cookie stands for. */
export interface Session {
  /** The Kubernetes token that it was exchanged for. */
  token: string;
  /** Seconds since the epoch. */
  expires: number;
}

const derived = (key: Buffer, purpose: string): Buffer =>
  Buffer.from(hkdfSync("sha256", key, Buffer.alloc(0), `${CONTEXT} ${purpose}`, 32));

/**
 * The session, encrypted: the token is in the cookie itself, where no script reads it and only the operators' replicas can open it, so
 * any of them answers and a restart signs nobody out. Undefined: the token is too long for a cookie.
 */
export function sealSession(key: Buffer, session: Session): string | undefined {
  const iv = randomBytes(IV);
  const cipher = createCipheriv("aes-256-gcm", derived(key, "cookie"), iv, { authTagLength: TAG }).setAAD(
    Buffer.from(CONTEXT),
  );
  const sealed = Buffer.concat([iv, cipher.update(JSON.stringify(session)), cipher.final(), cipher.getAuthTag()]);
  const text = sealed.toString("base64url");
  return text.length > MOST_COOKIE ? undefined : text;
}

/** Undefined: it is not one of ours, was changed, or is over. */
export function openSession(key: Buffer, text: string, now = Date.now()): Session | undefined {
  const sealed = Buffer.from(text, "base64url");
  if (sealed.length < IV + TAG) return undefined;
  try {
    const opener = createDecipheriv("aes-256-gcm", derived(key, "cookie"), sealed.subarray(0, IV), {
      authTagLength: TAG,
    });
    opener.setAAD(Buffer.from(CONTEXT)).setAuthTag(sealed.subarray(-TAG));
    const plain = Buffer.concat([opener.update(sealed.subarray(IV, -TAG)), opener.final()]);
    const session = JSON.parse(plain.toString()) as Session;
    return session.expires * 1000 > now ? session : undefined;
  } catch {
    return undefined;
  }
}

/** What has to come back with whatever changes something; bound to the token, so no other site and no other session has it. */
export const csrfToken = (key: Buffer, token: string): string =>
  createHmac("sha256", derived(key, "csrf")).update(tokenHash(token)).digest("base64url");

export function csrfFits(key: Buffer, token: string, given: string): boolean {
  const [wanted, got] = [Buffer.from(csrfToken(key, token)), Buffer.from(given)];
  return wanted.length === got.length && timingSafeEqual(wanted, got);
}

/** The value of our cookie among those of a request. */
export const cookieOf = (header = ""): string | undefined =>
  header
    .split(";")
    .map((it) => it.trim())
    .find((it) => it.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1);

/** @param seconds until the browser forgets it; 0: at once */
export const setCookie = (value: string, seconds: number): string =>
  `${COOKIE}=${value}; Path=/; Max-Age=${Math.max(0, Math.floor(seconds))}; HttpOnly; Secure; SameSite=Strict`;
