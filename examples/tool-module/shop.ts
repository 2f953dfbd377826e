// Tools and a hook of a shop's own. How modules work: docs/tools.md.
import { defineHook, defineTool, RetryTool, SnoozeTool, ToolError } from "agentpg-operator/tools";
import { z } from "zod";
import { maskCards } from "./cards.ts";

const shippingQuote = defineTool({
  name: "shipping_quote",
  description: "What it costs to send a parcel to a country, in euros. Ask for the weight if you do not know it.",
  input: z.object({
    country: z.string().length(2).toUpperCase().describe("ISO 3166 code, like DE."),
    kilograms: z.number().positive().max(30),
    express: z.boolean().default(false),
  }),
  // Given by the application with each question; the model can neither see nor choose it.
  variables: z.object({ customerGroup: z.enum(["standard", "business"]).default("standard") }),
  idempotent: true,
  execute({ country, kilograms, express }, { variables }) {
    if (country === "AQ") throw new ToolError("We do not deliver to Antarctica.");
    const base = (country === "DE" ? 4 : 9) + kilograms * 0.5;
    const discount = variables.customerGroup === "business" ? 0.9 : 1;
    return { euros: Number((base * (express ? 2 : 1) * discount).toFixed(2)), days: express ? 1 : 3 };
  },
});

const exchangeRate = defineTool({
  name: "exchange_rate",
  description: "Today's reference rate of the European Central Bank: how much of a currency one euro is.",
  input: z.object({ currency: z.string().length(3).toUpperCase() }),
  idempotent: true,
  maxAttempts: 3,
  timeoutSeconds: 10,
  async execute({ currency }, { signal, log }) {
    const response = await fetch(`https://api.frankfurter.dev/v1/latest?symbols=${currency}`, { signal });
    if (response.status === 429) throw new SnoozeTool(Number(response.headers.get("retry-after") ?? 30));
    if (response.status >= 500) throw new RetryTool("the rates cannot be had at the moment");
    if (!response.ok) throw new ToolError(`there is no rate for ${currency}`);
    log.info("a rate was looked up", { currency });
    return response.json();
  },
});

/** Card numbers reach neither the model nor the database, and no answer contains one. */
const cards = defineHook({
  name: "cards",
  beforeMessage({ text }) {
    const masked = maskCards(text);
    return masked === text ? undefined : { action: "change", text: masked, annotations: { masked: "question" } };
  },
  afterToolCall({ outcome }) {
    const output = maskCards(outcome.output);
    return output === outcome.output ? undefined : { action: "change", outcome: { ...outcome, output } };
  },
});

export default { tools: [shippingQuote, exchangeRate], hooks: [cards] };
