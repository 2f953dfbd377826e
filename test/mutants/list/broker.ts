import type { Killer, Mutant } from "../mutant.ts";

const POD = "src/broker/pod.ts";
const CALLERS = "src/broker/callers.ts";
const CALL = "src/broker/call.ts";
const ANSWER = "src/broker/answer.ts";
const HEADERS = "src/broker/headers.ts";
const ROUTES = "src/broker/routes.ts";
const GATE = "src/broker/budget-gate.ts";
const REFUSALS = "src/broker/refusal-log.ts";
const BODIES = "src/broker/bodies.ts";

const broker = (tests: string): Killer[] => [{ file: "test/runtime/broker.test.ts", tests }];
const calls = (tests: string): Killer[] => [{ file: "src/broker/call.test.ts", tests }];
const answers = (tests: string): Killer[] => [{ file: "src/broker/answer.test.ts", tests }];

/** Whose token the broker takes. */
const TOKENS: Mutant[] = [
  {
    weakness: "a token that is bound to no pod is taken",
    file: POD,
    from: "pod: z.object({ name: text, uid: text }),",
    to: 'pod: z.object({ name: text, uid: text }).default({ name: "agent-support-1", uid: "none" }),',
    killedBy: broker("that is bound to no pod is refused"),
  },
  {
    weakness: "a token of another tenant's pod is taken",
    file: POD,
    from: "of.namespace !== namespace || ",
    to: "",
    killedBy: broker("of another namespace is refused"),
  },
  {
    weakness: "a token of another tenant's service account is taken",
    file: POD,
    from: " || sub !== `system:serviceaccount:${namespace}:${of.serviceaccount.name}`",
    to: "",
    killedBy: broker("whose subject is of another namespace"),
  },
  {
    weakness: "a token that is for others too is taken",
    file: POD,
    from: 'if (Array.isArray(aud) && aud.length !== 1) throw refused("it is for others too");',
    to: "",
    killedBy: broker("for the API server too"),
  },
  {
    weakness: "a token for the API server is taken",
    file: CALLERS,
    from: "this.#config.issuer, BROKER_AUDIENCE)",
    to: "this.#config.issuer, [BROKER_AUDIENCE, this.#config.issuer] as never)",
    killedBy: broker("for the API server is refused"),
  },
  {
    weakness: "a token of any length of life is taken",
    file: POD,
    from: "if (exp - iat > LONGEST_LIFE) throw refused(`it is good for more than ${LONGEST_LIFE} s`);",
    to: "",
    killedBy: broker("that is good for a year"),
  },
  {
    weakness: "a token of a pod that is no agent's is taken",
    file: POD,
    from: "const OF_AGENT = /^agent-(.+)$/;",
    to: "const OF_AGENT = /^(.+)$/;",
    killedBy: broker("of a pod that is no agent's"),
  },
  {
    weakness: "a token of an agent's account in any pod is taken",
    file: POD,
    from: "!agent || !of.pod.name.startsWith(`${of.serviceaccount.name}-`)",
    to: "!agent",
    killedBy: broker("of an agent's account in another pod"),
  },
  {
    weakness: "a token that has expired is taken",
    file: CALLERS,
    from: "verifyToken(token, this.#keys, this.#config.issuer, BROKER_AUDIENCE).catch(\n      (cause: unknown) => {",
    to: `verifyToken(token, this.#keys, this.#config.issuer, BROKER_AUDIENCE).catch(
      (cause: unknown) => {
        if ((cause as { code?: string }).code === "ERR_JWT_EXPIRED") return (cause as { payload: never }).payload;`,
    killedBy: broker("that has expired"),
  },
  {
    weakness: "a token that was good once stays good",
    file: CALLERS,
    from: "const until = ((payload.exp as number) + CLOCK_SKEW_SECONDS) * 1000;",
    to: "const until = Infinity + CLOCK_SKEW_SECONDS;",
    killedBy: broker("that is known is refused from its end on"),
  },
  {
    weakness: "bad tokens may be tried without end",
    file: CALLERS,
    from: 'if (error instanceof Refused && error.reason === "token") this.#attempts.count(address);',
    to: "",
    killedBy: broker("that is no good too often bars its address"),
  },
];

