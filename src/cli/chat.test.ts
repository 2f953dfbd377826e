import { expect, test } from "vitest";
import { chat } from "./chat.ts";

test.each(["", " \n"])("an empty message (%j) is refused before anybody is asked for a session", async (message) => {
  const nowhere = { namespace: "acme", kubeconfig: "/nowhere", serviceAccount: "default", message };
  await expect(chat("support", nowhere)).rejects.toThrow(/--message is empty/);
});
