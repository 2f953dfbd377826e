import { z } from "zod";
import { objectName, quantity } from "./resource.ts";

/** Where the tools `files` and `commands` work. */
export const WORKSPACE_PATH = "/workspace";

export const workspaceSpec = z
  .object({
    size: quantity
      .default("1Gi")
      .describe(
        "How much one pod's workspace may hold; without meaning when claimName is set: the claim has its own size.",
      ),
    claimName: objectName
      .optional()
      .describe(
        "A PersistentVolumeClaim of the namespace. Left out: each pod has its own volume, which ends with the pod.",
      ),
    scope: z
      .enum(["Session", "Agent"])
      .default("Session")
      .describe("Session: a directory for each session. Agent: one that all sessions, and so all users, share."),
  })
  .prefault({})
  .describe("What the tools files and commands work in.");

export const filesTool = z
  .object({
    access: z.enum(["ReadOnly", "ReadWrite"]).default("ReadOnly").describe("What the model may do with them."),
  })
  .describe("Files of the workspace volume.");

const FACTORS: Record<string, number> = { "": 1, m: 1e-3, k: 1e3 };
for (const [power, letter] of "KMGTPE".split("").entries()) {
  FACTORS[letter] = 1000 ** (power + 1);
  FACTORS[`${letter}i`] = 1024 ** (power + 1);
}

/** The bytes that a Kubernetes quantity stands for. */
export function quantityBytes(quantity: string | number): number {
  const [, amount = "0", unit = ""] = /^([0-9.]+)(.*)$/.exec(String(quantity)) ?? [];
  return Math.floor(Number(amount) * (FACTORS[unit] ?? 1));
}
