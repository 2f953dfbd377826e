import { z } from "zod";
import type { filesTool } from "../../../api/workspace.ts";

export const MAX_WRITE_BYTES = 1024 * 1024;
export const MAX_READ_BYTES = 256 * 1024;
export const STANDARD_READ_BYTES = 64 * 1024;
/** To which a file may grow by appending. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;
export const MAX_LISTED = 1000;

export const READING = ["list", "read", "stat"] as const;
export const WRITING = ["write", "append", "mkdir", "delete"] as const;

export const filesInput = z.object({
  action: z.enum([...READING, ...WRITING]),
  path: z.string().default(""),
  content: z.string().optional(),
  encoding: z.enum(["text", "base64"]).default("text"),
  offset: z.int().min(0).default(0),
  limit: z.int().min(1).optional(),
});
export type FilesInput = z.infer<typeof filesInput>;

const WRITE_PROPERTIES = {
  content: { type: "string", description: `What to write or append; at most ${MAX_WRITE_BYTES} bytes.` },
};

/** What the model is told of the tool. */
export function filesSchema({ access }: z.infer<typeof filesTool>) {
  const writes = access === "ReadWrite";
  return {
    type: "object",
    properties: {
      action: {
        type: "string",
        enum: writes ? [...READING, ...WRITING] : READING,
        description: `list a directory, read a file, stat either${writes ? "; write a whole file (with its directories), append to one, mkdir, delete a file or an empty directory" : ""}.`,
      },
      path: {
        type: "string",
        description: "Relative to the workspace, parted by /, without .. and links. Left out: the workspace itself.",
      },
      ...(writes ? WRITE_PROPERTIES : {}),
      encoding: {
        type: "string",
        enum: ["text", "base64"],
        description: "How content is given: base64 for what is not UTF-8 text. Default: text.",
      },
      offset: { type: "integer", minimum: 0, description: "read: from which byte. list: from which entry." },
      limit: {
        type: "integer",
        minimum: 1,
        maximum: MAX_READ_BYTES,
        description: `read: how many bytes (default ${STANDARD_READ_BYTES}). list: how many entries.`,
      },
    },
    required: ["action"],
    additionalProperties: false,
  };
}
