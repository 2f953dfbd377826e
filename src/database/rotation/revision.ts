import { createHash } from "node:crypto";
import type { Login } from "../registry.ts";

/** Names a login and its password without telling it: a truncated hash of 256 random bits. */
export const revisionOf = (login: Login, password: string): string =>
  `${login}-${createHash("sha256").update(password).digest("hex").slice(0, 10)}`;
