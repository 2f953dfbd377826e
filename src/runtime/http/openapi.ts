import { z } from "zod";
import * as schemas from "./schemas.ts";

const json = (name: string, contentType = "application/json") => ({
  content: { [contentType]: { schema: { $ref: `#/components/schemas/${name}` } } },
});
const problems = Object.fromEntries(
  [
    ["400", "The request is malformed."],
    ["401", "No valid token."],
    ["403", "Another tenant's, or another user's."],
    ["404", "There is none."],
    ["429", "Too many runs; see Retry-After."],
    ["503", "Try again; see Retry-After."],
  ].map(([status, description]) => [status, { description, ...json("Problem", "application/problem+json") }]),
);
const id = { name: "id", in: "path", required: true, schema: { type: "string", format: "uuid" } };
const query = (name: string, schema: object) => ({ name, in: "query", schema });

const operation = (
  summary: string,
  success: [status: string, description: string, schema: string],
  more: object = {},
) => ({
  summary,
  responses: { [success[0]]: { description: success[1], ...json(success[2]) }, ...problems },
  ...more,
});
const body = (name: string) => ({ requestBody: { required: true, ...json(name) } });

const EVENTS = {
  description:
    "Events: run.queued, run.started, text.delta, tool.started, tool.finished, delegation.started, delegation.finished, compaction.started, compaction.finished, batch.submitted, restarted (drop the text since the last tool call), and at the end run.completed, run.failed or run.cancelled.",
  content: { "text/event-stream": { schema: { type: "string" } } },
};

function paths() {
  const run = operation("Ask", ["202", "Taken; follow Location.", "AcceptedRun"], {
    ...body("NewRun"),
    parameters: [
      id,
      {
        name: "Idempotency-Key",
        in: "header",
        schema: { type: "string", maxLength: 255 },
        description: "A repeated key gives the run that is there.",
      },
    ],
  });
  Object.assign(run.responses, {
    "200": EVENTS,
    "422": { description: "The key was used with another message.", ...json("Problem", "application/problem+json") },
  });
  const events = {
    summary: "Follow a run",
    parameters: [id, { name: "Last-Event-ID", in: "header", schema: { type: "string" } }],
    responses: { "200": EVENTS, ...problems },
  };
  return {
    "/v1/sessions": {
      post: operation("Open a session", ["201", "Opened.", "Session"], body("NewSession")),
      get: operation("List your sessions, the newest first", ["200", "A page.", "SessionPage"], {
        parameters: [
          query("limit", { type: "integer", minimum: 1, maximum: 100 }),
          query("before", { type: "string", format: "uuid" }),
        ],
      }),
    },
    "/v1/sessions/{id}": { get: operation("Get a session", ["200", "The session.", "Session"], { parameters: [id] }) },
    "/v1/sessions/{id}/messages": {
      get: operation("List messages in order", ["200", "A page.", "MessagePage"], {
        parameters: [
          id,
          query("limit", { type: "integer", minimum: 1, maximum: 500 }),
          query("after", { type: "integer", minimum: 0 }),
        ],
      }),
    },
    "/v1/sessions/{id}/runs": { post: run },
    "/v1/sessions/{id}/context": {
      get: operation("See how full the context is", ["200", "As it is now.", "Context"], { parameters: [id] }),
    },
    "/v1/sessions/{id}/compact": {
      post: operation("Compact the conversation now", ["200", "What became of it.", "Compacted"], { parameters: [id] }),
    },
    "/v1/runs/{id}": { get: operation("Get a run", ["200", "The run.", "Run"], { parameters: [id] }) },
    "/v1/runs/{id}/events": { get: events },
    "/v1/runs/{id}/cancel": { post: operation("Cancel a run", ["202", "It ends soon.", "Run"], { parameters: [id] }) },
  };
}

/** The OpenAPI 3.1 document of the agent's API. */
export function openApiDocument(agent: string, version: string) {
  const named = {
    NewSession: schemas.newSession,
    NewRun: schemas.newRun,
    Session: schemas.session,
    SessionPage: schemas.sessionPage,
    MessagePage: schemas.messagePage,
    Run: schemas.run,
    AcceptedRun: schemas.acceptedRun,
    Context: schemas.context,
    Compacted: schemas.compacted,
    Problem: schemas.problem,
  };
  const components = Object.entries(named).map(([name, it]) => {
    const { $schema: _, ...schema } = z.toJSONSchema(it, {
      io: name.startsWith("New") ? "input" : "output",
      unrepresentable: "any",
    });
    return [name, schema];
  });
  return {
    openapi: "3.1.0",
    info: { title: `AgentPG agent ${agent}`, version },
    security: [{ bearer: [] }],
    paths: paths(),
    components: {
      schemas: Object.fromEntries(components),
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
  };
}
