import { eventually } from "../eventually.ts";
import type { Member } from "./world.ts";

/** How often an operator looked at an Agent, since it was started. */
export const reconciles = ({ process }: Member): Promise<number> =>
  process.metricSum('controller_runtime_reconcile_total{controller="agent"');

/** Waits until it has looked at each of so many Agents, and nothing waits to be looked at. */
export async function workedOff(member: Member, agents: number): Promise<void> {
  const look = async () => ({
    looks: await reconciles(member),
    waiting: await member.process.metricSum("workqueue_depth{"),
    active: await member.process.metricSum("controller_runtime_active_workers{"),
  });
  await eventually(look, ({ looks, waiting, active }) => looks >= agents && waiting + active === 0, 60);
}
