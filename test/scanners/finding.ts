export type Scanner = "checkov" | "kube-score" | "kubeconform";

/** Something that a scanner does not like about an object. */
export interface Finding {
  scanner: Scanner;
  /** The rule's name, as the scanner has it. */
  code: string;
  /** Kind and name. */
  object: string;
  /** What the scanner says. */
  says: string;
}

/** What a scanner made of a set of manifests. */
export interface Scan {
  /** Rules times objects that it found nothing against. */
  passed: number;
  findings: Finding[];
}

/** A finding that stays, and why. It may be about several objects. */
export interface Accepted {
  scanner: Scanner;
  code: string;
  /** Kinds and names, `*` for any run of characters. */
  objects: string[];
  why: string;
}

const asPattern = (object: string): RegExp =>
  new RegExp(
    `^${object
      .split("*")
      .map((it) => it.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
      .join(".*")}$`,
  );

const covers = (it: Accepted, { scanner, code, object }: Finding): boolean =>
  it.scanner === scanner && it.code === code && it.objects.some((pattern) => asPattern(pattern).test(object));

/** Findings that nobody explained, and explanations of what is not found any more. Pure. */
export function judged(findings: readonly Finding[], accepted: readonly Accepted[]) {
  const unexplained = findings.filter((finding) => !accepted.some((it) => covers(it, finding)));
  const stale = accepted.flatMap((it) =>
    it.objects
      .filter((object) => !findings.some((finding) => covers({ ...it, objects: [object] }, finding)))
      .map((object) => ({ ...it, objects: [object] })),
  );
  return { unexplained, stale };
}
