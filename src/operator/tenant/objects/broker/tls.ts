import { BROKER, BROKER_CA_FILE } from "../../../../api/broker-config.ts";
import type { Tenant } from "../../../../api/tenant.ts";
import { CONFIG_MAP, SECRET } from "../../../../kubernetes/resource-kind.ts";
import { owned } from "../../../owned-object.ts";
import { BROKER_CA_CONFIG_MAP, BROKER_TLS_SECRET } from "../../../shared-names.ts";
import type { TlsState } from "../../broker-tls/state.ts";
import { brokerMetadata } from "./names.ts";

/** Since when agents are told of the next certificate. */
export const ANNOUNCED_ANNOTATION = "agentpg.dev/broker-certificate-announced-at";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** The certificate that the broker shows, and the next one. Pods mount the first alone. */
export const brokerTlsSecret = (tenant: Tenant, { current, next, old }: TlsState) =>
  owned(SECRET, {
    metadata: {
      ...brokerMetadata(tenant, BROKER_TLS_SECRET),
      ...(next ? { annotations: { [ANNOUNCED_ANNOTATION]: next.announcedAt.toISOString() } } : {}),
    },
    type: "Opaque",
    data: {
      "tls.crt": base64(current.certificate),
      "tls.key": base64(current.key),
      "next.crt": base64(next?.certificate ?? ""),
      "next.key": base64(next?.key ?? ""),
      "old.crt": base64(old ?? ""),
    },
  });

/** What agents trust of whoever says that it is their tenant's broker, and nothing else. */
export const brokerCaConfigMap = (tenant: Tenant, { current, next, old }: TlsState) =>
  owned(CONFIG_MAP, {
    metadata: brokerMetadata(tenant, BROKER_CA_CONFIG_MAP),
    data: {
      [BROKER_CA_FILE]: [current.certificate, next?.certificate, old]
        .filter((it): it is string => Boolean(it))
        .map((it) => `${it.trim()}\n`)
        .join(""),
    },
  });

/** The broker, as agents call it. */
export const brokerHost = (namespace: string): string => `${BROKER}.${namespace}.svc`;
