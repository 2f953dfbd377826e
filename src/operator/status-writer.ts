import { covers } from "../kubernetes/apply.ts";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { nextConditions, type ConditionInput } from "../kubernetes/conditions.ts";
import type { KubernetesObject } from "../kubernetes/object.ts";
import type { ResourceKind } from "../kubernetes/resource-kind.ts";
import type { Condition } from "../api/resource.ts";

interface WithStatus {
  metadata: { name: string; namespace?: string; generation: number };
  status: { conditions?: Condition[]; observedGeneration?: number };
}

const same = (a: unknown, b: unknown): boolean => covers(a, b) && covers(b, a);

/** Writes the status when it differs; returns the conditions whose status or reason changed. */
export async function writeStatus(
  client: KubernetesClient,
  kind: ResourceKind,
  object: WithStatus,
  wanted: { conditions: readonly ConditionInput[]; fields: Record<string, unknown> },
  fieldManager: string,
  onWritten: (written: KubernetesObject) => void = () => {},
): Promise<ConditionInput[]> {
  const { name, namespace, generation } = object.metadata;
  const before = object.status.conditions ?? [];
  const conditions = nextConditions(
    before,
    wanted.conditions,
    generation,
    new Date().toISOString().replace(/\.\d+Z$/, "Z"),
  );
  const status = { observedGeneration: generation, ...wanted.fields, conditions };
  if (same(JSON.parse(JSON.stringify(status)), object.status)) return [];
  const metadata = { name, ...(namespace ? { namespace } : {}) };
  onWritten(await client.apply(kind, { metadata, status }, { fieldManager, subresource: "status" }));
  return wanted.conditions.filter((it) => {
    const old = before.find(({ type }) => type === it.type);
    return old?.status !== it.status || old.reason !== it.reason;
  });
}
