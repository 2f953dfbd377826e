// The console's page in a real Chromium: what it shows, by mouse and by keyboard alone, in both themes. Screenshots: test-output/console.
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContext, Cookie, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startChromium } from "../support/chromium.ts";
import {
  aConversation,
  aToolCall,
  consoleField,
  type ConsoleField,
  type Conversation,
  MARKUP,
  someUsage,
} from "./field.ts";

const PICTURES = join(import.meta.dirname, "../../test-output/console");
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 390, height: 844 };
/** The first view over the wire, in bytes; and until it is there, in milliseconds, of which a busy machine may take more. */
const MOST_BYTES = 200_000;
const MOST_MS = 5_000;
/** What a page of this origin may say to the developer: nothing. */
const complaints: string[] = [];

let field: ConsoleField;
let browser: Browser;
let token: string;
let viewer: string;
let asked: Conversation;

const text = (it: string) => ({ type: "text", text: it });
const minutesAgo = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);

/** A tenant with something in each view, and markup wherever others choose the text. */
async function furnish(): Promise<void> {
  await someUsage(field, "acme", 45);
  for (let i = 0; i < 8; i++)
    await aConversation(field, "acme", {
      at: minutesAgo(400 - 40 * i),
      user: ["ann", "bert", "carla@example.com"][i % 3] ?? "",
      agent: i % 4 === 3 ? "researcher" : "support",
      state: i === 5 ? "failed" : "completed",
      usd: 0.004 * (i + 1),
    });
  asked = await aConversation(field, "acme", {
    at: minutesAgo(12),
    user: `ann ${MARKUP}`,
    usd: 0.0421,
    said: [
      [
        text(
          "My parcel with order 4711 has not come. Can you find out where it is, and whether I get my money back if it is lost?",
        ),
      ],
      [
        text("I look into both."),
        { type: "tool_use", id: "t1", name: "orders", input: { id: 4711 } },
        { type: "tool_use", id: "t2", name: "researcher", input: { task: "refund rules for lost parcels" } },
      ],
      [
        { type: "tool_result", tool_use_id: "t1", content: '{"order":4711,"state":"shipped","carrier":"DHL"}' },
        { type: "tool_result", tool_use_id: "t2", is_error: true, content: `the page said ${MARKUP}` },
      ],
      [
        text(
          `Order 4711 was handed to DHL on Thursday.\n\n1. It is two days late.\n2. If it does not come by Monday, you get 20 € back.\n\n${MARKUP}`,
        ),
      ],
    ],
  });
  const child = await aConversation(field, "acme", {
    agent: "researcher",
    user: "agent:support",
    at: minutesAgo(12),
    usd: 0.0112,
    parentRun: asked.run,
  });
  await aToolCall(field, "acme", asked.run, { id: "t1", name: "orders" });
  await aToolCall(field, "acme", asked.run, { id: "t2", name: "researcher", state: "failed", childRun: child.run });
  await aToolCall(field, "acme", child.run, { id: "t3", name: "fetch" });
  const live = await aConversation(field, "acme", { state: "running", at: minutesAgo(1), user: "dora", said: [] });
  await aToolCall(field, "acme", live.run, { id: "t1", name: "orders", state: "running" });
  await aConversation(field, "acme", { state: "pending", at: minutesAgo(0), user: MARKUP, said: [] });
  for (const [i, name] of ["refund", "send_mail"].entries()) {
    const { run } = await aConversation(field, "acme", {
      state: "awaiting_approval",
      at: minutesAgo(3 + i),
      user: "ann",
      said: [],
    });
    await aToolCall(field, "acme", run, {
      id: `call-${i}`,
      name,
      state: "awaiting_approval",
      input: { order: 4711, euros: 20, reason: MARKUP },
    });
  }
}

beforeAll(async () => {
  await rm(PICTURES, { recursive: true, force: true });
  await mkdir(PICTURES, { recursive: true });
  field = await consoleField();
  const all = ["viewer", "transcripts", "approver", "auditor"].map((it) => `agentpg-console-${it}`);
  token = await field.person("root", all);
  viewer = await field.person("viewer", ["agentpg-console-viewer"]);
  await furnish();
  browser = await startChromium();
}, 1_800_000);
afterAll(async () => {
  await browser?.close();
  await field?.stop();
});

