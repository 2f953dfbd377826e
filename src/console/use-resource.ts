import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure, get } from "./http.ts";

export interface Resource<T> {
  /** The last answer; it stays while a newer one is on its way, or cannot be had. */
  data: T | undefined;
  failure: Failure | undefined;
  /** Asks again. */
  reload: () => Promise<void>;
}

/** @param everyMs asks again and again while the page is in view; 0: only once */
export function useResource<T>(path: string | null, everyMs = 0): Resource<T> {
  const [state, setState] = useState<{ path: string | null; data?: T; failure?: Failure }>({ path });
  const current = useRef(path);
  current.current = path;

  const reload = useCallback(async () => {
    if (path === null) return;
    try {
      const data = await get<T>(path);
      if (current.current === path) setState({ path, data });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const keep = (before: { path: string | null; data?: T }) => (before.path === path ? before.data : undefined);
      if (current.current === path) setState((before) => ({ path, data: keep(before), failure: error }));
    }
  }, [path]);

  useEffect(() => {
    void reload();
    if (everyMs === 0) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void reload();
    }, everyMs);
    return () => clearInterval(timer);
  }, [reload, everyMs]);

  const isCurrent = state.path === path;
  return { data: isCurrent ? state.data : undefined, failure: isCurrent ? state.failure : undefined, reload };
}
