import { expect, test } from "vitest";
import { cidrPeer, publicPeers } from "./egress.ts";

test("a network that holds link-local addresses leaves them out", () => {
  expect(cidrPeer("0.0.0.0/0")).toEqual({ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } });
  expect(cidrPeer("::/0")).toEqual({ ipBlock: { cidr: "::/0", except: ["fe80::/10"] } });
  expect(cidrPeer("203.0.113.0/24")).toEqual({ ipBlock: { cidr: "203.0.113.0/24" } });
});

test("public addresses hold neither metadata nor private networks", () => {
  const [v4] = publicPeers();
  for (const network of ["169.254.0.0/16", "10.0.0.0/8", "127.0.0.0/8"]) expect(v4?.ipBlock.except).toContain(network);
});
