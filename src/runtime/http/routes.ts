import type { RequestHandler, Router } from "express";
import { notFound, Problem } from "./problems.ts";

export interface ListedRoute {
  path: string;
  methods: string[];
}

interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
  match(path: string): boolean;
}
const layersOf = (routers: Router[]): Layer[] => routers.flatMap((it) => it.stack as unknown as Layer[]);
const methodsOf = ({ route }: Layer): string[] => Object.keys(route?.methods ?? {}).map((it) => it.toUpperCase());

/** The routes that there are, for whoever compares them with their description. */
export const routesOf = (routers: Router[]): ListedRoute[] =>
  layersOf(routers).flatMap((it) => (it.route ? [{ path: it.route.path, methods: methodsOf(it) }] : []));

/** The end of the way: 405 where another method would be right, else 404. */
export const noSuchRoute =
  (...routers: Router[]): RequestHandler =>
  (req) => {
    const allowed = new Set(
      layersOf(routers)
        .filter((it) => it.route && it.match(req.path))
        .flatMap(methodsOf),
    );
    if (allowed.size === 0) throw notFound("resource");
    if (allowed.has("GET")) allowed.add("HEAD");
    const allow = [...allowed].sort().join(", ");
    throw new Problem(405, `${req.method} is not for this resource: ${allow}`, { allow });
  };

/** Before routers, which would answer OPTIONS by themselves. */
export const optionsLikeOthers =
  (...routers: Router[]): RequestHandler =>
  (req, res, next) =>
    req.method === "OPTIONS" ? noSuchRoute(...routers)(req, res, next) : next();
