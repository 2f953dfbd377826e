import { isBuiltin, registerHooks } from "node:module";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** What a module may import by name: the very instances that the program itself uses. */
const PROVIDED: Record<string, string> = import.meta.url.endsWith(".ts")
  ? { zod: import.meta.resolve("zod"), "agentpg-operator/tools": new URL("./interface.ts", import.meta.url).href }
  : {
      // Bundled, this is dist/chunks/*.mjs; dev/bundle.ts puts these beside it.
      zod: new URL("../modules/zod.mjs", import.meta.url).href,
      "agentpg-operator/tools": new URL("../modules/tools.mjs", import.meta.url).href,
    };

/** Whatever a package.json around them might say. */
const FORMATS: Record<string, string> = {
  ".ts": "module-typescript",
  ".mts": "module-typescript",
  ".js": "module",
  ".mjs": "module",
};

/** The folders of modules, as URLs that end in a slash. */
const folders = new Set<string>();
let registered = false;

const folderOf = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : [...folders].find((it) => url.startsWith(it));

/** A module imports what it cannot have; the message says what to do. */
export class ImportRefused extends Error {
  override name = "ImportRefused";
}

/**
 * From now on, what lies in the folder can import what is provided, Node's own modules, and its neighbours. It keeps a module from
 * depending on what happens to lie around the program; it is no sandbox: a module runs with all the rights of the process.
 * @param url of the folder, symbolic links resolved, with a slash at its end
 */
export function allowImports(url: string): void {
  folders.add(url);
  if (registered) return;
  registered = true;
  registerHooks({
    resolve(specifier, context, next) {
      const folder = folderOf(context.parentURL);
      if (!folder || isBuiltin(specifier)) return next(specifier, context);
      const provided = PROVIDED[specifier];
      if (provided) return { url: provided, shortCircuit: true };
      const resolved = /^\.\.?\//.test(specifier) ? next(specifier, context) : undefined;
      if (resolved?.url.startsWith(folder)) return resolved;
      throw new ImportRefused(
        `${fileURLToPath(context.parentURL ?? folder).slice(fileURLToPath(folder).length)} imports "${specifier}": a module can import ${Object.keys(PROVIDED).join(", ")}, node: modules and files of its own ConfigMap. Bundle other dependencies into it (esbuild --bundle --platform=node --format=esm --external:zod --external:agentpg-operator/tools)`,
      );
    },
    load(url, context, next) {
      const format = folderOf(url) ? FORMATS[extname(new URL(url).pathname)] : undefined;
      return next(url, format ? { ...context, format } : context);
    },
  });
}
