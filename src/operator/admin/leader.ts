import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { LEASE } from "../../kubernetes/resource-kind.ts";
import { LEADER_LEASE } from "../shared-names.ts";

type Lease = KubernetesObject & { spec?: { holderIdentity?: string } };

/** Who holds the operators' Lease, as far as the API server can be asked; "" when nobody is known to. */
export async function currentLeader(client: KubernetesClient, namespace: string): Promise<string> {
  const lease = await client.get<Lease>(LEASE, LEADER_LEASE, namespace).catch(() => undefined);
  return lease?.spec?.holderIdentity ?? "";
}
