import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { run } from "../../src/local-cluster/run.ts";
import { prometheusMissing, prometheusProgram } from "../support/prometheus.ts";
import { alerts, ALERTS_FILE } from "./alerts.ts";

const root = join(import.meta.dirname, "../..");
const missing = await prometheusMissing();

interface Case {
  name: string;
  promql_expr_test: { expr: string; exp_samples: unknown[] }[];
}
const CASE_FILES = ["alerts.yaml", "alerts-of-a-day.yaml"].map((it) => join(import.meta.dirname, it));
const cases = CASE_FILES.flatMap((it) => (parse(readFileSync(it, "utf8")) as { tests: Case[] }).tests);
const casesOf = (alert: string) => cases.filter((it) => it.name.startsWith(`${alert}:`));

describe("the alerts", () => {
  test.skipIf(missing)(
    `fire and are quiet as their cases say, to promtool${missing ? `: ${missing}` : ""}`,
    async () => {
      const promtool = await prometheusProgram("promtool");
      expect(await run(promtool, ["check", "rules", ALERTS_FILE])).toContain(`${alerts.length} rules found`);
      expect(await run(promtool, ["test", "rules", ...CASE_FILES])).not.toContain("FAILED");
    },
  );

  test("each has a case where it fires and one where it is quiet", () => {
    const firing = ({ promql_expr_test: [it] }: Case) => (it?.exp_samples.length ?? 0) > 0;
    const without = alerts.filter(({ alert }) => {
      const own = casesOf(alert);
      const asksForIt = own.every((it) => it.promql_expr_test[0]?.expr.includes(`"${alert}"`));
      return !asksForIt || !own.some(firing) || !own.some((it) => !firing(it));
    });
    expect(without.map((it) => it.alert)).toEqual([]);
  });

  test("each says how bad it is and what is the matter, and has its page, and no page is without an alert", () => {
    const pages = readdirSync(join(root, "docs/runbooks")).sort();
    expect(pages).toEqual(alerts.map((it) => `${it.alert}.md`).sort());
    for (const { alert, labels, annotations } of alerts) {
      expect(["critical", "warning"]).toContain(labels["severity"]);
      expect(annotations["summary"]).toMatch(/\.$/);
      expect(annotations["description"]).toMatch(/\.$/);
      expect(annotations["runbook_url"]).toBe(`docs/runbooks/${alert}.md`);
      const page = readFileSync(join(root, `docs/runbooks/${alert}.md`), "utf8");
      expect(page).toMatch(new RegExp(`^# ${alert}\n\n[^#]+\n## Look\n\n\`\`\`sh\n[^\`]+\`\`\`\n\n## Do\n\n- `));
    }
  });

  test("the links of their pages lead somewhere", () => {
    const broken = alerts.flatMap(({ alert }) => {
      const page = readFileSync(join(root, `docs/runbooks/${alert}.md`), "utf8");
      return [...page.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)].flatMap(([, path = "", anchor]) => {
        const target = readFileSync(join(root, "docs/runbooks", path), "utf8");
        const anchors = [...target.matchAll(/^#+ (.*)$/gm)].map(([, it = ""]) => anchorOf(it));
        return anchor === undefined || anchors.includes(anchor) ? [] : [`${alert}: ${path}#${anchor}`];
      });
    });
    expect(broken).toEqual([]);
  });
});

/** As GitHub makes it of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, "")
    .replaceAll(" ", "-");
