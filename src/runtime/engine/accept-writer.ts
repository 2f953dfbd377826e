import type { TranscriptDatabase } from "../../database/encryption/transcript-database.ts";
import { type Accepted, acceptRun, acceptRuns, type Acceptance, type NewRun } from "../../database/runs/accept-run.ts";
import { isTransient } from "../../database/runs/database.ts";
import { Lane } from "./lane.ts";

const MOST_AT_ONCE = 64;

/** The lane by which runs are accepted. A caller waits for the answer: while the database is away it is told so at once. */
export class AcceptWriter {
  readonly #db: TranscriptDatabase;
  readonly #acceptance: Acceptance;
  readonly #lane: Lane<NewRun, Accepted>;

  constructor(db: TranscriptDatabase, acceptance: Acceptance) {
    this.#db = db;
    this.#acceptance = acceptance;
    this.#lane = new Lane({
      key: (run: NewRun) => run.sessionId,
      most: MOST_AT_ONCE,
      gatherFrom: 500,
      patienceMs: 0,
      apply: (runs) => acceptRuns(db, acceptance, runs),
    });
  }

  /** @throws DatabaseOutage */
  async accept(run: NewRun): Promise<Accepted> {
    try {
      return await this.#lane.write(run);
    } catch (error) {
      if (isTransient(error)) throw error;
      return acceptRun(this.#db, this.#acceptance, run); // another process has just started a run of the session
    }
  }
}
