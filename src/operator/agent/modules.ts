import type { AgentConfig } from "../../api/agent-config.ts";
import type { Agent } from "../../api/agent.ts";
import { contentHash } from "../../kubernetes/apply.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";
import { isNotFound } from "../../kubernetes/errors.ts";
import { CONFIG_MAP } from "../../kubernetes/resource-kind.ts";

type Data = Record<string, string> | undefined;

/** The modules of an Agent as its pods find them, and those whose ConfigMap or key is not there. */
export interface AgentModules {
  found: AgentConfig["modules"];
  missing: Agent["spec"]["modules"];
}

/** The revision is over the whole ConfigMap: a module may import its neighbours, and pods start anew when any of them changes. */
export function agentModules(agent: Agent, dataOf: (configMap: string) => Data): AgentModules {
  const modules: AgentModules = { found: [], missing: [] };
  for (const it of agent.spec.modules) {
    const { name, key } = it.configMapKeyRef;
    const data = dataOf(name);
    if (data?.[key] === undefined) modules.missing.push(it);
    else modules.found.push({ name: it.name, file: key, revision: contentHash(data).slice(0, 10) });
  }
  return modules;
}

/** Reads each ConfigMap that the Agent's modules name, once. */
export async function readModules(client: KubernetesClient, agent: Agent): Promise<AgentModules> {
  const names = [...new Set(agent.spec.modules.map((it) => it.configMapKeyRef.name))];
  const read = async (name: string): Promise<[string, Data]> => {
    try {
      const map = await client.get<{ data?: Record<string, string> }>(CONFIG_MAP, name, agent.metadata.namespace);
      return [name, map.data];
    } catch (error) {
      if (isNotFound(error)) return [name, undefined];
      throw error;
    }
  };
  const data = new Map(await Promise.all(names.map(read)));
  return agentModules(agent, (name) => data.get(name));
}
