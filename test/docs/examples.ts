// The manifests of examples/, and which of them are another project's.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { root } from "./blocks.ts";

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  spec?: Record<string, unknown>;
}

export interface ExampleFile {
  /** From the repository's root. */
  file: string;
  /** Below `examples`. */
  folder: string;
  manifests: Manifest[];
}

/** Groups of APIs whose controllers are not to be had here, so their objects are not applied. */
const FOREIGN: Record<string, string> = {
  "external-secrets.io": "External Secrets",
  "postgresql.cnpg.io": "CloudNativePG",
  "argoproj.io": "Argo CD",
  "source.toolkit.fluxcd.io": "Flux",
  "helm.toolkit.fluxcd.io": "Flux",
};

export const isForeign = ({ apiVersion }: Manifest): boolean => (apiVersion.split("/")[0] ?? "") in FOREIGN;

/** Files that are values of a chart, not manifests: ours by this name, prometheus-adapter's by that. */
export const isValues = (file: string): boolean => /\/(values|prometheus-adapter)\.yaml$/.test(file);

/** Values of our own chart. */
export const chartValues = (): string[] => globSync("examples/**/values.yaml", { cwd: root }).sort();

/** @throws Error for a document that is no manifest */
export const exampleFiles = (): ExampleFile[] =>
  globSync("examples/**/*.yaml", { cwd: root })
    .filter((file) => !isValues(file))
    .sort()
    .map((file) => {
      const documents = parseAllDocuments(readFileSync(join(root, file), "utf8"));
      const manifests = documents.map((it) => it.toJS() as Manifest);
      for (const it of manifests)
        if (!it?.apiVersion || !it.kind)
          throw new Error(`${file}: a document is no manifest: it has no apiVersion or kind`);
      return { file, folder: file.split("/")[1] ?? "", manifests };
    });

/** The folders with manifests, below `examples`. */
export const exampleFolders = (): string[] => [...new Set(exampleFiles().map(({ folder }) => folder))];
