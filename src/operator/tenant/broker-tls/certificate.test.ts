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
    const trusted = new Map<string, number>();
    const changes: { knownForMs: number; old: string | undefined; before: string }[] = [];
    let leastDays = Infinity;
    for (let at = now.getTime(); at < inDays(366).getTime(); at += state.next ? 600_000 : 7_200_000) {
      const before = state.current.certificate;
      state = await nextState(state, HOST, new Date(at));
      const { current, next, old } = state;
      for (const it of [current, next]) if (it && !trusted.has(it.certificate)) trusted.set(it.certificate, at);
      if (current.certificate !== before)
        changes.push({ knownForMs: at - (trusted.get(current.certificate) ?? at), old, before });
      leastDays = Math.min(leastDays, ((endOf(current, HOST)?.getTime() ?? 0) - at) / 86_400_000);
    }
    expect(changes).toHaveLength(6); // one in 60 days
    expect(changes.filter(({ knownForMs, old, before }) => knownForMs < 3_600_000 || old !== before)).toEqual([]);
    expect(leastDays).toBeGreaterThan(29);
  });
});
