import type { Sessions } from "../session.ts";
import type { Removed } from "./removed.ts";

/** How far an erasure is. */
export type ErasureProgress =
  | { stage: "waiting"; runs: number }
  | { stage: "rows"; sessionsLeft: number; removed: Removed }
  | { stage: "audit"; looked: number };

/** What each part of an erasure works with. */
export interface EraseWork {
  sessions: Sessions;
  uid: string;
  epoch: number;
  signal: AbortSignal;
  progress(at: ErasureProgress): Promise<void>;
}
