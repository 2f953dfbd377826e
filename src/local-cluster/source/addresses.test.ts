import { expect, test } from "vitest";
import { addressesOf, slots } from "./addresses.ts";
import { freeSlot } from "./cluster-state.ts";

const first = (cidr: string) => cidr.split(".").slice(0, 3).map(Number);

test("the first cluster's pods reach the machine at 198.18.0.1", () => {
  expect(addressesOf(0)).toMatchObject({
    host: "198.18.0.1",
    node: "198.18.0.2",
    podCidr: "198.18.8.0/24",
    serviceCidr: "198.18.16.0/20",
  });
});

test("no two clusters share an address, and all stay in 198.18.0.0/15", () => {
  const blocks = new Set<number>();
  for (let slot = 0; slot < slots; slot++) {
    const at = addressesOf(slot);
    for (const [cidr, size] of [
      [at.host, 1],
      [at.clusterCidr, 8],
      [at.serviceCidr, 16],
    ] as const) {
      const [, second = 0, third = 0] = first(cidr);
      expect([18, 19]).toContain(second);
      for (let i = 0; i < size; i++) {
        expect(blocks.has(second * 256 + third + i)).toBe(false);
        blocks.add(second * 256 + third + i);
      }
      expect(third + size).toBeLessThanOrEqual(256);
    }
  }
});

test("the lowest slot that nobody has is taken", () => {
  expect(freeSlot([])).toBe(0);
  expect(freeSlot([{ slot: 0 }, { slot: 2 }])).toBe(1);
  expect(freeSlot(Array.from({ length: slots }, (_, slot) => ({ slot })))).toBeUndefined();
});
