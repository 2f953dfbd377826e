import { join } from "node:path";

/** The repository's top. */
export const ROOT = join(import.meta.dirname, "../..");
