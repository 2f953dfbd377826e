// Bundles the console's page (src/console): index.html, and in assets/ what it loads, by names with hashes of what is in them.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build } from "esbuild";

const source = join(import.meta.dirname, "../src/console");

/** @param out the folder that it is to be in */
export async function bundleConsole(out: string): Promise<void> {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const { metafile } = await build({
    entryPoints: [join(source, "main.tsx"), join(source, "style.css"), join(source, "icon.svg")],
    outdir: join(out, "assets"),
    entryNames: "[name]-[hash]",
    loader: { ".svg": "copy" },
    bundle: true,
    minify: true,
    platform: "browser",
    target: ["chrome123", "firefox128", "safari17.5"],
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
    metafile: true,
    tsconfigRaw: {},
  });
  const built = Object.keys(metafile.outputs).map((it) => basename(it));
  const named = (name: string, ending: string): string => {
    const file = built.find((it) => it.startsWith(`${name}-`) && it.endsWith(ending));
    if (!file) throw new Error(`the console's page: there is no ${name}${ending} among ${built.join(", ")}`);
    return `/assets/${file}`;
  };
  const page = (await readFile(join(source, "index.html"), "utf8"))
    .replace("%ICON%", named("icon", ".svg"))
    .replace("%STYLE%", named("style", ".css"))
    .replace("%SCRIPT%", named("main", ".js"));
  await writeFile(join(out, "index.html"), page);
}
