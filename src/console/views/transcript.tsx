import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConsoleBlock, ConsoleMessage, ConsolePage } from "../../api/console.ts";
import { Failure, get, tenantPath } from "../http.ts";
import { Empty, Problem } from "../ui/notes.tsx";
import { Code, Name, Said } from "../ui/said.tsx";
import { Time } from "../ui/time.tsx";

type Page = ConsolePage<ConsoleMessage, number>;
const FOLLOW_MS = 3_000;

function Block({ block }: { block: ConsoleBlock }): JSX.Element {
  const { kind, text, name = "", isError } = block;
  if (kind === "text") return <Said text={text} />;
  if (kind === "thinking")
    return (
      <details class="block">
        <summary>Thinking</summary>
        <Said text={text} />
      </details>
    );
  if (kind === "tool_use")
    return (
      <details class="block">
        <summary>
          Calls <Name text={name} />
        </summary>
        <Code text={text} />
      </details>
    );
  if (kind === "tool_result")
    return (
      <details class="block" open={isError === true}>
        <summary>{isError ? <span class="failed">The tool failed</span> : "What the tool gave"}</summary>
        <Code text={text} />
      </details>
    );
  return (
    <details class="block">
      <summary>
        Block <Name text={name} />
      </summary>
      <Code text={text} />
    </details>
  );
}

const onlyResults = ({ blocks }: ConsoleMessage): boolean =>
  blocks.length > 0 && blocks.every((it) => it.kind === "tool_result");

function Message({ message, user, agent }: { message: ConsoleMessage; user: string; agent: string }): JSX.Element {
  const results = onlyResults(message);
  const who = results ? "Tools" : message.role === "user" ? user : agent;
  const kind = results ? "tools" : message.role;
  return (
    <li>
      <article class={`message ${kind}`} aria-label={`Message ${message.seq} by ${who}`}>
        <p class="by">
          <strong>
            <Name text={who} />
          </strong>{" "}
          <span class="muted">
            <Time at={message.createdAt} />
          </span>
        </p>
        {message.withheld && <p class="note warn">{message.withheld}</p>}
        {message.blocks.map((block, i) => (
          <Block key={i} block={block} />
        ))}
      </article>
    </li>
  );
}

interface TranscriptProps {
  tenant: string;
  session: string;
  user: string;
  agent: string;
  /** Something is at work: new messages are looked for. */
  live: boolean;
}

/** The conversation from its beginning, page by page; and while it goes on, what is added. */
function useTranscript({ tenant, session, live }: TranscriptProps) {
  const [messages, setMessages] = useState<ConsoleMessage[]>([]);
  const [more, setMore] = useState<boolean | undefined>(undefined);
  const [failure, setFailure] = useState<Failure>();
  const last = useRef(-1);
  const busy = useRef(false);

  const load = async () => {
    if (busy.current) return;
    busy.current = true;
    try {
      const page = await get<Page>(tenantPath(tenant, `/sessions/${session}/transcript?after=${last.current}`));
      last.current = page.items.at(-1)?.seq ?? last.current;
      if (page.items.length > 0) setMessages((before) => [...before, ...page.items]);
      setMore(page.next !== null);
      setFailure(undefined);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setFailure(error);
    } finally {
      busy.current = false;
    }
  };

  useEffect(() => void load(), []);
  useEffect(() => {
    if (!live || more !== false) return undefined;
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void load();
    }, FOLLOW_MS);
    return () => {
      clearInterval(timer);
      void load(); // what was said last
    };
  }, [live, more]);
  return { messages, more, failure, load };
}

export function Transcript(props: TranscriptProps): JSX.Element {
  const { messages, more, failure, load } = useTranscript(props);
  return (
    <section aria-labelledby="transcript">
      <h2 id="transcript">Transcript</h2>
      <p class="muted">That you read it is noted in the tenant's audit log.</p>
      {failure && <Problem failure={failure} again={() => void load()} />}
      {more === undefined && !failure && <p class="loading">Loading …</p>}
      {more === false && messages.length === 0 && <Empty title="Nothing has been said yet" />}
      <ol class="messages">
        {messages.map((it) => (
          <Message key={it.seq} message={it} user={props.user} agent={props.agent} />
        ))}
      </ol>
      {more && (
        <button type="button" class="more" onClick={() => void load()}>
          Show what was said next
        </button>
      )}
      <p role="status" class="muted">
        {props.live && more === false ? "The agent is at work; what it says appears here." : ""}
      </p>
    </section>
  );
}
