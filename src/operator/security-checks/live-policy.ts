/** As much of a NetworkPolicy as the checks look at. */
export interface LivePolicy {
  metadata: { name: string; labels?: Record<string, string> };
  spec: {
    podSelector?: { matchLabels?: Record<string, string>; matchExpressions?: object[] };
    policyTypes?: string[];
    ingress?: object[];
    egress?: object[];
  };
}
