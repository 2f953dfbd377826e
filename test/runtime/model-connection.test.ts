import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { modelFetch } from "../../src/runtime/model/transport.ts";
import { makeCertificates } from "../support/postgres.ts";

const usual = getCACertificates();
let url: string;
let stop: () => void;

/** As the API's own front: it prefers HTTP/2 and takes HTTP/1.1. */
beforeAll(async () => {
  const { ca, cert, key } = await makeCertificates(["127.0.0.1"]);
  setDefaultCACertificates([ca]);
  const server = createSecureServer({ cert, key, allowHTTP1: true }, (req, res) => {
    res.writeHead(200, { "content-type": "application/json" });
    res.end(JSON.stringify({ version: req.httpVersion }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  stop = () => server.close();
});
afterAll(() => {
  setDefaultCACertificates(usual);
  stop?.();
});

test("the model is asked by HTTP/1.1 also where HTTP/2 is offered: calls share no connection that can stall", async () => {
  const answer = await modelFetch()(url, { headers: new Headers() });
  expect(await answer.json()).toEqual({ version: "1.1" });
});
