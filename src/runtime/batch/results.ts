import type { BatchApi, BatchResult } from "../model/batch-api.ts";

const KEPT_MS = 60_000;
const MOST = 4;
/** Characters of a batch's answers that are kept; what comes after them is read again by the run that it belongs to. */
const MOST_CHARACTERS = 8 * 1024 * 1024;

interface Fetched {
  results: Map<string, BatchResult>;
  /** Nothing was left out. */
  whole: boolean;
}

/**
 * Results of batches, fetched once for all runs of a batch that go on in this process. They are kept nowhere else: the API gives them
 * again for 29 days, so a run whose worker dies with its answer fetches it again, and nothing has to be stored (and encrypted) twice.
 */
export class BatchResults {
  readonly #api: BatchApi;
  readonly #most: number;
  readonly #fetched = new Map<string, { fetched: Promise<Fetched>; timer: NodeJS.Timeout }>();

  constructor(api: BatchApi, mostCharacters = MOST_CHARACTERS) {
    this.#api = api;
    this.#most = mostCharacters;
  }

  /** @param id the request's custom id. @returns undefined when the batch has no result of it. @throws as the API answers */
  async of(batchId: string, id: string): Promise<BatchResult | undefined> {
    const { results, whole } = await this.#fetch(batchId);
    return whole || results.has(id) ? results.get(id) : this.#find(batchId, id);
  }

  async #find(batchId: string, id: string): Promise<BatchResult | undefined> {
    for await (const [found, result] of this.#api.results(batchId)) if (found === id) return result;
    return undefined;
  }

  async #fetch(batchId: string): Promise<Fetched> {
    const known = this.#fetched.get(batchId);
    if (known) return known.fetched;
    const fetched = this.#read(batchId);
    const timer = setTimeout(() => this.#fetched.delete(batchId), KEPT_MS).unref();
    this.#fetched.set(batchId, { fetched, timer });
    const [oldest] = this.#fetched.keys();
    if (this.#fetched.size > MOST && oldest) this.#forget(oldest);
    try {
      return await fetched;
    } catch (error) {
      this.#forget(batchId);
      throw error;
    }
  }

  async #read(batchId: string): Promise<Fetched> {
    const results = new Map<string, BatchResult>();
    let characters = 0;
    for await (const [id, result] of this.#api.results(batchId)) {
      characters += result.kind === "succeeded" ? JSON.stringify(result.answer.content).length : 100;
      if (characters > this.#most) return { results, whole: false };
      results.set(id, result);
    }
    return { results, whole: true };
  }

  #forget(batchId: string): void {
    clearTimeout(this.#fetched.get(batchId)?.timer);
    this.#fetched.delete(batchId);
  }
}
