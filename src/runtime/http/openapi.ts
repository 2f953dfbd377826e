import { z } from "zod";
import { EVENT_DATA } from "./event-schemas.ts";
import { type Operation, OPERATIONS } from "./openapi-operations.ts";
import { titleOf } from "./problems.ts";
import * as schemas from "./schemas.ts";

const NAMED: Record<string, z.ZodType> = {
  NewSession: schemas.newSession,
  SessionChange: schemas.sessionChange,
  NewRun: schemas.newRun,
  Decision: schemas.decision,
  Session: schemas.session,
  SessionPage: schemas.sessionPage,
  Message: schemas.message,
  MessagePage: schemas.messagePage,
  Run: schemas.run,
  RunPage: schemas.runPage,
  AcceptedRun: schemas.acceptedRun,
  RunTree: schemas.runTree,
  ApprovalPage: schemas.approvalPage,
  Decided: schemas.decided,
  Context: schemas.context,
  Compacted: schemas.compacted,
  Usage: schemas.usage,
  Limits: schemas.limits,
  Problem: schemas.problem,
};
const BODIES = new Set(OPERATIONS.map((it) => it.body?.[0]));
const RETRY_AFTER = { "Retry-After": { description: "Seconds.", schema: { type: "integer" } } };
/** What any operation may answer. */
const PROBLEMS: Record<number, string> = {
  400: "Malformed; `field` says what is at fault.",
  401: "No token, or none that is valid here.",
  403: "Another tenant's, or another user's.",
  406: "Nothing that Accept asks for.",
  429: "Too many bad tokens from this address; see Retry-After.",
  431: "The URL and the headers are too long.",
  500: "A fault of ours.",
  503: "Try again; see Retry-After.",
};
const PROBLEMS_OF_BODIES: Record<number, string> = {
  408: "It did not arrive in time.",
  413: "It is larger than 1 MiB, unpacked.",
  415: "It is no JSON, or in an encoding that is not supported.",
  422: "There is no such field; for a run also: the key was used with another question, or a hook blocks it.",
};

const content = (name: string, type = "application/json", example?: unknown) => ({
  content: {
    [type]: { schema: { $ref: `#/components/schemas/${name}` }, ...(example === undefined ? {} : { example }) },
  },
});

function schemaOf(type: z.ZodType, io: "input" | "output"): object {
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io, unrepresentable: "any" });
  return schema;
}

const eventName = (type: string): string =>
  `Event${type.replace(/(^|\.)(\w)/g, (_all, _dot, letter: string) => letter.toUpperCase())}`;

/** An event as a client has parsed it. */
const eventSchemas = (): Record<string, object> =>
  Object.fromEntries(
    Object.entries(EVENT_DATA).map(([type, data]) => {
      const id = z
        .string()
        .describe(type === "run.queued" ? "Empty: there is nothing before it." : "For Last-Event-ID.");
      return [eventName(type), schemaOf(z.object({ id, type: z.literal(type), data }), "output")];
    }),
  );

const RUN_EVENT = {
  description:
    "A server-sent event: `id`, `event` (here `type`) and `data` (JSON). Comments keep the connection alive.",
  oneOf: Object.keys(EVENT_DATA).map((type) => ({ $ref: `#/components/schemas/${eventName(type)}` })),
  discriminator: {
    propertyName: "type",
    mapping: Object.fromEntries(
      Object.keys(EVENT_DATA).map((type) => [type, `#/components/schemas/${eventName(type)}`]),
    ),
  },
};

const EVENTS_EXAMPLE = 'id: 3.1\nevent: text.delta\ndata: {"text":"Order 1042 was "}\n\n';

function answersOf({ answers, method }: Operation): Record<string, object> {
  return Object.fromEntries(
    answers.map(([status, description, schema]) => {
      const placed = method === "post" && (status === 201 || status === 202);
      const headers = placed ? { headers: { Location: { schema: { type: "string" } } } } : {};
      if (schema === undefined) return [status, { description }];
      const body = schema === "events" ? content("RunEvent", "text/event-stream", EVENTS_EXAMPLE) : content(schema);
      return [status, { description, ...headers, ...body }];
    }),
  );
}

function problemsOf({ body, problems }: Operation): Record<string, object> {
  const all = { ...PROBLEMS, ...(body ? PROBLEMS_OF_BODIES : {}), ...problems };
  return Object.fromEntries(
    Object.entries(all).map(([status, description]) => {
      const waits = ["409", "429", "503"].includes(status) ? { headers: RETRY_AFTER } : {};
      const example = { type: "urn:agentpg:problem:CODE", title: titleOf(Number(status)), status: Number(status) };
      const problem = content("Problem", "application/problem+json", { ...example, detail: description });
      return [status, { description, ...waits, ...problem }];
    }),
  );
}

function parametersOf({ path, parameters = [] }: Operation): object[] {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: name === "id" ? { type: "string", format: "uuid" } : { type: "string" },
  }));
  return [...inPath, ...parameters, { $ref: "#/components/parameters/Tenant" }];
}

function described(operation: Operation): object {
  const { id, tag, summary, description, body } = operation;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description ? { description } : {}),
    parameters: parametersOf(operation),
    ...(body ? { requestBody: { required: true, ...content(body[0], "application/json", body[1]) } } : {}),
    responses: { ...answersOf(operation), ...problemsOf(operation) },
  };
}

/** A path of express as OpenAPI writes it. */
export const pathOf = (path: string): string => `/v1${path.replace(/:(\w+)/g, "{$1}")}`;

function paths(): Record<string, Record<string, object>> {
  const all: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
    const path = pathOf(operation.path);
    all[path] = { ...all[path], [operation.method]: described(operation) };
  }
  return all;
}

const TENANT = {
  name: "X-Tenant-ID",
  in: "header",
  schema: { type: "string" },
  description: "When sent it must be the tenant's name.",
};

/** The OpenAPI 3.1 document of the agent's API. */
export function openApiDocument(agent: string, version: string) {
  const components = Object.entries(NAMED).map(([name, it]) => [
    name,
    schemaOf(it, BODIES.has(name) ? "input" : "output"),
  ]);
  return {
    openapi: "3.1.0",
    info: {
      title: `AgentPG agent ${agent}`,
      version,
      description: "Conversations with an AI agent that are kept in Postgres. Errors are problem documents (RFC 9457).",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }],
    tags: ["Sessions", "Runs", "Approvals", "Usage"].map((name) => ({ name })),
    paths: paths(),
    components: {
      schemas: { ...Object.fromEntries(components), RunEvent: RUN_EVENT, ...eventSchemas() } as Record<string, object>,
      parameters: { Tenant: TENANT },
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "Of the tenant's OIDC issuer, or of a service account of its namespace.",
        },
      },
    },
  };
}
