import { prometheusMissing } from "./prometheus.ts";

/** Before the suite, in one process: two test files at once would fetch the same package, and apt takes one caller at a time. */
export async function setup(): Promise<void> {
  await prometheusMissing(); // why it cannot be had is said by the tests that are skipped for it
}
