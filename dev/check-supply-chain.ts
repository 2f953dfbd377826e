// What package-lock.json says of all that we are made of: npm run check -- "supply chain"
//   - every package is pinned to one version and has a SHA-512 of its content
//   - nothing of the program runs a script when it is installed
//   - every licence is one that an Apache-2.0 program may be shipped with
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");

interface Package {
  version?: string;
  integrity?: string;
  license?: string;
  dev?: boolean;
  devOptional?: boolean;
  optional?: boolean;
  hasInstallScript?: boolean;
}
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, Package> };
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, Record<string, string>>;

const SHIPPED = new Set([
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BlueOak-1.0.0",
  "Python-2.0",
  "PSF-2.0",
  "MIT OR Apache-2.0",
  "MIT-0",
  "Unlicense",
  "CC0-1.0",
]);
/** Tools that nobody ships; their licences bind those who change them. */
const TOOLS = new Set([...SHIPPED, "MPL-2.0", "PSF-2.0", "CC-BY-4.0", "PostgreSQL"]);

const problems: string[] = [];
const packages = Object.entries(lock.packages).filter(([path]) => path !== "");
let shipped = 0;
for (const [path, it] of packages) {
  const isShipped = !it.dev && !it.devOptional && !it.optional;
  if (isShipped) shipped++;
  if (!it.integrity?.startsWith("sha512-")) problems.push(`${path}: the lockfile has no SHA-512 of it`);
  if (isShipped && it.hasInstallScript) problems.push(`${path}: runs a script when it is installed`);
  const licences = isShipped ? SHIPPED : TOOLS;
  if (!licences.has(it.license ?? ""))
    problems.push(`${path}: licence ${it.license ?? "unknown"}: look whether it fits, then add it here`);
}
for (const section of ["dependencies", "devDependencies", "optionalDependencies"])
  for (const [name, version] of Object.entries(manifest[section] ?? {}))
    if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      problems.push(`package.json: ${section}.${name}: ${version} is no exact version`);
// A check that reads nothing would pass everything.
if (shipped < 50 || packages.length < 100)
  problems.push(`only ${shipped} of ${packages.length} packages were seen as shipped: the check itself is broken`);

for (const problem of problems) console.error(problem);
console.log(`${shipped} packages are shipped, ${packages.length - shipped} are tools`);
process.exitCode = problems.length > 0 ? 1 : 0;
