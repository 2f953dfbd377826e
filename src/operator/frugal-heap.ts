import { setFlagsFromString } from "node:v8";

/** How much the old generation may grow beyond what lives before it is collected. */
const GROWTH_PERCENT = 50;

/**
 * V8 lets a small heap grow to several times of what lives in it before it looks for garbage, more so on a machine with much
 * memory. A cache of thousands of objects is looked through often enough when half as much has come on top.
 */
export function keepHeapSmall(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
