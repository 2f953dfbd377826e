import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

// What OTLP/HTTP's JSON has of a span, as opentelemetry-proto 1.x defines it (trace.proto; ids are hex there, 64-bit numbers text).
interface WireValue {
  stringValue?: string;
  intValue?: number | string;
  doubleValue?: number;
  boolValue?: boolean;
  arrayValue?: { values: WireValue[] };
}
interface WireAttribute {
  key: string;
  value: WireValue;
}
interface WireSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: WireAttribute[];
  events?: { name: string; attributes?: WireAttribute[] }[];
  status?: { code?: number; message?: string };
}
interface WireRequest {
  resourceSpans?: { resource?: { attributes?: WireAttribute[] }; scopeSpans?: { spans?: WireSpan[] }[] }[];
}

export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** Empty: it begins a trace. */
  parent: string;
  name: string;
  kind: "internal" | "server" | "client";
  /** Milliseconds since the epoch. */
  from: number;
  to: number;
  attributes: Record<string, unknown>;
  events: { name: string; attributes: Record<string, unknown> }[];
  status: "unset" | "ok" | "error";
  resource: Record<string, unknown>;
}

const KINDS = { 1: "internal", 2: "server", 3: "client" } as Record<number, ReceivedSpan["kind"]>;
const STATUS = ["unset", "ok", "error"] as const;

function valueOf(value: WireValue): unknown {
  if (value.arrayValue) return value.arrayValue.values.map(valueOf);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
const attributesOf = (list: WireAttribute[] = []) => Object.fromEntries(list.map((it) => [it.key, valueOf(it.value)]));

function spanOf(span: WireSpan, resource: Record<string, unknown>): ReceivedSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parent: span.parentSpanId ?? "",
    name: span.name,
    kind: KINDS[span.kind] ?? "internal",
    from: Number(BigInt(span.startTimeUnixNano) / 1000n) / 1000,
    to: Number(BigInt(span.endTimeUnixNano) / 1000n) / 1000,
    attributes: attributesOf(span.attributes),
    events: (span.events ?? []).map(({ name, attributes }) => ({ name, attributes: attributesOf(attributes) })),
    status: STATUS[span.status?.code ?? 0] ?? "unset",
    resource,
  };
}

/** A collector that keeps what it gets. `hang`: it takes a request and never answers; `refuse`: 503, which asks for another try. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** All that came, as it came: where nothing of a conversation may be. */
  raw = "";
  behaviour: "take" | "hang" | "refuse" = "take";
  #server: Server | undefined;
  #port = 0;

  /** @returns the endpoint, without the path */
  async listen(): Promise<string> {
    const server = createServer((request, response) => {
      if (request.method !== "POST" || request.url !== "/v1/traces") return void response.writeHead(404).end();
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => void chunks.push(chunk));
      request.on("end", () => {
        if (this.behaviour === "hang") return;
        if (this.behaviour === "refuse") return void response.writeHead(503).end();
        this.#take(Buffer.concat(chunks).toString());
        response.writeHead(200, { "content-type": "application/json" }).end("{}");
      });
    });
    this.#server = server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.#port}`;
  }

  #take(text: string): void {
    this.raw += text;
    for (const { resource, scopeSpans = [] } of (JSON.parse(text) as WireRequest).resourceSpans ?? []) {
      const attributes = attributesOf(resource?.attributes);
      for (const { spans = [] } of scopeSpans) this.spans.push(...spans.map((it) => spanOf(it, attributes)));
    }
  }

  named(name: string): ReceivedSpan[] {
    return this.spans.filter((it) => it.name === name);
  }

  forget(): void {
    this.spans.length = 0;
    this.raw = "";
    this.behaviour = "take";
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
  }
}

/** The spans as a tree of names, in the order of the names: what belongs to what. */
export function treeOf(spans: ReceivedSpan[], parent = ""): unknown[] {
  const ids = new Set(spans.map((it) => it.spanId));
  return spans
    .filter((it) => it.parent === parent || (parent === "" && !ids.has(it.parent)))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((it) => {
      const below = treeOf(spans, it.spanId);
      return below.length ? [it.name, below] : it.name;
    });
}
