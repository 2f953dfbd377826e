/** Objects as a person would write them; each test says only what it is about. */
type Deep = { [key: string]: unknown };

const merge = (base: Deep, more: Deep): Deep => {
  const out: Deep = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const old = out[key];
    const both = [old, value].every((it) => typeof it === "object" && it !== null && !Array.isArray(it));
    out[key] = both ? merge(old as Deep, value as Deep) : value;
    if (value === undefined) delete out[key];
  }
  return out;
};

export const aTenant = (name: string, spec: Deep = {}, metadata: Deep = {}) => ({
  apiVersion: "agentpg.dev/v1alpha1",
  kind: "Tenant",
  metadata: { name, ...metadata } as { name: string } & Deep,
  spec: merge({ anthropic: { apiKeySecretRef: { name: "anthropic" } } }, spec),
});

export const anAgent = (namespace: string, name: string, spec: Deep = {}) => ({
  apiVersion: "agentpg.dev/v1alpha1",
  kind: "Agent",
  metadata: { name, namespace },
  spec: merge({ model: "claude-sonnet-5-5" }, spec),
});

export const aTool = (name: string, kind: Deep) => ({ name, description: `the tool ${name}`, ...kind });
