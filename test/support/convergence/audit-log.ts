import { open } from "node:fs/promises";

/** One request, as the API server wrote it down. */
export interface Request {
  /** The last part of {@link username}. */
  user: string;
  username: string;
  verb: string;
  code: number;
  uri: string;
  resource: string;
  /** `namespace/name`, or the name alone. */
  key: string;
  subresource: string;
  at: number;
}

interface Line {
  stage: string;
  verb: string;
  requestURI: string;
  user?: { username?: string };
  objectRef?: { resource?: string; namespace?: string; name?: string; subresource?: string };
  responseStatus?: { code?: number };
  stageTimestamp: string;
}

const request = (line: Line): Request => {
  const { resource = "", namespace, name = "", subresource = "" } = line.objectRef ?? {};
  return {
    user: line.user?.username?.split(":").at(-1) ?? "",
    username: line.user?.username ?? "",
    verb: line.verb,
    code: line.responseStatus?.code ?? 0,
    uri: line.requestURI,
    resource,
    key: namespace ? `${namespace}/${name}` : name,
    subresource,
    at: Date.parse(line.stageTimestamp),
  };
};

const WRITES = new Set(["create", "update", "patch", "delete", "deletecollection"]);

export const isWrite = ({ verb }: Request): boolean => WRITES.has(verb);

/** Whether it changed an object: no Lease, no Event, no status, and not refused. */
export const changedAnObject = ({ verb, code, resource, subresource }: Request): boolean =>
  WRITES.has(verb) && code < 300 && resource !== "events" && resource !== "leases" && subresource === "";

/** Whether it read all objects of a kind in the cluster, as a cache does to begin with. One page of a list is one. */
export const listedAll = ({ verb, uri, resource, code }: Request): boolean =>
  verb === "list" && code < 300 && resource !== "pods" && !/[/]namespaces[/][^?]+[/]|continue=/.test(uri);

export class AuditLog {
  readonly #path: string;
  #seenBytes = 0;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  /** The finished requests since the last call. */
  async news(): Promise<Request[]> {
    const file = await open(this.#path);
    try {
      const { size } = await file.stat();
      const buffer = Buffer.alloc(size - this.#seenBytes);
      await file.read(buffer, 0, buffer.length, this.#seenBytes);
      this.#seenBytes = size;
      const lines = (this.#rest + buffer.toString("utf8")).split("\n");
      this.#rest = lines.pop() ?? "";
      return lines
        .map((line) => JSON.parse(line) as Line)
        .filter((it) => it.stage !== "ResponseStarted")
        .map(request);
    } finally {
      await file.close();
    }
  }
}
