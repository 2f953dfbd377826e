/** Programs of the documentation that this machine cannot run, each with the reason. Stand-ins take their words. */
export const PROGRAMS_NOT_HERE: Record<string, string> = {
  docker: "no container engine",
  kind: "no container engine",
  eksctl: "no AWS account",
  aws: "no AWS account",
  gcloud: "no Google Cloud account",
  "kubectl-cnpg": "CloudNativePG's operator cannot be built here",
  cosign: "no registry with a signed image yet",
  flux: "no Git server that a cluster could pull from",
  argocd: "no Git server that a cluster could pull from",
  pg_dump: "the Postgres that comes with the tests has no client programs",
  pg_dumpall: "the Postgres that comes with the tests has no client programs",
};

/** All that keeps a block of the documentation from being run. Its entry names one: `unrun: docker`. */
const NOT_HERE: Record<string, string> = {
  ...PROGRAMS_NOT_HERE,
  collector: "a collector takes minutes to build; what it is sent was looked at in one by hand",
  fish: "no such shell here",
  "identity-provider": "needs an issuer of tokens at a public address",
  itself: "these are the commands that run the tests and the demo, which begins the suite `node`",
  "second-cluster": "starts and ends one more cluster; the suite `node` has its own started and ended by the same code",
};

export const isReason = (it: string): boolean => it in NOT_HERE;

/** @throws Error when there is no such reason */
export function reasonOf(it: string): string {
  const reason = NOT_HERE[it];
  if (reason === undefined) throw new Error(`test/docs/not-here.ts has no reason "${it}"`);
  return reason;
}
