import type { JSX } from "preact";
import { ago, moment } from "../format.ts";

/** A moment, in the reader's own time zone; how long ago it is unless `exact`. */
export function Time({ at, exact = false }: { at: string; exact?: boolean }): JSX.Element {
  return (
    <time dateTime={at} title={exact ? at : moment(at)}>
      {exact ? moment(at) : ago(at)}
    </time>
  );
}
