/** Programs of the documentation that this machine cannot run, each with the reason. They are read by the shell, and not run. */
export const NOT_HERE: Record<string, string> = {
  docker: "no container engine",
  kind: "no container engine",
  eksctl: "no AWS account",
  aws: "no AWS account",
  gcloud: "no Google Cloud account",
  "kubectl-cnpg": "CloudNativePG's operator cannot be built here",
  cosign: "no registry with a signed image yet",
  flux: "no Git server that a cluster could pull from",
  argocd: "no Git server that a cluster could pull from",
};
