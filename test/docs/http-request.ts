import { Ajv2020 } from "ajv/dist/2020.js";
import { openApiDocument } from "../../src/runtime/http/openapi.ts";

interface Operation {
  requestBody?: { content: Record<string, { schema: { $ref: string } }> };
}

const document = openApiDocument("NAME", "0") as unknown as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
};
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: "agent", components: document.components });

/** Ports and names under which the documentation calls an agent. */
const ofAnAgent = ({ host }: URL): boolean =>
  /^(localhost|127\.0\.0\.1):8080$|^agent-[\w-]+\.[\w-]+\.svc:8080$/.test(host);

const operationsAt = (path: string): Record<string, Operation> | undefined => {
  const parts = path.split("/");
  const fits = (template: string) => {
    const wanted = template.split("/");
    return wanted.length === parts.length && wanted.every((it, i) => it.startsWith("{") || it === parts[i]);
  };
  return Object.entries(document.paths).find(([template]) => fits(template))?.[1];
};

const VALUED = new Set(["-H", "-d", "-X", "-o", "-w", "--header", "--data", "--request", "--max-time", "--retry"]);

/** What the agents' HTTP API would have against a call of curl, by its OpenAPI document; undefined: nothing, or it is for somebody else. */
export function requestProblem(words: readonly string[]): string | undefined {
  const valueOf = (...names: string[]) => words[words.findIndex((it) => names.includes(it)) + 1];
  const has = (...names: string[]) => words.some((it) => names.includes(it));
  const address = words.find((it, i) => /^https?:/.test(it) && !VALUED.has(words[i - 1] ?? ""));
  if (address === undefined) return undefined;
  const url = new URL(address);
  if (!ofAnAgent(url) || !url.pathname.startsWith("/v1")) return undefined;
  const data = has("-d", "--data") ? valueOf("-d", "--data") : undefined;
  const method = has("-X", "--request") ? (valueOf("-X", "--request") ?? "") : data === undefined ? "GET" : "POST";
  // An argument that the stand-ins left empty is a part of the path all the same.
  const path = url.pathname.replace(/\/(?=\/)/g, "/x").replace(/\/$/, "/x");
  const operations = operationsAt(path);
  if (!operations) return `${url.pathname}: the API has no such path`;
  const operation = operations[method.toLowerCase()];
  if (!operation) return `${method} ${url.pathname}: the API has no such method there`;
  const reference = operation.requestBody?.content["application/json"]?.schema.$ref;
  if (data === undefined || reference === undefined) return undefined;
  const valid = ajv.compile({ $ref: `agent${reference}` });
  return valid(JSON.parse(data)) ? undefined : `${url.pathname}: ${data}: ${ajv.errorsText(valid.errors)}`;
}
