import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { KubernetesObject } from "../../kubernetes/object.ts";
import { LEASE } from "../../kubernetes/resource-kind.ts";
import { leaderLease } from "../shared-names.ts";
import type { Scope } from "../scope.ts";

type Lease = KubernetesObject & { spec?: { holderIdentity?: string } };

/** Who holds the operators' Lease, as far as the API server can be asked; "" when nobody is known to. */
export async function currentLeader(client: KubernetesClient, { namespace, instance }: Scope): Promise<string> {
  const lease = await client.get<Lease>(LEASE, leaderLease(instance), namespace).catch(() => undefined);
  return lease?.spec?.holderIdentity ?? "";
}
