import { z } from "zod";
import type { ConsoleBlock, ConsoleMessage, ConsolePage } from "../../api/console.ts";
import { recordLook } from "../../database/console/record-look.ts";
import { consoleSession } from "../../database/console/sessions.ts";
import { type TranscriptLine, transcriptPage } from "../../database/console/transcript.ts";
import type { ContentBlock } from "../../database/runs/run.ts";
import type { Call, Route } from "./call.ts";
import { queryOf } from "./input.ts";
import { noSuchSession, sessionParam } from "./sessions.ts";
import type { TenantData } from "./tenant-data.ts";
import { TimedCache } from "./timed-cache.ts";

const page = z.strictObject({
  after: z.coerce.number().int().min(-1).max(2_147_483_647).default(-1),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});

/** Who goes on reading a session within these milliseconds, page by page or as it is written, leaves one line of the audit log. */
const ONE_LOOK_MS = 300_000;

const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, undefined, 2));

/** What a tool said: text where it is text, all else as JSON. */
function resultText(content: unknown): string {
  if (!Array.isArray(content)) return content === undefined ? "" : asText(content);
  return content
    .map((it: { type?: unknown; text?: unknown }) =>
      it?.type === "text" && typeof it.text === "string" ? it.text : asText(it),
    )
    .join("\n");
}

/** A block of the Messages API as text: the page shows text and nothing else. */
export function shownBlock(block: ContentBlock | null): ConsoleBlock {
  if (typeof block !== "object" || block === null) return { kind: "other", text: asText(block), name: "unknown" };
  const { type, text, thinking, name, id, input, content, tool_use_id: toolUse, is_error: isError } = block;
  if (type === "text") return { kind: "text", text: asText(text ?? "") };
  if (type === "thinking") return { kind: "thinking", text: asText(thinking ?? "") };
  if (type === "tool_use") return { kind: "tool_use", text: asText(input ?? {}), name: String(name), id: String(id) };
  if (type === "tool_result")
    return { kind: "tool_result", text: resultText(content), id: String(toolUse), isError: isError === true };
  return { kind: "other", text: asText(block), name: asText(type ?? "unknown") };
}

const shownMessage = ({ content, ...line }: TranscriptLine): ConsoleMessage => ({
  ...line,
  blocks: (content ?? []).map(shownBlock),
});

/** What was said. Nobody reads it without a line in the tenant's audit log, which is written first: when that fails, nothing is shown. */
export function transcriptRoutes(data: TenantData): Route[] {
  const looks = new TimedCache<boolean>(ONE_LOOK_MS, 20_000);

  const noted = async ({ caller, params }: Call, session: string): Promise<boolean> => {
    const tenant = params["tenant"] ?? "";
    const found = await data.rows(tenant, "looking for a session", (db) => consoleSession(db, session));
    if (!found) throw noSuchSession();
    await data.write(tenant, found.agent, "recording a look at a transcript", (db, name) =>
      recordLook(db, name, caller.identity.username, found),
    );
    return true;
  };

  return [
    {
      method: "GET",
      path: "/tenants/:tenant/sessions/:session/transcript",
      right: "transcripts",
      async answer(call): Promise<ConsolePage<ConsoleMessage, number>> {
        const { after, limit } = queryOf(page, call.query);
        const session = sessionParam(call.params);
        const tenant = call.params["tenant"] ?? "";
        const { uid } = data.tenant(tenant).metadata;
        await looks.get(JSON.stringify([call.caller.identity.username, uid, session]), () => noted(call, session));
        const lines = await data.content(tenant, "reading a transcript", (db) =>
          transcriptPage(db, session, after, limit),
        );
        return { items: lines.map(shownMessage), next: lines.length === limit ? (lines.at(-1)?.seq ?? null) : null };
      },
    },
  ];
}
