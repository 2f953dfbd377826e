import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { movesSoFar } from "../router.tsx";

/** The title of a view. A new view gets the focus here, so that it is read out and Tab goes on from it. */
export function Heading({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · AgentPG`;
    if (movesSoFar() > 0) heading.current?.focus(); // the browser itself reads out what it has loaded
  }, [title]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
