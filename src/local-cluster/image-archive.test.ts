import { chmod, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { imagesIn, unpackedBytes, writeProgramImage } from "./image-archive.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "agentpg-archive-test-"));
  await writeFile(join(folder, "program"), "x".repeat(50_000));
  await chmod(join(folder, "program"), 0o700);
});
afterEach(() => rm(folder, { recursive: true }));

test("the same program gives the same image, with its tag and its size", async () => {
  const image = { tag: "example.com/program:1", program: join(folder, "program") };
  await writeProgramImage(image, join(folder, "a.tar"));
  await writeProgramImage(image, join(folder, "b.tar"));
  const [a, b] = [await imagesIn(join(folder, "a.tar")), await imagesIn(join(folder, "b.tar"))];
  expect(a).toEqual(b);
  expect(a).toMatchObject([{ tags: ["example.com/program:1"] }]);
  expect(await unpackedBytes(join(folder, "a.tar"))).toBeGreaterThan(50_000);
  expect((await stat(join(folder, "a.tar"))).size).toBeLessThan(80_000);
});

test("another program gives another image", async () => {
  const image = { tag: "example.com/program:1", program: join(folder, "program") };
  await writeProgramImage(image, join(folder, "a.tar"));
  await writeFile(join(folder, "program"), "y");
  await writeProgramImage(image, join(folder, "b.tar"));
  expect((await imagesIn(join(folder, "a.tar")))[0]?.id).not.toBe((await imagesIn(join(folder, "b.tar")))[0]?.id);
});
