import type { BatchApi, BatchResult } from "../model/batch-api.ts";

const KEPT_MS = 60_000;
const MOST = 4;

/**
 * Results of batches, fetched once for all runs of a batch that go on in this process. They are kept nowhere else: the API gives them
 * again for 29 days, so a run whose worker dies with its answer fetches it again, and nothing has to be stored (and encrypted) twice.
 */
export class BatchResults {
  readonly #api: BatchApi;
  readonly #fetched = new Map<string, { results: Promise<Map<string, BatchResult>>; timer: NodeJS.Timeout }>();

  constructor(api: BatchApi) {
    this.#api = api;
  }

  /** @throws as the API answers */
  async of(batchId: string): Promise<Map<string, BatchResult>> {
    const known = this.#fetched.get(batchId);
    if (known) return known.results;
    const results = this.#api.results(batchId);
    const timer = setTimeout(() => this.#fetched.delete(batchId), KEPT_MS).unref();
    this.#fetched.set(batchId, { results, timer });
    const [oldest] = this.#fetched.keys();
    if (this.#fetched.size > MOST && oldest) this.#forget(oldest);
    try {
      return await results;
    } catch (error) {
      this.#forget(batchId);
      throw error;
    }
  }

  #forget(batchId: string): void {
    clearTimeout(this.#fetched.get(batchId)?.timer);
    this.#fetched.delete(batchId);
  }
}
