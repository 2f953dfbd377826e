import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Whoever waits for real clusters, processes or sockets on a busy CI machine gets one more try, and the reporter shows it; at a desk a flaw shows at once. */
const retry = process.env["CI"] ? 1 : 0;

/** What V8 made of a module is kept: programs of ours are started hundreds of times, and each worker loads the same libraries. */
process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "node_modules/.compile-cache");

/** Suites by what they need; `npm test` runs them (dev/test.ts). */
const project = (name: string, include: string[], more: object = {}) => ({
  test: {
    name,
    include,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: "forks" as const,
    retry,
    ...more,
  },
});

/** These take half a minute and more, the first of them longest. One that began last would keep a single worker busy, and a core idle. */
const FIRST = [
  "test/operator/convergence",
  "test/operator/database-servers",
  "test/console/browser",
  "test/operator/rotation",
  "test/docs/cluster/documentation",
  "test/operator/tenant-lifecycle",
  "test/operator/database-adversity",
  "test/operator/security-checks",
  "test/operator/crash/crash",
  "test/operator/foreign-objects",
  "test/operator/autoscaling",
  "test/runtime/recovery",
  "test/database/isolation-database",
  "test/database/adversity-runtime",
  "test/isolation/database-tier",
  "test/runtime/batch",
  "test/database/rotation",
  "test/database/retention",
  "test/isolation/schema-tier",
  "test/runtime/traces",
];
/** They take the demo's release away, the second one all of the product: nobody finds it any more after that. */
const LAST = ["test/node/upgrade", "test/node/first-install"];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const is =
      ({ moduleId }: TestSpecification) =>
      (name: string) =>
        moduleId.endsWith(`/${name}.test.ts`);
    const place = (it: TestSpecification) => {
      if (LAST.some(is(it))) return FIRST.length + 1 + LAST.findIndex(is(it));
      const place = FIRST.findIndex(is(it));
      return place === -1 ? FIRST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      project(
        "unit",
        [
          "src/**/*.test.ts",
          "test/attacks/**/*.test.ts",
          "test/fuzz/**/*.test.ts",
          "test/{mutants,pii,scanners}/**/*.test.ts",
          "test/docs/*.test.ts",
        ],
        // Two hundred files that take milliseconds, so their imports would be most of it. No module of ours keeps state.
        { isolate: false },
      ),
      project(
        "postgres",
        [
          "test/database/**/*.test.ts",
          "test/isolation/**/*.test.ts",
          "test/runtime/**/*.test.ts",
          "test/chaos/**/*.test.ts",
        ],
        { maxWorkers: 2, testTimeout: 60_000, globalSetup: ["test/support/fetch-servers.ts"] },
      ),
      project(
        "api-server",
        [
          "test/api/**/*.test.ts",
          "test/operator/**/*.test.ts",
          "test/local-cluster/**/*.test.ts",
          "test/observability/**/*.test.ts",
          "test/chart/**/*.test.ts",
          "test/docs/cluster/**/*.test.ts",
          "test/console/**/*.test.ts",
        ],
        {
          maxWorkers: 4, // each of them waits half of the time
          testTimeout: 60_000,
          hookTimeout: 900_000,
          globalSetup: [
            "test/support/build-control-plane.ts",
            "test/support/fetch-prometheus.ts",
            "test/support/fetch-chromium.ts",
          ],
        },
      ),
      project("node", ["test/node/**/*.test.ts"], {
        fileParallelism: false,
        testTimeout: 180_000,
        hookTimeout: 1_800_000,
        globalSetup: ["test/node/demo-cluster.ts"],
      }),
    ],
  },
});
