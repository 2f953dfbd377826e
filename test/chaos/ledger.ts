import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { makeCertificates } from "../support/postgres.ts";

export const LEDGER_HOST = "ledger.example.com";

/** An effect on the world outside: who asked for it, and which one it was. */
export interface Entry {
  /** `once` may never happen twice; `again` may, with the same key. */
  kind: "once" | "again";
  /** What the question called it: unique among all that the test asks for. */
  note: string;
  /** The idempotency key that the tool sent. */
  key: string;
}

/** A service that tools act on: it writes down every call before it answers, and takes its time, so that calls are cut short. */
export interface Ledger {
  entries: Entry[];
  ca: string;
  port: number;
  close(): void;
}

/** @param delayMs how long an answer takes, after the entry was written */
export async function startLedger(delayMs: () => number): Promise<Ledger> {
  const { ca, cert, key } = await makeCertificates([LEDGER_HOST]);
  const entries: Entry[] = [];
  const server = createServer({ cert, key }, (req, res) => {
    const [, kind, note] = (req.url ?? "").split("/");
    entries.push({ kind: kind as Entry["kind"], note: note ?? "", key: String(req.headers["idempotency-key"]) });
    setTimeout(() => res.end(`noted ${note}`), delayMs());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { entries, ca, port: (server.address() as AddressInfo).port, close };
}
