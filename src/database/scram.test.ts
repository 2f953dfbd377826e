import { expect, test } from "vitest";
import { newPassword, scramVerifier } from "./scram.ts";

test("the verifier is that of RFC 7677's example, in Postgres' notation", async () => {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  expect(await scramVerifier("pencil", salt)).toBe(
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
  );
});

test("an empty password has no verifier", async () => {
  await expect(scramVerifier("")).rejects.toThrow(TypeError);
  await expect(scramVerifier("with\nnewline")).rejects.toThrow(TypeError);
});

test("passwords hold 256 bits and differ", () => {
  const some = Array.from({ length: 50 }, newPassword);
  expect(new Set(some).size).toBe(50);
  for (const password of some) expect(Buffer.from(password, "base64url")).toHaveLength(32);
});
