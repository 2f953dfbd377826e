import type { CallToolResult } from "@modelcontextprotocol/client";
import { capped, type ToolOutcome } from "../tool.ts";

type Content = CallToolResult["content"][number];

const bytesOf = (base64: string): number => Buffer.byteLength(base64, "base64");
const binary = (what: string, type: string | undefined, data: string): string =>
  `[${what}: ${(type ?? "unknown type").slice(0, 100)}, ${bytesOf(data)} bytes, not shown]`;

function textOf(it: Content): string {
  if (it.type === "text") return it.text;
  if (it.type === "image" || it.type === "audio") return binary(it.type, it.mimeType, it.data);
  if (it.type === "resource_link") return `[link: ${it.name} ${it.uri}]`;
  const { resource } = it;
  return "text" in resource ? resource.text : binary("file", resource.mimeType, resource.blob);
}

/** What the model reads of a result: what is structured as JSON (servers say the same as text), else the text. */
export function outcomeOf({ content, structuredContent, isError = false }: CallToolResult): ToolOutcome {
  const structured = structuredContent !== undefined && !isError;
  const shown = structured ? content.filter((it) => it.type !== "text") : content;
  const parts = [...(structured ? [JSON.stringify(structuredContent)] : []), ...shown.map(textOf)];
  return { output: capped(parts.join("\n")), isError };
}
