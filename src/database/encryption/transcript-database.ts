import type { Queryable } from "../runs/database.ts";
import type { TranscriptCipher } from "./cipher.ts";

/** A tenant's database, and how what is said in it is stored. */
export interface TranscriptDatabase extends Queryable {
  readonly transcripts: TranscriptCipher;
}