const signIn = (token: string) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ token }),
});

/** Of everybody who has signed in before: it is tested where somebody does, and costs a page of its own each time. */
const cookies = new Map<string, Cookie[]>();

/** A browser of its own, at an address of ours. */
async function opened(
  path: string,
  options: { scheme?: "light" | "dark"; viewport?: typeof WIDE; who?: string | null } = {},
): Promise<{ page: Page; context: BrowserContext }> {
  const { scheme = "light", viewport = WIDE, who = token } = options;
  const context = await browser.newContext({
    colorScheme: scheme,
    viewport,
    reducedMotion: "reduce",
    locale: "en-GB",
    timezoneId: "UTC",
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    // A refused request is an error to the browser, and an answer to us.
    if (message.type() === "error" && !/status of 4|net::ERR_FAILED/.test(message.text()))
      complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(field.url)) complaints.push(`a request to ${request.url()}`);
  });
  const kept = cookies.get(who ?? "");
  if (kept) await context.addCookies(kept);
  await page.goto(field.url + path);
  if (who === null || kept) return { page, context };
  await page.evaluate(`fetch("/api/login", ${JSON.stringify(signIn(who))})`);
  cookies.set(who, await context.cookies());
  await page.reload();
  return { page, context };
}

const pages = new Map<string, Page>();

/** As {@link opened}, in one page for all who look alike: what only looks at a view needs no browser of its own, which costs a second. */
async function looked(path: string, options: Parameters<typeof opened>[1] = {}): Promise<Page> {
  const key = JSON.stringify(options);
  const known = pages.get(key);
  if (known) await known.goto(field.url + path);
  const page = known ?? (await opened(path, options)).page;
  pages.set(key, page);
  await settled(page);
  return page;
}

const settled = async (page: Page): Promise<void> => {
  await page.locator("h1").waitFor();
  await page.locator(".loading").first().waitFor({ state: "detached" });
};

