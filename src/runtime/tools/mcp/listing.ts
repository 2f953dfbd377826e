import { z } from "zod";

const MAX_NAMES = 1000;
/** Of one tool with all that comes with it: icons, output schema. */
const MAX_TOOL_CHARS = 128 * 1024;

export interface Listing {
  /** As the server sent them, nothing of them checked; an Error in the place of what is too large. */
  wanted: Map<string, unknown>;
  /** Of the others, for advice. */
  names: string[];
}

// Tools one by one, so that a broken one does not hide the others.
export const page = z.object({ tools: z.array(z.unknown()), nextCursor: z.string().max(8192).optional() });
const nameOf = (tool: unknown): string | undefined => {
  const { name } = (tool ?? {}) as { name?: unknown };
  return typeof name === "string" && name.length <= 128 ? name : undefined;
};

/** Keeps of a tool what is needed of it. */
export function take({ wanted, names }: Listing, tool: unknown, isWanted: (name: string) => boolean): void {
  const name = nameOf(tool);
  if (name === undefined) return;
  if (isWanted(name)) wanted.set(name, bounded(tool));
  else if (names.length < MAX_NAMES) names.push(name);
}

function bounded(tool: unknown): unknown {
  try {
    const size = JSON.stringify(tool).length;
    return size > MAX_TOOL_CHARS ? new Error(`its definition has ${size} characters`) : tool;
  } catch {
    return new Error("its definition is nested too deep");
  }
}
