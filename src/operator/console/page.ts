import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { IncomingMessage, ServerResponse } from "node:http";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

interface Asset {
  type: string;
  plain: Buffer;
  br: Buffer;
  gzip: Buffer;
}

/** Where dev/bundle.ts puts the page: beside the program, which is dist/chunks/*.mjs; in a checkout, in dist. */
const BUILT = import.meta.url.endsWith(".ts")
  ? join(import.meta.dirname, "../../../dist/console")
  : join(import.meta.dirname, "../console");

const NOT_BUILT = "<!doctype html><title>AgentPG</title><p>The page is not built: run npm run build.";

const asset = (name: string, plain: Buffer): Asset => ({
  type: TYPES[extname(name)] ?? "application/octet-stream",
  plain,
  br: brotliCompressSync(plain),
  gzip: gzipSync(plain),
});

/** The page's files, compressed once. There are five of them, and their names hold hashes of what is in them. */
export class Page {
  readonly #assets: ReadonlyMap<string, Asset>;
  readonly #index: Asset;

  constructor(folder = BUILT) {
    const assets = join(folder, "assets");
    const names = existsSync(assets) ? readdirSync(assets) : [];
    this.#assets = new Map(names.map((name) => [name, asset(name, readFileSync(join(assets, name)))]));
    const index = join(folder, "index.html");
    this.#index = asset("index.html", existsSync(index) ? readFileSync(index) : Buffer.from(NOT_BUILT));
  }

  /** Each path that is no file is a view, and the page itself knows which. */
  serve(path: string, request: IncomingMessage, response: ServerResponse): void {
    const name = path.startsWith("/assets/") ? path.slice("/assets/".length) : undefined;
    const found = name === undefined ? this.#index : this.#assets.get(name);
    if (!found) return void response.writeHead(404, { "content-type": "text/plain" }).end("there is no such file\n");
    const accepted = request.headers["accept-encoding"] ?? "";
    const encoding = (["br", "gzip"] as const).find((it) => new RegExp(`\\b${it}\\b`).test(accepted));
    const body = encoding ? found[encoding] : found.plain;
    response.writeHead(200, {
      "content-type": found.type,
      "content-length": body.length,
      "cache-control": name === undefined ? "no-cache" : "public, max-age=31536000, immutable",
      vary: "accept-encoding",
      ...(encoding ? { "content-encoding": encoding } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }
}
