import { type OpenMetricsContentType, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";

/** A metric as the registry writes it. */
interface Written {
  name: string;
  type: string;
  get(): Promise<MetricObjectWithValues<MetricValue<string>>>;
  getForPromString?(): Promise<MetricObjectWithValues<MetricValue<string>>>;
}

/** The metric under another name. A registry that writes OpenMetrics takes `_total` off the names of the counters themselves, for good. */
function renamed(metric: Written, name: string): Written {
  const get = async () => ({ ...(await (metric.getForPromString?.() ?? metric.get())), name });
  return { name, type: metric.type, get, getForPromString: get };
}

/** The metrics of another registry, as OpenMetrics: with exemplars, which the plain text cannot have. */
class OpenMetrics extends Registry<OpenMetricsContentType> {
  readonly #source: Registry;

  constructor(source: Registry) {
    super();
    this.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    this.#source = source;
  }

  override getMetricsAsArray(): never {
    const metrics = this.#source.getMetricsAsArray() as unknown as Written[];
    return metrics.map((it) =>
      it.type === "counter" ? renamed(it, it.name.replace(/_total$/, "")) : it,
    ) as unknown as never;
  }
}

/** Whether a scraper asks for OpenMetrics; what it likes better does not matter, for every one that takes it can have it. */
export const asksForOpenMetrics = (accept: string | undefined): boolean =>
  /(?:^|,)\s*application\/openmetrics-text\s*(?:;|,|$)/i.test(accept ?? "");

/** What a scraper gets that sends this `Accept`: the plain text, unless it asks for OpenMetrics. */
export async function exposition(
  registry: Registry,
  accept: string | undefined,
): Promise<{ type: string; text: string }> {
  const asked = asksForOpenMetrics(accept) ? new OpenMetrics(registry) : registry;
  return { type: asked.contentType, text: await asked.metrics() };
}
