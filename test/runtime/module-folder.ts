import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./fixture.ts";

let count = 0;

/** What an agent is started with to have modules: their files, as ConfigMaps would bring them. */
export async function mounted(
  world: World,
  modules: Record<string, Record<string, string>>,
): Promise<{ modules: { name: string; file: string; revision: string }[]; env: { AGENTPG_MODULES_DIR: string } }> {
  const directory = join(world.folder, `modules-${++count}`);
  for (const [name, files] of Object.entries(modules)) {
    await mkdir(join(directory, name), { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFile(join(directory, name, file), text);
  }
  const refs = Object.entries(modules).map(([name, files]) => ({
    name,
    file: Object.keys(files)[0] ?? "",
    revision: "1",
  }));
  return { modules: refs, env: { AGENTPG_MODULES_DIR: directory } };
}