/** What axe finds, all of its rules together. */
async function findings(page: Page): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in globalThis"))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>("axe.run()");
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`),
  );
}

const VIEWS: [name: string, path: () => string, heading: RegExp][] = [
  ["tenants", () => "/", /^Tenants$/],
  ["overview", () => "/tenants/acme", /^Overview$/],
  ["agents", () => "/tenants/acme/agents", /^Agents$/],
  ["usage", () => "/tenants/acme/usage", /^Usage$/],
  ["sessions", () => "/tenants/acme/sessions", /^Sessions$/],
  ["session", () => `/tenants/acme/sessions/${asked.session}`, /^Session /],
  ["live-runs", () => "/tenants/acme/runs", /^Live runs$/],
  ["approvals", () => "/tenants/acme/approvals", /^Approvals$/],
  ["audit", () => "/tenants/acme/audit", /^Audit$/],
];

describe.each(["light", "dark"] as const)("in the %s theme", (scheme) => {
  test.each(VIEWS)("the view %s has no finding of axe, and no markup of others", async (name, path, heading) => {
    const page = await looked(path(), { scheme });
    expect(await page.locator("h1").textContent()).toMatch(heading);
    await page.screenshot({ path: join(PICTURES, `${name}-${scheme}.png`), fullPage: true });
    expect(await findings(page)).toEqual([]);
    await page.evaluate("for (const it of document.querySelectorAll('details')) it.open = true");
    expect(await findings(page)).toEqual([]);
    expect(await page.locator("#app img, #app script").count()).toBe(0);
    expect(await page.title()).not.toContain("owned");
  });

  test("signing in, and what is empty or refused, have no finding of axe", async () => {
    const { page, context } = await opened("/tenants/acme/usage", { scheme, who: null });
    await page.getByLabel("Kubernetes token").fill("wrong-token");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    expect(await findings(page)).toEqual([]);
    await page.screenshot({ path: join(PICTURES, `sign-in-${scheme}.png`) });
    await context.close();
    for (const path of [
      "/tenants/globex/approvals",
      "/tenants/globex/runs",
      "/tenants/globex/usage",
      "/tenants/none",
      "/nowhere",
    ]) {
      const empty = await looked(path, { scheme });
      expect([path, await findings(empty)]).toEqual([path, []]);
      await empty.screenshot({ path: join(PICTURES, `empty${path.replaceAll("/", "-")}-${scheme}.png`) });
    }
  });
});

test("the text of others is shown as they wrote it", async () => {
  const { page, context } = await opened(`/tenants/acme/sessions/${asked.session}`);
  await page.getByText("you get 20 € back").waitFor();
  expect(await page.locator(".message.assistant .said").last().textContent()).toContain(MARKUP);
  expect(await page.locator(".by", { hasText: MARKUP }).count()).toBeGreaterThan(0);
  await context.close();
});

test.each(VIEWS)("the view %s fits on a telephone", async (name, path) => {
  const page = await looked(path(), { viewport: NARROW });
  await page.screenshot({ path: join(PICTURES, `${name}-narrow.png`), fullPage: true });
  expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(NARROW.width);
  expect(await findings(page)).toEqual([]);
});

test("the first view is small and soon there", async () => {
  const { page, context } = await opened("/", { who: token });
  await settled(page);
  const cold = await context.newPage();
  const session = await context.newCDPSession(cold);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => void (bytes += encodedDataLength));
  const began = performance.now();
  await cold.goto(field.url);
  await cold.getByRole("link", { name: "acme" }).waitFor();
  const ms = Math.round(performance.now() - began);
  console.log(`first view of the console: ${bytes} bytes over the wire, there after ${ms} ms`);
  expect(bytes).toBeGreaterThan(5_000);
  expect(bytes).toBeLessThan(MOST_BYTES);
  expect(ms).toBeLessThan(MOST_MS);
  await context.close();
});

/** Where the focus is, by its name, and whether one sees it there. */
const FOCUSED = `(() => {
  const at = document.activeElement ?? document.body;
  if (at === document.body) return { label: "", visible: true };
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const label = at.getAttribute("aria-label") ?? (at instanceof HTMLInputElement ? at.name : at.textContent);
  return { label: label.trim(), visible: outlineStyle !== "none" && outlineWidth !== "0px" };
})()`;

describe("with the keyboard alone", () => {
  /** Goes on with Tab until the focus is where `wanted` says; gives what it went by. */
  async function tabTo(page: Page, wanted: RegExp): Promise<string[]> {
    const seen: string[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate<{ label: string; visible: boolean }>(FOCUSED);
      seen.push(at.label);
      expect([at.label, at.visible]).toEqual([at.label, true]);
      if (wanted.test(at.label)) return seen;
    }
    throw new Error(`Tab does not come to ${wanted}; it went by ${seen.join(" | ")}`);
  }
  const focused = (page: Page) => page.evaluate<string>("document.activeElement?.textContent ?? ''");

  test("somebody signs in, goes to a tenant and its views, and the focus goes along", async () => {
    const { page, context } = await opened("/tenants/acme/sessions?agent=researcher", { who: null });
    await page.getByLabel("Kubernetes token").waitFor();
    await tabTo(page, /^token$/);
    await page.keyboard.insertText(token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sessions" }).waitFor(); // the address survived
    expect(await page.getByLabel("Agent", { exact: true }).inputValue()).toBe("researcher");
    await tabTo(page, /^Approvals$/);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Approvals" }).waitFor();
    expect(await focused(page)).toBe("Approvals");
    expect(await page.title()).toBe("acme: approvals · AgentPG");
    await page.goBack();
    await page.getByRole("heading", { name: "Sessions" }).waitFor();
    expect(new URL(page.url()).search).toBe("?agent=researcher");
    await context.close();
  });

  test("the link to the content skips what is above it", async () => {
    const { page, context } = await opened("/tenants/acme/audit");
    await settled(page);
    await tabTo(page, /^Skip to the content$/);
    await page.keyboard.press("Enter");
    await tabTo(page, /Audit log of acme/);
    await context.close();
  });

  test("somebody thinks better of an approval, and then approves", async () => {
    const { page, context } = await opened("/tenants/acme/approvals");
    await settled(page);
    await tabTo(page, /^Approve refund$/);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await findings(page)).toEqual([]);
    await page.screenshot({ path: join(PICTURES, "approval-dialog.png") });
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await focused(page)).toBe("Approve refund");
    expect(await field.auditOf("acme", "approval.decided")).toEqual([]);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await focused(page)).toBe("Cancel"); // a key pressed twice decides nothing
    await page.keyboard.press("Shift+Tab");
    expect(await focused(page)).toBe("Approve the call");
    await page.keyboard.press("Enter");
    await page.getByText("Approved: refund of support.").waitFor();
    expect(await focused(page)).toContain("Approved: refund");
    await page.getByRole("heading", { name: "refund" }).waitFor({ state: "detached" });
    expect(await field.auditOf("acme", "approval.decided")).toMatchObject([{ success: true, as: "console" }]);
    await tabTo(page, /^Deny send_mail$/);
    await page.keyboard.press("Enter");
    await page.getByLabel("Why (the model reads it; optional)").fill(`not on a Friday ${MARKUP}`);
    expect(await findings(page)).toEqual([]);
    await page.getByRole("button", { name: "Deny the call" }).click();
    await page.getByText("Denied: send_mail of support.").waitFor();
    const [, denied] = await field.auditOf("acme", "approval.decided");
    expect(denied).toMatchObject({ success: false, input: { reason: `not on a Friday ${MARKUP}` } });
    await context.close();
  });
});

test("a run that begins appears without a look at the page again, and is told to who does not see it", async () => {
  const { page, context } = await opened("/tenants/globex/runs");
  await page.getByText("No run is under way").waitFor();
  const status = page.getByRole("status");
  expect(await status.textContent()).toBe("Nothing is at work");
  const { run } = await aConversation(field, "globex", { state: "running", user: "newcomer", said: [] });
  await page.getByRole("cell", { name: "newcomer" }).waitFor({ timeout: 10_000 });
  expect(await status.textContent()).toBe("1 running");
  await field.sql("globex", "UPDATE runs SET state = 'completed', finished_at = now() WHERE id = $1", [run]);
  await page.getByText("No run is under way").waitFor({ timeout: 10_000 });
  await context.close();
});

test("who may not read what was said sees who talked, and what right is missing", async () => {
  const { page, context } = await opened(`/tenants/acme/sessions/${asked.session}`, { who: viewer });
  await page.getByText("get tenants/transcripts.agentpg.dev").waitFor();
  expect(await page.getByText("4711").count()).toBe(0);
  expect(await page.getByRole("link", { name: "Approvals" }).count()).toBe(0);
  await page.screenshot({ path: join(PICTURES, "session-without-right.png"), fullPage: true });
  await context.close();
});

test("who signs out is out, also by the way back", async () => {
  const { page, context } = await opened("/");
  const acme = page.getByRole("row", { name: "acme" });
  for (const budget of ["of $5.00", "of $100.00"]) await acme.getByText(budget, { exact: true }).waitFor();
  expect(await context.cookies()).toMatchObject([{ httpOnly: true, secure: true, sameSite: "Strict" }]);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You have signed out.").waitFor();
  expect(await context.cookies()).toEqual([]);
  await page.reload();
  await page.getByLabel("Kubernetes token").waitFor();
  await context.close();
});

test("a server that goes away is told of, and what was seen stays", async () => {
  const { page, context } = await opened("/tenants/acme/runs");
  await page.getByRole("cell", { name: "dora" }).waitFor();
  await page.route("**/api/**", (route) => route.abort());
  await page.getByText("The console does not answer.").first().waitFor({ timeout: 15_000 });
  expect(await page.getByRole("cell", { name: "dora" }).count()).toBe(1);
  await page.unroute("**/api/**");
  await page.getByText("The console does not answer.").first().waitFor({ state: "detached", timeout: 15_000 });
  await context.close();
});

test("the pages complained of nothing: no policy was broken, nothing was asked for elsewhere", () => {
  expect(complaints).toEqual([]);
});
