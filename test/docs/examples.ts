import { globSync } from "node:fs";
import { root } from "./blocks.ts";

/** Examples of values of our own chart. */
export const chartValues = (): string[] => globSync("examples/**/values.yaml", { cwd: root }).sort();
