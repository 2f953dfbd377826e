import { z } from "zod";
import type { BrokerConfig } from "../api/broker-config.ts";
import { NO_SPEND, type Spend } from "../database/runs/load.ts";
import type { Message } from "../database/runs/run.ts";
import { worstOf } from "../runtime/engine/worst-case.ts";
import type { ToolDefinition } from "../runtime/model/client.ts";
import { Refused } from "./refusal.ts";
import type { Route } from "./routes.ts";

/** A call that may be passed on. */
export interface Call {
  route: Route;
  /** What the endpoint is sent; undefined: nothing. */
  body: string | undefined;
  /** The models that it names. */
  models: string[];
  /** The most that it can cost. */
  worst: Spend;
}

const params = z.looseObject({
  model: z.string().min(1).max(256),
  max_tokens: z.int().min(1).optional(),
  messages: z.array(z.unknown()),
  tools: z.array(z.unknown()).default([]),
  system: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).optional(),
});
const batch = z.looseObject({ requests: z.array(z.looseObject({ params })).min(1) });
type Params = z.infer<typeof params>;

const lengthOf = (system: Params["system"]): string =>
  typeof system === "string" ? system : (system ?? []).map(({ text }) => text ?? "").join("");

/** As the runtime reckons what it reserves: the two must agree, or calls that it has room for would be refused here. */
const worstOfParams = ({ model, max_tokens, messages, tools, system }: Params, batched: boolean): Spend =>
  worstOf(
    {
      model,
      maxTokens: max_tokens ?? 0,
      messages: messages as Message[],
      tools: tools as ToolDefinition[],
      system: lengthOf(system),
    },
    batched,
  );

const plus = (a: Spend, b: Spend): Spend => ({ usd: a.usd + b.usd, tokens: a.tokens + b.tokens });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Refused("body", "the body is not JSON", { cause });
  }
}

function requestsOf({ kind }: Route, json: unknown): Params[] {
  const result = kind === "batch" ? batch.safeParse(json) : params.safeParse(json);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new Refused("body", `${issue?.path.join(".") || "the body"}: ${issue?.message ?? "not as expected"}`);
  }
  return kind === "batch"
    ? (result.data as z.infer<typeof batch>).requests.map((it) => it.params)
    : [result.data as Params];
}

function checkModels(models: string[], { allowedModels }: BrokerConfig): void {
  const foreign = models.find((it) => !allowedModels.includes(it));
  if (allowedModels.length === 0 || foreign === undefined) return;
  throw new Refused(
    "model",
    `the model ${foreign} is not among this tenant's models: use one of ${allowedModels.join(", ")}, or add it to the Tenant's anthropic.allowedModels`,
  );
}

/**
 * The call, when the tenant may make it. What is sent is what was looked at, written anew: a field that is there twice could mean one
 * thing here and another at the endpoint. Pure.
 * @throws Refused
 */
export function checkedCall(route: Route, text: string, config: BrokerConfig): Call {
  if (!route.hasBody) {
    const models = route.model === undefined ? [] : [route.model];
    checkModels(models, config);
    return { route, body: undefined, models, worst: NO_SPEND };
  }
  const json = parsed(text);
  const requests = requestsOf(route, json);
  const models = [...new Set(requests.map((it) => it.model))];
  checkModels(models, config);
  const worst =
    route.kind === "count"
      ? NO_SPEND
      : requests.map((it) => worstOfParams(it, route.kind === "batch")).reduce(plus, NO_SPEND);
  return { route, body: JSON.stringify(json), models, worst };
}
