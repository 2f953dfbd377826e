import type { ComponentChildren, JSX } from "preact";

interface TableProps {
  /** Says what the rows are; read out before them. */
  caption: string;
  /** Column heads; those that begin with `#` are of numbers. */
  heads: string[];
  children: ComponentChildren;
  /** The caption is only for those who do not see the heading above it. */
  quiet?: boolean;
}

/** A table that scrolls sideways on a narrow screen, with the keyboard too. */
export function Table({ caption, heads, children, quiet = true }: TableProps): JSX.Element {
  return (
    <div class="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class={quiet ? "hidden" : undefined}>{caption}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col" class={head.startsWith("#") ? "number" : undefined}>
                {head.replace("#", "")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