/** Which calls the broker passes on, and what it tells the endpoint. */
const WHAT: Mutant[] = [
  {
    weakness: "a model that the tenant may not use is passed on",
    file: CALL,
    from: "if (allowedModels.length === 0 || foreign === undefined) return;",
    to: "if (allowedModels.length >= 0 || foreign === undefined) return;",
    killedBy: broker("of a model that the tenant may not use"),
  },
  {
    weakness: "only the first model of a batch is looked at",
    file: CALL,
    from: "[...new Set(requests.map((it) => it.model))]",
    to: "[...new Set(requests.map((it) => it.model))].slice(0, 1)",
    killedBy: calls("of one model among many"),
  },
  {
    weakness: "a model may be asked about that the tenant may not use",
    file: CALL,
    from: "const models = route.model === undefined ? [] : [route.model];",
    to: "const models: string[] = [];",
    killedBy: calls("that asks about a model"),
  },
  {
    weakness: "a body is sent as it came, with fields that are there twice",
    file: CALL,
    from: "return { route, body: JSON.stringify(json), models, worst };",
    to: "return { route, body: text, models, worst };",
    killedBy: calls("that names its model twice"),
  },
  {
    weakness: "any call is passed on",
    file: ROUTES,
    from: '{ kind: "batch-info", method, path, hasBody: false } : undefined;',
    to: '{ kind: "batch-info", method, path, hasBody: false } : { kind: "batch-info", method, path, hasBody: false };',
    killedBy: broker("of something else is not passed on: POST /v1/complete"),
  },
  {
    weakness: "any query is passed on",
    file: ROUTES,
    from: "query === undefined || LIST_QUERY.test(query)",
    to: "query === undefined || LIST_QUERY.test(query) || true",
    killedBy: broker("of something else is not passed on: GET /v1/messages/batches?limit=1&url"),
  },
  {
    weakness: "a model's name may be a path",
    file: ROUTES,
    from: "return MODEL_NAME.test(name) ? name : undefined;",
    to: "return MODEL_NAME.test(name) ? name : encoded;",
    killedBy: broker("of something else is not passed on: GET /v1/models/..%2Ffiles"),
  },
  {
    weakness: "all headers of an agent's are passed on",
    file: HEADERS,
    from: "const kept = TO_ENDPOINT.map((name) => [name, single(headers[name])] as const);",
    to: "const kept = [...TO_ENDPOINT, ...Object.keys(headers)].map((name) => [name, single(headers[name])] as const);",
    killedBy: broker("is passed on without what says whose it is"),
  },
  {
    weakness: "a body is read however long it is",
    file: BODIES,
    from: "if (bytes > this.#most) throw this.#tooLarge();",
    to: "",
    killedBy: broker("that is too large"),
  },
  {
    weakness: "bodies are read without regard to the memory",
    file: BODIES,
    from: "if (this.#held > this.#mostAtOnce)",
    to: "if (this.#held > this.#mostAtOnce * 1e9)",
    killedBy: broker("that finds the memory full"),
  },
];

/** What an agent gets back. */
const BACK: Mutant[] = [
  {
    weakness: "an endpoint that repeats the key tells the agent",
    file: ANSWER,
    from: 'if (status >= 300) return text.replaceAll(key, "[redacted key]");',
    to: "if (status >= 300) return text;",
    killedBy: answers("that repeats the key"),
  },
  {
    weakness: "all headers of an answer are handed on",
    file: HEADERS,
    from: "TO_AGENT.includes(name) || name.startsWith(LIMITS)",
    to: 'name !== "content-length"',
    killedBy: answers("that repeats the key"),
  },
  {
    weakness: "a redirect of the endpoint is handed on",
    file: ANSWER,
    from: "if (status >= 300 && status < 400) {",
    to: "if (status >= 400 && status < 400) {",
    killedBy: answers("that is a redirect"),
  },
  {
    weakness: "an agent is sent past the broker for the results of its batches",
    file: ANSWER,
    from: 'return { ...it, results_url: `/v1/messages/batches/${String(it["id"])}/results` };',
    to: "return it;",
    killedBy: answers("with a batch's results"),
  },
  {
    weakness: "an answer that broke off looks like one that ended",
    file: "src/broker/proxy.ts",
    from: "res.destroy(); // a stream that breaks off must not look like one that ends",
    to: "res.end();",
    killedBy: broker("that breaks off in a stream"),
  },
];

