import { describe, expect, it } from "vitest";
import { checkedUrl, isAllowedHost, isPublicAddress, publicAddressOf } from "./http-address.ts";
import { ToolError } from "./tool.ts";

describe("an address", () => {
  it.each(["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])("%s may be called", (it) =>
    expect(isPublicAddress(it)).toBe(true),
  );
  it.each([
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "nonsense",
    "",
  ])("%s may not be called", (it) => expect(isPublicAddress(it)).toBe(false));
});

describe("a host of the list", () => {
  it("is the name itself, or anything below a wildcard", () => {
    expect(isAllowedHost("api.example.com", "", ["api.example.com"])).toBe(true);
    expect(isAllowedHost("a.b.example.org", "", ["*.example.org"])).toBe(true);
  });
  it.each(["example.org", "evilexample.org", "example.org.evil.net", "api.example.com.evil.net", "xapi.example.com"])(
    "is not %s",
    (host) => expect(isAllowedHost(host, "", ["api.example.com", "*.example.org"])).toBe(false),
  );
});

describe("a URL", () => {
  const hosts = ["api.example.com"];
  it("may hide its host in no way", () => {
    for (const url of [
      "https://0x7f.1/",
      "https://017700000001/",
      "https://[::1]/",
      "https://api.example.com@evil.net/",
      "https://evil.net#@api.example.com",
      "ftp://api.example.com",
      "//",
      "javascript:1",
    ]) {
      expect(() => checkedUrl(url, undefined, hosts)).toThrow(ToolError);
    }
    expect(checkedUrl("https://API.example.com./x", undefined, hosts).pathname).toBe("/x");
  });
});

describe("a name", () => {
  const resolve =
    (...list: string[]) =>
    async () =>
      list.map((address) => ({ address, family: 4 }));
  it("is connected to by the address that was looked at", async () =>
    expect(await publicAddressOf("h", resolve("93.184.216.34"), isPublicAddress)).toBe("93.184.216.34"));
  it("is refused for one bad address among good ones", async () => {
    await expect(publicAddressOf("h", resolve("93.184.216.34", "127.0.0.1"), isPublicAddress)).rejects.toThrow(
      /may not be called/,
    );
    await expect(publicAddressOf("h", resolve(), isPublicAddress)).rejects.toThrow(/no address/);
  });
});
