import type { KubernetesObject } from "../../../kubernetes/object.ts";
import { endOf, newServerCertificate, type ServerCertificate } from "./certificate.ts";
import { stepOf } from "./decide.ts";

/** A broker's certificates, as its Secret holds them. */
export interface TlsState {
  current: ServerCertificate;
  next?: ServerCertificate & { announcedAt: Date };
  /** The certificate of before, without its key: a pod may show it for the minute in which its kubelet brings the new one. */
  old?: string;
}

type Secret = KubernetesObject & { data?: Record<string, string> };

/** What a Secret says; nothing of it is believed before it is looked at. @param announced the annotation's name */
export function readState(secret: Secret | undefined, announced: string): Partial<TlsState> {
  const text = (file: string): string => Buffer.from(secret?.data?.[file] ?? "", "base64").toString();
  const announcedAt = new Date(secret?.metadata.annotations?.[announced] ?? Number.NaN);
  const old = text("old.crt");
  return {
    current: { certificate: text("tls.crt"), key: text("tls.key") },
    ...(Number.isNaN(announcedAt.getTime())
      ? {}
      : { next: { certificate: text("next.crt"), key: text("next.key"), announcedAt } }),
    ...(old ? { old } : {}),
  };
}

/** The certificates as they are to be now. @param name the host that agents call */
export async function nextState(state: Partial<TlsState>, name: string, now: Date): Promise<TlsState> {
  const { current, next, old } = state;
  const nextEnd = next && endOf(next, name);
  const step = stepOf(
    {
      currentEnd: current && endOf(current, name),
      next: next && nextEnd ? { end: nextEnd, announcedAt: next.announcedAt } : undefined,
    },
    now,
  );
  if (step === "make" || !current) return { current: await newServerCertificate([name], now) };
  if (step === "announce") return { current, next: { ...(await newServerCertificate([name], now)), announcedAt: now } };
  if (step === "switch" && next)
    return { current: { certificate: next.certificate, key: next.key }, old: current.certificate };
  return { current, ...(next && nextEnd ? { next } : {}), ...(old ? { old } : {}) };
}