/** What may be spent, and what is written down. */
const BUDGET_AND_AUDIT: Mutant[] = [
  {
    weakness: "the tenant's budget is not looked at",
    file: GATE,
    from: "if (!this.#limited || worst.tokens === 0) return () => {};",
    to: "if (worst.tokens >= 0 || this.#limited) return () => {};",
    killedBy: broker("that is spent lets no call through"),
  },
  {
    weakness: "what went through counts only when the agent writes it down",
    file: GATE,
    from: "return { day: larger(day, metered.day), month: larger(month, metered.month) };",
    to: "return { day: larger(day, day), month: larger(month, metered.month) };",
    killedBy: broker("holds for an agent that writes nothing down"),
  },
  {
    weakness: "calls under way may spend the same money",
    file: GATE,
    from: "this.#underWay = plus(this.#underWay, worst);",
    to: "this.#underWay = plus(this.#underWay, worst, 0);",
    killedBy: broker("has calls that it may have no room for"),
  },
  {
    weakness: "a batch costs nothing",
    file: CALL,
    from: 'route.kind === "count"\n',
    to: 'route.kind !== "message"\n',
    killedBy: broker("that is spent lets no call through"),
  },
  {
    weakness: "calls go through while nobody knows what is spent",
    file: GATE,
    from: 'throw new Refused("budget-unknown", "what the tenant has spent cannot be looked up now", { cause });',
    to: "return { tenant: { day: NO_SPEND, month: NO_SPEND }, cause } as never;",
    killedBy: broker("that cannot be looked up"),
  },
  {
    weakness: "a refused call is not in the audit log",
    file: REFUSALS,
    from: "    this.#write(call, 1);\n",
    to: "",
    killedBy: broker("that is refused is in the audit log once"),
  },
  {
    weakness: "calls that are refused again are not in the audit log",
    file: REFUSALS,
    from: "if (gathered.calls > 0) this.#write(gathered.last, gathered.calls);",
    to: "",
    killedBy: broker("that is refused is in the audit log once"),
  },
  {
    weakness: "a pod in a loop fills the audit log",
    file: REFUSALS,
    from: "if (gathered) {\n      gathered.calls++;",
    to: "if (gathered && !gathered) {\n      gathered.calls++;",
    killedBy: broker("that is refused is in the audit log once"),
  },
  {
    weakness: "the audit log does not say whose call was refused",
    file: REFUSALS,
    from: "{ agent: pod.agent, pod: pod.name, podUid: pod.uid }",
    to: "{ agent: null, pod: null }",
    killedBy: broker("is in the audit log with pod and agent"),
  },
];

const AGENTS = "src/operator/agent/objects/deployment.ts";
const objects: Killer[] = [{ file: "test/operator/broker.test.ts" }];

/** What the operator makes for a Tenant with `anthropic.access: Broker`. */
const OBJECTS: Mutant[] = [
  {
    weakness: "agents behind a broker have the key all the same",
    file: AGENTS,
    from: "  modelKeyVolume(tenant),\n",
    to: '  modelKeyVolume(tenant),\n  { name: "key", secret: { secretName: tenant.spec.anthropic.apiKeySecretRef.name } },\n',
    killedBy: objects,
  },
  {
    weakness: "an agent's token for the broker is good for the API server",
    file: AGENTS,
    from: "      audience: BROKER_AUDIENCE,\n",
    to: "",
    killedBy: objects,
  },
  {
    weakness: "anybody may call a tenant's broker",
    file: "src/operator/tenant/objects/broker/network-policy.ts",
    from: 'rule("from", [{ podSelector: { matchLabels: AGENT_PODS } }], tcp(API_PORT))',
    to: 'rule("from", [{ namespaceSelector: {} }], tcp(API_PORT))',
    killedBy: objects,
  },
];

const tls = broker("is refused by whoever has another certificate");

/** How agents know their broker. */
const TLS: Mutant[] = [
  {
    weakness: "an agent takes whoever answers for its broker",
    file: "src/runtime/model/transport.ts",
    from: "{ ca, rejectUnauthorized: true,",
    to: "{ ca, rejectUnauthorized: false,",
    killedBy: tls,
  },
  {
    weakness: "an agent without a certificate of its broker takes those of the system's CAs",
    file: "src/runtime/model/transport.ts",
    from: 'if (!ca) return done(new Error("there is no certificate to know the key broker by"), null);',
    to: "",
    killedBy: tls,
  },
  {
    weakness: "agents trust the system's CAs in the place of the broker's certificate",
    file: "src/runtime/model/transport.ts",
    from: "certificates ? { connect: trusting(certificates) } : {}",
    to: "certificates ? {} : {}",
    killedBy: broker("lets an agent answer that has the broker's certificate"),
  },
  {
    weakness: "a broker takes plain HTTP",
    file: "src/runtime/listen.ts",
    from: "certificate ? tlsServer(withHost(app), certificate) : createServer(HTTP, withHost(app))",
    to: "createServer(HTTP, withHost(app))",
    killedBy: tls,
  },
  {
    weakness: "a broker shows a certificate that agents do not know yet",
    file: "src/operator/tenant/broker-tls/decide.ts",
    from: ">= ANNOUNCED_MINUTES * 60_000",
    to: ">= 0",
    killedBy: [
      { file: "src/operator/tenant/broker-tls/decide.test.ts" },
      { file: "src/operator/tenant/broker-tls/certificate.test.ts" },
    ],
  },
  {
    weakness: "a certificate of another name is kept",
    file: "src/operator/tenant/broker-tls/certificate.ts",
    from: "parsed.checkHost(name) !== undefined && ",
    to: "",
    killedBy: [{ file: "src/operator/tenant/broker-tls/certificate.test.ts" }],
  },
];

/** The proxy that has a tenant's API key, so that its agents need none. */
export const KEY_BROKER: Mutant[] = [...TOKENS, ...WHAT, ...BACK, ...BUDGET_AND_AUDIT, ...TLS, ...OBJECTS];
