/** Objects of a tenant's namespace that the Tenant's controller makes and agent pods mount. */

/** The Secret with the database login; mounted whole, as a directory. */
export const DATABASE_SECRET = "agentpg-database";

/** The Secret with the data keys of the tenant's transcripts, once there are any; mounted whole, as a directory. */
export const TRANSCRIPT_KEYS_SECRET = "agentpg-transcript-keys";

/** The ConfigMap with the public keys of the cluster's token issuer. */
export const ACCESS_CONFIG_MAP = "agentpg-access";

/** The Secret with the certificate and key of a tenant's key broker, which its pods alone mount. */
export const BROKER_TLS_SECRET = "agentpg-broker-tls";

/** The ConfigMap with the certificates that agents trust of their broker. */
export const BROKER_CA_CONFIG_MAP = "agentpg-broker-ca";

/** Of an agent's pod: the volume with its token for the key broker. A pod without it has the API key itself. */
export const BROKER_TOKEN_VOLUME = "broker-token";

/** The Lease that the leading operator of an instance holds; its holder is `<pod name>-<8 hex digits>`. */
export const leaderLease = (instance: string | undefined): string =>
  instance === undefined ? "agentpg-operator" : `agentpg-operator-${instance}`;

/** The port of the admin operations, on 127.0.0.1 of the operator's pod, unless its configuration says another. */
export const ADMIN_PORT = 9443;
