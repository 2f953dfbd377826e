/** How many tenants may fail before a rollout pauses: a number of them, or a part of all, as `"5%"`. */
export type FailureBudget = number | string;

export const PERCENTAGE = /^(100|[1-9][0-9]?)%$/;

/** The number of failed tenants that is still borne. A percentage bears at least one. */
export function allowedFailures(budget: FailureBudget, tenants: number): number {
  if (typeof budget === "number") return budget;
  return Math.max(1, Math.floor((tenants * Number(budget.slice(0, -1))) / 100));
}
