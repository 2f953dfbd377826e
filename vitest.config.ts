import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Whoever waits for real clusters on a busy CI machine gets one more try, and the reporter shows it; at a desk a flaw shows at once. */
const retry = process.env["CI"] ? 1 : 0;

/** Suites by what they need; `npm test` runs them one after another in this order. */
const project = (name: string, include: string[], more: object = {}) => ({
  test: {
    name,
    include,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: "forks" as const,
    retry: name === "unit" ? 0 : retry,
    ...more,
  },
});

/** As usual, but for the file that takes the demo's release away: nobody finds it any more after that. */
class ReleaseLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLast = ({ moduleId }: TestSpecification) => moduleId.endsWith("/test/node/upgrade.test.ts");
    const sorted = await super.sort(files);
    return [...sorted.filter((it) => !isLast(it)), ...sorted.filter(isLast)];
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: ReleaseLast },
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
        { testTimeout: 10_000 },
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
          maxWorkers: 3,
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
