import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cookieOf, csrfFits, csrfToken, openSession, sealSession, setCookie } from "./session-cookie.ts";

const key = randomBytes(32);
const expires = Math.floor(Date.now() / 1000) + 60;

test("what was sealed opens with its key, and with no other", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 500 }), (token) => {
      const sealed = sealSession(key, { token, expires }) as string;
      expect(openSession(key, sealed)).toEqual({ token, expires });
      expect(openSession(randomBytes(32), sealed)).toBeUndefined();
    }),
  );
});

test("a cookie of which any byte was changed does not open", () => {
  const sealed = Buffer.from(sealSession(key, { token: "token", expires }) ?? "", "base64url");
  for (let i = 0; i < sealed.length; i++) {
    const changed = Buffer.from(sealed);
    changed[i] = (changed[i] ?? 0) ^ 1;
    expect(openSession(key, changed.toString("base64url"))).toBeUndefined();
  }
  for (const text of ["", "x", "=;", "a".repeat(5_000)]) expect(openSession(key, text)).toBeUndefined();
});

test("a session is over when its time is, and a token that is too long gets none", () => {
  const sealed = sealSession(key, { token: "token", expires }) ?? "";
  expect(openSession(key, sealed, expires * 1000 - 1)).toBeDefined();
  expect(openSession(key, sealed, expires * 1000)).toBeUndefined();
  expect(sealSession(key, { token: "x".repeat(2_850), expires })).toBeDefined();
  expect(sealSession(key, { token: "x".repeat(3_000), expires })).toBeUndefined();
});

test("the proof of our own page is of one token and one key", () => {
  const proof = csrfToken(key, "token");
  expect(csrfFits(key, "token", proof)).toBe(true);
  expect(csrfFits(key, "other", proof)).toBe(false);
  expect(csrfFits(randomBytes(32), "token", proof)).toBe(false);
  expect(csrfFits(key, "token", "")).toBe(false);
});

test("our cookie is found among others, and is for nobody but the server", () => {
  const cookie = setCookie("value", 9.7);
  expect(cookie).toBe("__Host-agentpg-console=value; Path=/; Max-Age=9; HttpOnly; Secure; SameSite=Strict");
  expect(cookieOf(`a=b; ${cookie.split(";")[0]}; c=d`)).toBe("value");
  expect(cookieOf("a=b; x__Host-agentpg-console=value")).toBeUndefined();
  expect(cookieOf(undefined)).toBeUndefined();
});
