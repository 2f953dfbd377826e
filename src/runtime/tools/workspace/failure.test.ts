import { expect, test } from "vitest";
import { RetryTool, ToolError } from "../tool.ts";
import { toolError } from "./failure.ts";

const failure = (code: string) => Object.assign(new Error(`${code}: /workspace/sessions/x`), { code });

test("a full volume is told as what it is, without its place", () => {
  for (const code of ["ENOSPC", "EDQUOT"]) {
    const error = toolError(failure(code), "a.txt");
    expect(error).toBeInstanceOf(ToolError);
    expect((error as Error).message).toBe("a.txt: the workspace is full: delete what is not needed");
  }
});

test("a volume that stumbles may be asked again; a fault that nobody knows is told to nobody", () => {
  expect(toolError(failure("EIO"), "a.txt")).toBeInstanceOf(RetryTool);
  expect(toolError(failure("ESTALE"), "a.txt")).toBeInstanceOf(RetryTool);
  const odd = failure("EMFILE");
  expect(toolError(odd, "a.txt")).toBe(odd);
});
