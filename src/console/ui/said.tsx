import type { JSX } from "preact";

/** Text that a user, a tool or a model wrote: as it is, in its own direction, and never more than text. */
export const Said = ({ text }: { text: string }): JSX.Element => (
  <div class="said" dir="auto">
    {text}
  </div>
);

/** A name that somebody else chose, in the middle of our own words. */
export const Name = ({ text }: { text: string }): JSX.Element => <bdi class="name">{text}</bdi>;

export const Code = ({ text }: { text: string }): JSX.Element => <pre class="code">{text}</pre>;
