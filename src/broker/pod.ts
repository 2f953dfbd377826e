import type { JWTPayload } from "jose";
import { z } from "zod";
import { Refused } from "./refusal.ts";

/** The pod that calls. */
export interface CallingPod {
  agent: string;
  name: string;
  uid: string;
}

/** Whoever may ask the API server for tokens could have one for years; the kubelet's are good for ten minutes. In seconds. */
const LONGEST_LIFE = 3600;
/** The service accounts of agents, which no other pod may have (admission policy agent-pods). */
const OF_AGENT = /^agent-(.+)$/;

const text = z.string().min(1).max(253);
/** What Kubernetes puts into a token that is bound to a pod. */
const boundToken = z.object({
  aud: z.union([z.string(), z.array(z.string())]),
  iat: z.number(),
  exp: z.number(),
  sub: z.string(),
  "kubernetes.io": z.object({
    namespace: text,
    pod: z.object({ name: text, uid: text }),
    serviceaccount: z.object({ name: text }),
  }),
});

const refused = (why: string) => new Refused("token", `the key broker does not take this token: ${why}`);

/**
 * The agent's pod that a token is bound to. Its signature, issuer, audience and times have been checked.
 * @throws Refused
 */
export function podOfToken(payload: JWTPayload, namespace: string): CallingPod {
  const parsed = boundToken.safeParse(payload);
  if (!parsed.success) throw refused("it is not bound to a pod");
  const { aud, iat, exp, sub, "kubernetes.io": of } = parsed.data;
  if (of.namespace !== namespace || sub !== `system:serviceaccount:${namespace}:${of.serviceaccount.name}`)
    throw refused("it is of another namespace");
  if (Array.isArray(aud) && aud.length !== 1) throw refused("it is for others too");
  if (exp - iat > LONGEST_LIFE) throw refused(`it is good for more than ${LONGEST_LIFE} s`);
  const [, agent] = OF_AGENT.exec(of.serviceaccount.name) ?? [];
  if (!agent || !of.pod.name.startsWith(`${of.serviceaccount.name}-`)) throw refused("it is not of an agent's pod");
  return { agent, name: of.pod.name, uid: of.pod.uid };
}
