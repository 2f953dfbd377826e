import { KubernetesClient } from "../../kubernetes/client.ts";
import { terminalProgress } from "../../telemetry/progress.ts";
import { type ClusterOptions, openConfig } from "../open-config.ts";
import { collect, type CollectOptions, type ReportFile } from "./collect.ts";
import { writeArchive } from "./write.ts";

export interface ReportOptions extends ClusterOptions, CollectOptions {
  /** The archive; left out: a name with the time, in the current folder. */
  output?: string;
}

/** `agentpg report`: a support bundle without secrets. */
export async function report(options: ReportOptions): Promise<void> {
  const folder = `agentpg-report-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
  const path = options.output ?? `${folder}.tar.gz`;
  const config = openConfig(options);
  const progress = terminalProgress();
  const missing: string[] = [];
  try {
    const client = new KubernetesClient(config);
    const count = await progress.step("collecting", (detail) =>
      writeArchive(watched(collect(client, options), detail, missing), folder, path),
    );
    progress.note(`${count} files in ${path}; no Secret was read. Look through it before you pass it on`);
    if (missing.length > 0) progress.note(`not read (the files say why): ${missing.join(", ")}`);
  } finally {
    await config.close();
  }
}

async function* watched(
  files: AsyncIterable<ReportFile>,
  detail: (text: string) => void,
  missing: string[],
): AsyncGenerator<ReportFile> {
  for await (const file of files) {
    detail(file.name);
    if (file.name.endsWith(".not-read.txt")) missing.push(file.name.replace(".not-read.txt", ""));
    yield file;
  }
}
