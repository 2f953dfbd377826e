import type { ComponentChildren, JSX } from "preact";
import type { Failure } from "../http.ts";
import type { Resource } from "../use-resource.ts";

/** What went wrong, and what to do about it. */
export function Problem({ failure, again }: { failure: Failure; again?: () => void }): JSX.Element {
  return (
    <div class="note bad" role="alert">
      <p>
        <strong>{failure.message}</strong>
      </p>
      {failure.remedy && <p>{failure.remedy}</p>}
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Nothing to show, why that may be, and what would bring something. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

/** What was asked for, once it is here; until then that it is on its way, or what keeps it. */
export function Loaded<T>({
  of,
  children,
}: {
  of: Resource<T>;
  children: (data: T) => ComponentChildren;
}): JSX.Element {
  const { data, failure, reload } = of;
  return (
    <>
      {failure && <Problem failure={failure} again={() => void reload()} />}
      {data !== undefined && children(data)}
      {data === undefined && !failure && <p class="loading">Loading …</p>}
    </>
  );
}

export const NoRight = ({ what, right }: { what: string; right: string }): JSX.Element => (
  <Empty title={`You may not see ${what} of this tenant`}>
    Your Kubernetes user needs <code>{right}</code>. Whoever looks after the cluster can grant it.
  </Empty>
);
