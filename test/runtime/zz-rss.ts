import { World } from "./fixture.ts";
import { writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
const world = await World.create();
await writeFile("/tmp/rt/agent.json", JSON.stringify(world.config()));
for (const flags of [[], ["--max-semi-space-size=1"], ["--optimize-for-size", "--max-semi-space-size=1"]]) {
  const c = spawn(process.execPath, [...flags, "/tmp/rt/runtime.mjs"], { env: { AGENTPG_CONFIG: "/tmp/rt/agent.json", ...world.environment() }, stdio: "pipe" });
  let out = ""; c.stdout.on("data", (d) => (out += d)); c.stderr.on("data", (d) => (out += d));
  const t = Date.now(); while (!out.includes("is up") && Date.now() - t < 8000) await new Promise((r) => setTimeout(r, 20));
  console.log(flags.join(" "), "up in", Date.now() - t, out.includes("is up"));
  await new Promise((r) => setTimeout(r, 6000));
  console.log(/VmRSS.*/.exec(readFileSync(`/proc/${c.pid}/status`, "utf8"))?.[0], /RssFile.*/.exec(readFileSync(`/proc/${c.pid}/status`, "utf8"))?.[0]);
  c.kill("SIGTERM");
  await new Promise((r) => c.once("exit", (code) => { console.log("exit", code); r(0); }));
}
await world.close();
