import type { ConsoleRight } from "../../api/console.ts";
import { GROUP } from "../../api/resource.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import type { ResourceKind } from "../../kubernetes/resource-kind.ts";
import type { Identity } from "./identity.ts";
import { TimedCache } from "./timed-cache.ts";

const SUBJECT_ACCESS_REVIEW: ResourceKind = {
  apiVersion: "authorization.k8s.io/v1",
  kind: "SubjectAccessReview",
  plural: "subjectaccessreviews",
  namespaced: false,
};

/** What Kubernetes is asked for. No `name`: for all of them. */
export interface Attributes {
  group: string;
  resource: string;
  verb: string;
  subresource?: string;
  name?: string;
  namespace?: string;
}

interface OneTenant {
  name: string;
  /** Undefined: there is no such Tenant, as far as the operator knows. */
  namespace: string | undefined;
}

const ofTenant =
  (verb: string, subresource?: string) =>
  ({ name }: OneTenant): Attributes => ({
    group: GROUP,
    resource: "tenants",
    verb,
    name,
    ...(subresource === undefined ? {} : { subresource }),
  });

/**
 * What each view needs. The subresources exist for RBAC alone: the API server serves nothing there. To see what was spent is not to
 * read what was said, so each of them is a right of its own.
 */
export const RIGHTS: Record<ConsoleRight, (tenant: OneTenant) => Attributes> = {
  tenant: ofTenant("get"),
  agents: ({ namespace = "" }) => ({ group: GROUP, resource: "agents", verb: "list", namespace }),
  usage: ofTenant("get", "usage"),
  sessions: ofTenant("get", "sessions"),
  transcripts: ofTenant("get", "transcripts"),
  approvals: ofTenant("get", "approvals"),
  decide: ofTenant("update", "approvals"),
  audit: ofTenant("get", "audit"),
};

export const ALL_TENANTS: Attributes = { group: GROUP, resource: "tenants", verb: "get" };

/** As RBAC and people write it: `get tenants/usage acme`. */
export const described = ({ verb, resource, subresource, name, namespace }: Attributes): string =>
  `${verb} ${resource}${subresource ? `/${subresource}` : ""}.${GROUP}${name ? ` ${name}` : ""}${namespace ? ` in namespace ${namespace}` : ""}`;

/** How long an answer is believed, in milliseconds: what was granted or taken away counts that much later. */
const BELIEVED_MS = 10_000;
const TIMEOUT_MS = 10_000;

/** Asks the API server what somebody may do. */
export class Rights {
  readonly #client: KubernetesClient;
  readonly #known = new TimedCache<boolean>(BELIEVED_MS, 50_000);

  constructor(client: KubernetesClient) {
    this.#client = client;
  }

  /** @throws ApiError, ApiUnreachable: then nothing is known, and nothing may be shown */
  async may(identity: Identity, attributes: Attributes): Promise<boolean> {
    const { username: user, uid, groups, extra } = identity;
    const key = JSON.stringify([user, uid, groups, extra, attributes]);
    return this.#known.get(key, async () => {
      const { apiVersion, kind } = SUBJECT_ACCESS_REVIEW;
      const spec = { user, uid, groups, extra, resourceAttributes: attributes };
      const { status } = await this.#client.create<{ status?: { allowed?: boolean; denied?: boolean } }>(
        SUBJECT_ACCESS_REVIEW,
        { apiVersion, kind, spec },
        undefined,
        { timeoutMs: TIMEOUT_MS },
      );
      return status?.allowed === true && status.denied !== true;
    });
  }
}
