import type { ContentBlock } from "../../database/runs/run.ts";
import { findingsIn, type IsKnown } from "./detect.ts";
import type { PiiCounts } from "./finding.ts";
import { mayHold } from "./quick-look.ts";
import { redactJson, redactText } from "./redact.ts";

/** What the API wrote for itself: signed, encrypted, or a name. */
const OPAQUE = new Set([
  "type",
  "id",
  "tool_use_id",
  "name",
  "signature",
  "data",
  "encrypted_content",
  "encrypted_index",
]);

const isText = (block: ContentBlock): block is ContentBlock & { text: string } =>
  block.type === "text" && typeof block.text === "string";

/** Nothing but a text. */
export const isPlainText = (it: ContentBlock): boolean => it.type === "text" && Object.keys(it).length === 2;

/** Texts of one message are read as one, so that nothing hides in their seams; what reaches over a seam stays in the first. */
function redactTexts(texts: readonly string[], counts: PiiCounts, isKnown?: IsKnown): string[] {
  const whole = texts.join("");
  const made = redactText(whole, counts, isKnown);
  if (made === whole) return [...texts];
  const apart = texts.map((it) => redactText(it, {}, isKnown));
  if (apart.join("") === made) return apart;
  return spread(whole, made, texts, isKnown);
}

/** The redacted whole, cut where the texts were parted; in a finding, behind it. */
function spread(whole: string, made: string, texts: readonly string[], isKnown?: IsKnown): string[] {
  const findings = findingsIn(whole, isKnown);
  let seam = 0;
  let from = 0;
  return texts.map((text, i) => {
    seam += text.length;
    if (i === texts.length - 1) return made.slice(from);
    const inside = findings.find((it) => it.start < seam && it.end > seam);
    const end = redactText(whole.slice(0, inside?.end ?? seam), {}, isKnown).length;
    const part = made.slice(from, Math.max(from, end));
    from = Math.max(from, end);
    return part;
  });
}

function redactBlock(block: ContentBlock, counts: PiiCounts, isKnown?: IsKnown): ContentBlock {
  let made = block;
  for (const [key, value] of Object.entries(block)) {
    if (OPAQUE.has(key) || (key === "text" && isText(block))) continue;
    const redacted = redactJson(value, counts, isKnown);
    if (redacted !== value) made = { ...made, [key]: redacted };
  }
  return made;
}

/**
 * A message's content with a placeholder for each finding; the same content when there is none. Signed thinking cannot be changed, so it
 * is left out when it would have to be, and so is a text of which nothing is left.
 */
export function redactContent(content: ContentBlock[], counts: PiiCounts, isKnown?: IsKnown): ContentBlock[] {
  const texts = content.filter(isText).map((it) => it.text);
  if (content.every(isPlainText) && !mayHold(texts.join(""))) return content;
  const redacted = redactTexts(texts, counts, isKnown);
  let next = 0;
  const made = content.map((block) => {
    const it = redactBlock(block, counts, isKnown);
    if (!isText(it)) return it;
    const text = redacted[next++] ?? "";
    return text === it.text ? it : { ...it, text };
  });
  if (made.every((it, i) => it === content[i])) return content;
  return made.filter((it, i) => !(isText(it) && it.text === "") && !(it.type === "thinking" && it !== content[i]));
}
