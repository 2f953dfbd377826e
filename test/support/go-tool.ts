import { execFile } from "node:child_process";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder, exists, wholeFolder } from "../../src/local-cluster/cache.ts";

const run = promisify(execFile);

/** A program of the Go module proxy. */
export interface GoTool {
  /** What its folder in the cache is called. */
  name: string;
  package: string;
  version: string;
}

/** The path of the program; builds it, once for this machine. @throws when there is no Go, or its module proxy cannot be reached */
export async function goTool({ name, package: path, version }: GoTool): Promise<string> {
  const folder = join(cacheFolder(), `${name}-${version}`);
  if (!(await exists(folder)))
    await wholeFolder(folder, async (GOBIN) => {
      const { stdout } = await run("go", ["env", "GOPROXY"]);
      // Without `direct`: where only the proxy can be reached, a look-up that misses would hang on the origin's name.
      const GOPROXY = stdout.trim().replace(/[,|]direct$/, "");
      const env = { ...process.env, GOBIN, GOPROXY, GOFLAGS: "", CGO_ENABLED: "0" };
      await run("go", ["install", `${path}@${version}`], { env, maxBuffer: 64 << 20 });
    });
  return join(folder, basename(path));
}
