import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { endOf, newServerCertificate, VALID_DAYS } from "./certificate.ts";
import { nextState } from "./state.ts";

const HOST = "agentpg-broker.acme.svc";
const now = new Date("2026-11-28T12:00:00Z");
const inDays = (days: number) => new Date(now.getTime() + days * 86_400_000);

describe("a server's certificate", () => {
  it("is of its name, for servers, by a key of its own each time, and says when it ends", async () => {
    const [one, other] = await Promise.all([newServerCertificate([HOST], now), newServerCertificate([HOST], now)]);
    expect(endOf(one, HOST)).toEqual(inDays(VALID_DAYS));
    const certificate = new X509Certificate(one.certificate);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(certificate.checkIssued(certificate)).toBe(true);
    expect(one.key).not.toBe(other.key);
  });

  it("is no good for another name, with another key, or when it is none", async () => {
    const [one, other] = await Promise.all([newServerCertificate([HOST], now), newServerCertificate([HOST], now)]);
    expect(endOf(one, "agentpg-broker.globex.svc")).toBeUndefined();
    expect(endOf({ ...one, key: other.key }, HOST)).toBeUndefined();
    expect(endOf({ certificate: "", key: "" }, HOST)).toBeUndefined();
    expect(endOf({ ...one, certificate: "-----BEGIN CERTIFICATE-----" }, HOST)).toBeUndefined();
  });
});

describe("a broker's certificates", () => {
  it("change one after the other over a year, and agents always knew before what is shown", async () => {
    let state = await nextState({}, HOST, now);
    const [trusted, shown] = [new Map<string, Date>(), new Set<string>()];
    for (let hour = 0; hour < 366 * 24; hour += 2) {
      const at = new Date(now.getTime() + hour * 3_600_000);
      const before = state;
      state = await nextState(state, HOST, at);
      for (const it of [state.current, state.next])
        if (it && !trusted.has(it.certificate)) trusted.set(it.certificate, at);
      const { certificate } = state.current;
      if (certificate !== before.current.certificate) {
        expect(at.getTime() - (trusted.get(certificate) as Date).getTime()).toBeGreaterThanOrEqual(3_600_000);
        expect(state.old).toBe(before.current.certificate);
      }
      shown.add(certificate);
      expect(endOf(state.current, HOST)?.getTime()).toBeGreaterThan(at.getTime() + 29 * 86_400_000);
    }
    expect(shown.size).toBe(7); // one in 60 days
  });
});
