import { existsSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import type { AgentConfig } from "../../../api/agent-config.ts";
import { quantityBytes } from "../../../api/workspace.ts";
import { ConfigError } from "../../config.ts";
import { holdTop, inDirectory } from "./directory.ts";
import { Usage } from "./usage.ts";

/** The sessions' own directories, by their ids. */
export const SESSION_FOLDERS = "sessions";
export const SESSION_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The part of the volume that a call works in. */
export interface Place {
  directory: FileHandle;
  /** Where that is, for a program that asks: nothing is opened by it. */
  path: string;
}

/** The volume of the tools `files` and `commands`, in which each session has its own directory unless told otherwise. */
export class Workspace {
  readonly #path: string;
  readonly #scope: AgentConfig["workspace"]["scope"];
  readonly #usage: Usage | undefined;

  constructor(path: string, { size, claimName, scope }: AgentConfig["workspace"]) {
    this.#path = path;
    this.#scope = scope;
    this.#usage = claimName ? undefined : new Usage(path, quantityBytes(size));
  }

  /** @throws ConfigError where it could not be kept closed, or is not there */
  check(): void {
    if (!existsSync("/proc/self/fd"))
      throw new ConfigError("the tools files and commands need Linux and /proc: take them out of spec.tools");
    if (!existsSync(this.#path))
      throw new ConfigError(
        `the tools files and commands need a workspace, and ${this.#path} is not there: make it, or set AGENTPG_WORKSPACE_DIR`,
      );
  }

  /** Gives the call's own directory to `work`; makes it at first. */
  async with<T>(sessionId: string, work: (place: Place) => Promise<T>): Promise<T> {
    if (!SESSION_ID.test(sessionId)) throw new TypeError("a session's id is a UUID");
    const names = this.#scope === "Session" ? [SESSION_FOLDERS, sessionId] : ["shared"];
    const top = await holdTop(this.#path);
    try {
      return await inDirectory(top, names, true, (directory) => work({ directory, path: join(this.#path, ...names) }));
    } finally {
      await top.close();
    }
  }

  /** Room for something new. @throws ToolError when there is none */
  async take(bytes: number): Promise<void> {
    await this.#usage?.take(bytes);
  }
}
