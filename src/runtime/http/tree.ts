import { Router } from "express";
import { runTree } from "../../database/runs/run-tree.ts";
import { Problem } from "./problems.ts";
import { ownRun, type RunRoutes } from "./runs.ts";
import { callerOf, uuidParam } from "./sessions.ts";

/** A run with all that it asked other agents for, and its tool calls. */
export function treeRoutes(routes: RunRoutes): Router {
  const router = Router();
  router.get("/runs/:id/tree", async (req, res) => {
    const run = await ownRun(routes, uuidParam(req, "id", "run"), callerOf(res));
    const tree = await runTree(routes.db, run.id);
    if (!tree) throw new Problem(422, "the tree has more than 1000 runs: look at its parts", {}, { code: "too-large" });
    res.json(tree);
  });
  return router;
}
