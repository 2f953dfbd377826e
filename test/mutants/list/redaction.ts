import type { Mutant } from "../mutant.ts";

const SCRUB = "src/telemetry/scrub.ts";
const LOG = "src/telemetry/log.ts";
const scrub = [{ file: "src/telemetry/scrub.test.ts" }];

/** What errors and logs let out. */
export const REDACTION: Mutant[] = [
  {
    weakness: "an error of ours is told to the caller",
    file: "src/runtime/http/problems.ts",
    from: 'return new Problem(500, "something went wrong on our side");',
    to: "return new Problem(500, String(error));",
    killedBy: [{ file: "src/runtime/http/redaction-proof.test.ts" }],
  },
  {
    weakness: "an API key in a log line's text is logged",
    file: SCRUB,
    from: '  [/\\bsk-ant-[A-Za-z0-9_-]{8,}/g, "[redacted key]"],\n',
    to: "",
    killedBy: scrub,
  },
  {
    weakness: "the password of a connection string is logged",
    file: SCRUB,
    from: '  [/\\b(postgres(?:ql)?:\\/\\/[^:/@\\s]*):[^@\\s]+@/gi, "$1:[redacted]@"],\n',
    to: "",
    killedBy: scrub,
  },
  {
    weakness: "a field that is named like a secret is logged",
    file: SCRUB,
    from: "if (value !== undefined && value !== null && SECRET_KEY.test(key))",
    to: "if (value === SECRET_KEY && SECRET_KEY.test(key))",
    killedBy: scrub,
  },
  {
    weakness: "a log line's message is not looked at",
    file: LOG,
    from: 'args.map((arg) => (typeof arg === "string" ? scrub(arg) : arg)),',
    to: "args,",
    killedBy: scrub,
  },
  {
    weakness: "a log line's fields are not looked at",
    file: LOG,
    from: "value instanceof Error ? describeError(value) : scrub(value, key),",
    to: "value instanceof Error ? describeError(value) : value,",
    killedBy: scrub,
  },
  {
    weakness: "an error's message is logged as it is",
    file: LOG,
    from: "    message: scrub(error.message),",
    to: "    message: error.message,",
    killedBy: scrub,
  },
  {
    weakness: "a spec may hold a key that nobody sees",
    file: "src/telemetry/credentials.ts",
    from: "const found = FORMS.find(([, form]) => form.test(value));",
    to: "const found = FORMS.find(([, form]) => form.test(value) && value.length < 8);",
    killedBy: [{ file: "src/telemetry/credentials.test.ts" }],
  },
];
