// How commands of the documentation are run against an API server that has no kubelet, and without changing anything there.

export interface Plan {
  /** Words in place of the documented ones. */
  words: string[];
  /** Refusals that say that all the words were good, and only the world is not so far. */
  accepted?: RegExp;
}

const WRITES = new Set([
  "create",
  "apply",
  "patch",
  "label",
  "annotate",
  "delete",
  "scale",
  "replace",
  "run",
  "expose",
]);

/** Kinds whose definitions are not installed here. */
const OTHERS_KINDS = /no matches for kind "(Cluster|Database|ExternalSecret|Application|GitRepository|HelmRelease)"/;
/** Made by an earlier block. */
const THERE_ALREADY = /AlreadyExists|already exists/;

/** Options whose value stands apart, before the verb. */
const GLOBAL = new Set(["-n", "--namespace", "--context", "--kubeconfig"]);

export function verbOf(words: readonly string[]): string {
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    if (GLOBAL.has(word)) i++;
    else if (!word.startsWith("-")) return word;
  }
  return "";
}

export function planKubectl(words: readonly string[]): Plan {
  const verb = verbOf(words);
  const more = (...extra: string[]) => [...words, ...extra];
  if (verb === "create" && words.includes("token")) return { words: [...words] };
  // Later lines of a block stand on these, and they harm nobody.
  if (verb === "create" && words.some((it) => it === "serviceaccount" || it === "namespace"))
    return { words: [...words], accepted: THERE_ALREADY };
  if (WRITES.has(verb)) {
    const rehearsed = words.some((it) => it.startsWith("--dry-run"));
    return {
      words: rehearsed ? [...words] : more("--dry-run=server"),
      accepted: verb === "apply" ? OTHERS_KINDS : THERE_ALREADY,
    };
  }
  if (verb === "rollout") return { words: more("--dry-run=server") };
  if (verb === "top") return { words: [...words], accepted: /Metrics API not available/ };
  return { words: words.filter((it) => it !== "-w" && it !== "--watch") };
}

/** An installation becomes a rehearsal of an upgrade: the release is there already. */
export function planHelm(words: readonly string[]): Plan {
  const [verb, ...rest] = words;
  const without = rest.filter((it) => !["--wait", "--atomic", "--install", "-i", "--rollback-on-failure"].includes(it));
  if (verb === "install" || verb === "upgrade")
    return { words: ["upgrade", "--install", ...without, "--dry-run=server"] };
  // To a registry, and there is none.
  if (["push", "pull", "registry", "repo"].includes(verb ?? "")) return { words: [verb ?? "", "--help"] };
  if (verb === "uninstall" || verb === "rollback") return { words: [verb, ...without, "--dry-run"] };
  return { words: [...words] };
}

/** What a command that ended well has against it: a selector that fits nothing is a wrong one. */
export function emptyAnswer(words: readonly string[], err: string): string | undefined {
  const selects = words.some((it) => it === "-l" || it === "--selector" || it.startsWith("-l="));
  return verbOf(words) === "get" && selects && err.includes("No resources found")
    ? "nothing fits this selector"
    : undefined;
}
