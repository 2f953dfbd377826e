import type { IncomingMessage, ServerResponse } from "node:http";
import type { BrokerConfig } from "../api/broker-config.ts";
import type { Watched } from "../process/watched.ts";
import type { Logger } from "../telemetry/log.ts";
import { handOn } from "./answer.ts";
import type { Bodies } from "./bodies.ts";
import type { BudgetGate } from "./budget-gate.ts";
import { type Call, checkedCall } from "./call.ts";
import type { Callers } from "./callers.ts";
import type { Answer, Endpoint } from "./endpoint.ts";
import { toEndpoint } from "./headers.ts";
import type { Meter } from "./meter.ts";
import type { BrokerMetrics } from "./metrics.ts";
import type { CallingPod } from "./pod.ts";
import { Refused } from "./refusal.ts";
import type { RefusalLog } from "./refusal-log.ts";
import { type Route, routeOf } from "./routes.ts";

export interface ProxyParts {
  config: BrokerConfig;
  apiKey: Watched<string>;
  callers: Callers;
  bodies: Bodies;
  budget: BudgetGate;
  endpoint: Endpoint;
  meter: Meter;
  metrics: BrokerMetrics;
  refusals: RefusalLog;
  log: Logger;
}

/** One call, as far as it has come. */
interface Visit {
  req: IncomingMessage;
  res: ServerResponse;
  /** Aborted when the agent has gone. */
  signal: AbortSignal;
  startedAt: number;
  pod?: CallingPod;
  route?: Route;
  failed?: boolean;
}

/** Passes the agents' calls of the Messages API on, with the key in the place of their tokens. */
export class Proxy {
  readonly #parts: ProxyParts;

  constructor(parts: ProxyParts) {
    this.#parts = parts;
  }

  /** Answers, whatever happens; never throws. */
  async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const gone = new AbortController();
    res.once("close", () => gone.abort(new Error("the agent has gone")));
    const visit: Visit = { req, res, signal: gone.signal, startedAt: performance.now() };
    const ended = this.#parts.metrics.called();
    try {
      await this.#pass(visit);
      ended(visit.route?.kind ?? "none", visit.failed ? "failed" : "answered");
    } catch (error) {
      const refused = this.#refuse(visit, error);
      ended(visit.route?.kind ?? "none", refused ? "refused" : "interrupted");
    }
  }

  async #pass(visit: Visit): Promise<void> {
    const { callers, bodies, config } = this.#parts;
    const { req } = visit;
    visit.pod = await callers.podOf(req);
    const route = routeOf(req.method, req.url);
    if (!route) throw new Refused("path", "the key broker passes no such call on");
    visit.route = route;
    if (!route.hasBody) return this.#send(visit, checkedCall(route, "", config));
    return bodies.with(req, (text) => this.#send(visit, checkedCall(route, text, config)));
  }

  async #send(visit: Visit, call: Call): Promise<void> {
    const { budget, metrics, meter } = this.#parts;
    const leave = await budget.enter(call.worst);
    try {
      const sentAt = performance.now();
      metrics.sent((sentAt - visit.startedAt) / 1000);
      const { answer, key } = await this.#ask(visit, call);
      metrics.answered((performance.now() - sentAt) / 1000);
      visit.failed = answer.statusCode >= 400;
      const { kind } = call.route;
      const [model = ""] = call.models;
      await handOn(answer, visit.res, {
        kind,
        key,
        onTokens(tokens) {
          meter.add(model, tokens);
          metrics.tokens(tokens);
        },
      });
    } finally {
      leave();
    }
  }

  /** With the key as it is now. One that the endpoint refuses may have been replaced a moment ago: then the call is made again. */
  async #ask({ req, signal }: Visit, { route, body }: Call): Promise<{ answer: Answer; key: string }> {
    const { apiKey, endpoint } = this.#parts;
    const sent = { method: route.method, path: route.path, body, headers: toEndpoint(req.headers) };
    for (let refused: string | undefined; ; ) {
      const key = apiKey.value;
      if (!key)
        throw new Refused(
          "no-key",
          "there is no Anthropic API key: create the Secret that the Tenant's spec.anthropic.apiKeySecretRef names",
        );
      const answer = await endpoint.send(sent, key, signal).catch((cause: unknown) => {
        signal.throwIfAborted();
        throw new Refused("unreachable", "the model endpoint cannot be reached", { cause });
      });
      if (answer.statusCode !== 401 || refused !== undefined) return { answer, key };
      refused = key;
      await apiKey.refresh();
      if (apiKey.value === refused) return { answer, key };
      await answer.body.dump();
    }
  }

  /** @returns whether it was the broker's own decision, and the agent was told */
  #refuse({ req, res, pod, signal }: Visit, error: unknown): boolean {
    const { log, metrics, refusals } = this.#parts;
    if (error instanceof Refused) {
      const { reason, message } = error;
      metrics.refused(reason);
      refusals.note({ pod, address: req.socket.remoteAddress ?? "", reason, message });
      if (reason === "unreachable") log.warn({ err: error }, "the model endpoint does not answer");
    } else if (!signal.aborted) log.warn({ err: error as Error, pod: pod?.name }, "a call broke off");
    if (res.headersSent) {
      res.destroy(); // a stream that breaks off must not look like one that ends
      return false;
    }
    const { headers, body } = error instanceof Refused ? error.answer : FAULT;
    res.writeHead(error instanceof Refused ? error.status : 500, headers).end(body);
    return error instanceof Refused;
  }
}

const FAULT = {
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ type: "error", error: { type: "api_error", message: "the key broker failed: try again" } }),
};
