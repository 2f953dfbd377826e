import { readFile, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { imagesIn } from "../image-archive.ts";
import type { ProcessIdentity } from "../process-identity.ts";
import { pauseImage } from "../versions.ts";
import { runInNode } from "./node-namespaces.ts";

const overlayFilesystem = 0x794c7630; // OVERLAYFS_SUPER_MAGIC, statfs(2)

/** Writes containerd's configuration. All paths that it doesn't name are the defaults, in the node's own /run and /var. */
export async function writeContainerdConfig(folder: string): Promise<void> {
  // An overlay can't lie on an overlay: in a container, layers are copied.
  const snapshotter = (await statfs(folder)).type === overlayFilesystem ? "native" : "overlayfs";
  await writeFile(
    join(folder, "containerd.toml"),
    `version = 3
[plugins.'io.containerd.internal.v1.opt']
  path = "/var/lib/containerd/opt"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true  # root may lack CAP_SYS_RESOURCE; else "can't get final child's PID from pipe"
  enable_unprivileged_ports = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni", "/run/bin"]
    conf_dir = "/run/cni"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "${snapshotter}"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "${pauseImage}"
`,
  );
}

const loadedFile = (folder: string) => join(folder, "loaded-images.json");

/** Brings a docker-archive's images onto the node, unless the node has exactly these. Gives whether it had to. */
export async function loadImage(folder: string, node: ProcessIdentity, archive: string): Promise<boolean> {
  const loaded: Record<string, string> = JSON.parse(await readFile(loadedFile(folder), "utf8").catch(() => "{}"));
  const images = (await imagesIn(archive)).flatMap(({ id, tags }) => tags.map((tag) => ({ id, tag })));
  if (images.every(({ id, tag }) => loaded[tag] === id)) return false;
  // Through standard input: the node needn't see the archive's folder.
  await runInNode(node, ["/run/bin/ctr", "--namespace=k8s.io", "images", "import", "-"], { inputFile: archive });
  for (const { id, tag } of images) loaded[tag] = id;
  await writeFile(loadedFile(folder), JSON.stringify(loaded));
  return true;
}
