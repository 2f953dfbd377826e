import { z } from "zod";
import type { Hook } from "../hooks/hook.ts";
import type { ModuleHook, ModuleTool } from "./interface.ts";

const name = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "1 to 64 letters, digits, _ and -");
const isFunction = (it: unknown): boolean => typeof it === "function";
const callable = z.custom<never>(isFunction, "must be a function");
/** Also of another copy of zod, which a bundled module may bring. */
const objectSchema = z.custom<z.ZodObject>(
  (it) => (it as { _zod?: { def?: { type?: string } } } | undefined)?._zod?.def?.type === "object",
  "must be a zod object: z.object({ … })",
);

/** What a tool may say; `defineTool` gives its types, and this catches what JavaScript lets through. */
const tool = z
  .strictObject({
    name,
    description: z.string().min(1).max(4096),
    input: objectSchema,
    variables: objectSchema.optional(),
    idempotent: z.boolean().default(false),
    timeoutSeconds: z.int().min(1).max(3600).optional(),
    maxAttempts: z.int().min(1).max(10).default(1),
    needsApproval: z.boolean().default(false),
    execute: callable,
  })
  .refine((it) => it.idempotent || it.maxAttempts === 1, {
    path: ["maxAttempts"],
    message: "above 1 repeats calls: set idempotent: true, or leave maxAttempts out",
  });

const POINTS = ["beforeMessage", "afterMessage", "beforeToolCall", "afterToolCall"] as const;

const hook = z
  .strictObject({
    name,
    onFailure: z.enum(["Block", "Allow"]).default("Block"),
    timeoutSeconds: z.number().min(0.1).max(60).default(5),
    beforeMessage: callable.optional(),
    afterMessage: callable.optional(),
    beforeToolCall: callable.optional(),
    afterToolCall: callable.optional(),
  })
  .refine((it) => POINTS.some((point) => it[point]), {
    message: `has none of ${POINTS.join(", ")}: it would do nothing`,
  });

/** Read from what a module exports; the functions stay where they were defined, so that `this` is what it was. */
export type LoadedTool = Omit<Required<ModuleTool>, "variables" | "timeoutSeconds"> &
  Pick<ModuleTool, "variables" | "timeoutSeconds">;

/** Something about the exports is wrong; the message says where and what. */
export class WrongExport extends Error {
  override name = "WrongExport";
}

function read<T extends z.ZodType>(schema: T, it: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(it);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const title = (it as { name?: unknown } | null)?.name;
  const who = typeof title === "string" && title ? `${what} (${title})` : what;
  throw new WrongExport(`${[who, ...(issue?.path ?? [])].join(".")}: ${issue?.message ?? "is wrong"}`);
}

const readTool = (it: unknown, i: number): LoadedTool => {
  const parsed = read(tool, it, `tools[${i}]`);
  return { ...parsed, execute: (input, context) => (it as ModuleTool).execute(input, context) };
};

function readHook(it: unknown, i: number): Hook {
  const { name, onFailure, timeoutSeconds } = read(hook, it, `hooks[${i}]`);
  const own = it as ModuleHook;
  const bound = POINTS.flatMap((point) => (own[point] ? [[point, own[point].bind(own)]] : []));
  return { name, onFailure, timeoutSeconds, ...Object.fromEntries(bound) };
}

const list = (it: unknown, what: string): unknown[] => {
  if (it === undefined) return [];
  if (Array.isArray(it)) return it;
  throw new WrongExport(`${what} must be a list`);
};

/** The tools and hooks that a module exports: as its default, or by name. @throws WrongExport */
export function contentsOf(exported: Record<string, unknown>): { tools: LoadedTool[]; hooks: Hook[] } {
  const from = "default" in exported ? exported["default"] : exported;
  if (typeof from !== "object" || from === null || !("tools" in from || "hooks" in from))
    throw new WrongExport("it exports neither tools nor hooks: write `export default { tools: [defineTool({ … })] }`");
  const { tools, hooks } = from as Record<string, unknown>;
  return { tools: list(tools, "tools").map(readTool), hooks: list(hooks, "hooks").map(readHook) };
}
