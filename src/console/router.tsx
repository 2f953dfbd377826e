import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Where the page is: the address says all of it, so each view can be linked to. */
export interface Place {
  path: string;
  query: URLSearchParams;
}

const here = (): Place => ({ path: location.pathname, query: new URLSearchParams(location.search) });
const listeners = new Set<() => void>();

let moves = 0;

/** How often somebody went somewhere since the page was loaded. */
export const movesSoFar = (): number => moves;

/** Somebody came to another view without going to an address. */
export const moved = (): void => void moves++;

export function go(to: string): void {
  moved();
  history.pushState(null, "", to);
  for (const listener of listeners) listener();
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const changed = () => setPlace(here());
    const wentBack = () => {
      moved();
      changed();
    };
    listeners.add(changed);
    addEventListener("popstate", wentBack);
    return () => {
      listeners.delete(changed);
      removeEventListener("popstate", wentBack);
    };
  }, []);
  return place;
}

/** The segments of a path, decoded; one that is not well formed is taken as it is. */
export const segmentsOf = (path: string): string[] =>
  path
    .split("/")
    .filter(Boolean)
    .map((it) => {
      try {
        return decodeURIComponent(it);
      } catch {
        return it;
      }
    });

interface LinkProps {
  to: string;
  children: ComponentChildren;
  class?: string;
  current?: boolean;
}

/** A link within the page. With a modifier key, or the middle button, it opens as the browser would. */
export function Link({ to, children, current, ...rest }: LinkProps): JSX.Element {
  const clicked = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={to} onClick={clicked} aria-current={current ? "page" : undefined} {...rest}>
      {children}
    </a>
  );
}
