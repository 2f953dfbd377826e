/** Where connections go: of tenants `a` (acme) and `b` (umbrella) an agent's ports and another pod's, and what all have in common. */
export const TARGETS = "api-a met-a api-b met-b pod-a pod-b postgres model metadata apiserver operator".split(" ");

/** Who may reach what: `+` reached, `-` not, `.` itself. Packets (test/node) and an analyser of policies (test/operator) have to agree with it. */
const EXPECTED: Record<string, string> = {
  //              api-a met-a api-b met-b pod-a pod-b postgres model metadata apiserver operator
  "acme's agent": " .     .     -     -     -     -     +        +     -        -         -",
  "umbrella's agent": " -     -     .     .     -     -     +        +     -        -         -",
  "a pod of acme": " +     -     -     -     .     -     -        -     -        -         -",
  "a pod of umbrella": " -     -     +     -     -     .     -        -     -        -         -",
  "the operator, who scrapes here": " -     +     -     +     -     -     +        +     +        +         .",
  "a stranger": " -     -     -     -     -     -     +        +     +        +         +",
};

export const SOURCES = Object.keys(EXPECTED);
/** By source, a mark for each of TARGETS. */
export const MATRIX: Record<string, string> = Object.fromEntries(
  Object.entries(EXPECTED).map(([source, marks]) => [source, marks.replaceAll(/\s/g, "")]),
);
