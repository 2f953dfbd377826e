import { type IdGenerator, RandomIdGenerator } from "@opentelemetry/sdk-trace";

/** Random ids, but for a span that is told its own: the SDK asks while the span is made, and for nothing else meanwhile. */
export class ChosenId implements IdGenerator {
  readonly #random = new RandomIdGenerator();
  #next: string | undefined;

  /** The span that `make` starts has this id. */
  during<T>(id: string | undefined, make: () => T): T {
    this.#next = id;
    try {
      return make();
    } finally {
      this.#next = undefined;
    }
  }

  generateTraceId = (): string => this.#random.generateTraceId();
  generateSpanId = (): string => this.#next ?? this.#random.generateSpanId();
}
