import { z } from "zod";

/** Whether this cluster enforces NetworkPolicy, as far as packets tell. */
export interface Enforcement {
  state: "Enforced" | "NotEnforced" | "NotProbed";
  /** Why, without anything that changes from probe to probe: it is part of each Tenant's condition. */
  message: string;
}

/** What a connecting pod writes as its termination message: for each target whether it was reached. */
export const dialled = z.record(z.string(), z.enum(["connected", "unreachable"]));
export type Dialled = z.infer<typeof dialled>;

export const notProbed = (message: string): Enforcement => ({ state: "NotProbed", message });

/** Pure. `free` and `confined` are what these two pods saw. */
export function verdict(free: Dialled, confined: Dialled): Enforcement {
  if (free["open"] !== "connected")
    return notProbed("a pod did not reach another where no policy is in the way: look at the cluster's network");
  const ignored = [
    ...(free["closed"] === "connected" ? ["into a pod that lets nobody in"] : []),
    ...(confined["open"] === "connected" ? ["out of a pod that may go nowhere"] : []),
  ];
  if (ignored.length > 0)
    return { state: "NotEnforced", message: `packets went ${ignored.join(", and ")}, against a default-deny policy` };
  return {
    state: "Enforced",
    message: "packets passed where they may, and were stopped by a default-deny policy both ways",
  };
}
