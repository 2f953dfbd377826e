/** Objects of a tenant's namespace that the Tenant's controller makes and agent pods mount. */

/** The Secret with the database login; mounted whole, as a directory. */
export const DATABASE_SECRET = "agentpg-database";

/** The ConfigMap with the public keys of the cluster's token issuer. */
export const ACCESS_CONFIG_MAP = "agentpg-access";
