import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ConsoleApproval, ConsoleTenant } from "../../api/console.ts";
import { shortId } from "../format.ts";
import { Failure, post, tenantPath } from "../http.ts";
import { Link } from "../router.tsx";
import { Heading } from "../ui/heading.tsx";
import { Empty, Loaded, Problem } from "../ui/notes.tsx";
import { Code, Name } from "../ui/said.tsx";
import { Time } from "../ui/time.tsx";
import { useResource } from "../use-resource.ts";

const EVERY_MS = 3_000;

interface Intent {
  /** Tells it from others before and after. */
  id: number;
  call: ConsoleApproval;
  approve: boolean;
}

interface ConfirmProps extends Omit<Intent, "id"> {
  tenant: string;
  /** @param outcome for people; undefined: they thought better of it */
  onDone: (outcome: string | undefined) => void;
}

/** Asks once more: what runs now cannot be taken back. */
function Confirm({ call, approve, tenant, onDone }: ConfirmProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const reason = useRef<HTMLTextAreaElement>(null);
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const decide = async () => {
    setBusy(true);
    try {
      const { runId, toolUseId } = call;
      const why = reason.current?.value.trim();
      await post(tenantPath(tenant, "/approvals"), { runId, toolUseId, approve, ...(why ? { reason: why } : {}) });
      onDone(`${approve ? "Approved" : "Denied"}: ${call.tool} of ${call.agent}.`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setFailure(error);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={() => onDone(undefined)}>
      <h2 id="confirm-title">
        {approve ? "Approve" : "Deny"} this call of <Name text={call.tool} />?
      </h2>
      <p>
        {approve
          ? "The tool runs with this input within a second or so. That cannot be taken back."
          : "The tool does not run, and the model is told that a person denied it."}
      </p>
      {!approve && call.takesReason && (
        <p>
          <label for="reason">Why (the model reads it; optional)</label>
          <textarea id="reason" ref={reason} rows={3} maxLength={2000} />
        </p>
      )}
      {!approve && !call.takesReason && (
        <p class="muted">
          This agent has rules for personal data. To tell the model why, use <code>agentpg deny --reason</code>, which
          keeps to them.
        </p>
      )}
      {failure && <Problem failure={failure} />}
      <div class="buttons">
        <button type="button" class={approve ? "primary" : "danger"} disabled={busy} onClick={() => void decide()}>
          {approve ? "Approve the call" : "Deny the call"}
        </button>
        <button type="button" autofocus onClick={() => dialog.current?.close()}>
          Cancel
        </button>
      </div>
    </dialog>
  );
}

interface CallProps {
  tenant: ConsoleTenant;
  call: ConsoleApproval;
  ask: (intent: Omit<Intent, "id">) => void;
}

function Call({ tenant, call, ask }: CallProps): JSX.Element {
  const id = `call-${call.runId}-${call.toolUseId}`;
  return (
    <section class="card" aria-labelledby={id}>
      <div class="card-head">
        <h2 id={id}>
          <Name text={call.tool} />
        </h2>
        <span class="muted">
          waits since <Time at={call.requestedAt} />, ends <Time at={call.expiresAt} />
        </span>
      </div>
      <p>
        Agent <Name text={call.agent} /> wants to call it for <Name text={call.user} />
        {tenant.rights.sessions && (
          <>
            {" "}
            in{" "}
            <Link to={tenantPath(tenant.name, `/sessions/${call.sessionId}`)}>session {shortId(call.sessionId)}</Link>
          </>
        )}
        .
      </p>
      {call.input !== null && <Code text={call.input} />}
      {call.withheld && <p class="note warn">{call.withheld}</p>}
      {tenant.rights.decide ? (
        <div class="buttons">
          <button type="button" class="primary" onClick={() => ask({ call, approve: true })}>
            Approve<span class="hidden"> {call.tool}</span>
          </button>
          <button type="button" onClick={() => ask({ call, approve: false })}>
            Deny<span class="hidden"> {call.tool}</span>
          </button>
        </div>
      ) : (
        <p class="muted">
          To decide, your user needs <code>update tenants/approvals.agentpg.dev</code>.
        </p>
      )}
    </section>
  );
}

export function Approvals({ tenant }: { tenant: ConsoleTenant }): JSX.Element {
  const calls = useResource<{ items: ConsoleApproval[] }>(tenantPath(tenant.name, "/approvals"), EVERY_MS);
  const [intent, setIntent] = useState<Intent>();
  const [outcome, setOutcome] = useState<{ text: string }>();
  const said = useRef<HTMLParagraphElement>(null);
  const asked = useRef(0);
  const ask = (it: Omit<Intent, "id">) => setIntent({ ...it, id: ++asked.current });
  const done = (id: number, text: string | undefined) => {
    setIntent((now) => (now?.id === id ? undefined : now)); // a dialog says late that it was closed
    if (text === undefined) return;
    setOutcome({ text });
    void calls.reload();
  };
  useEffect(() => {
    if (outcome) said.current?.focus(); // the button that had the focus goes with its call
  }, [outcome]);
  return (
    <>
      <Heading title={`${tenant.name}: approvals`}>Approvals</Heading>
      <p ref={said} tabIndex={-1} role="status" class={outcome ? "note good" : undefined}>
        {outcome?.text}
      </p>
      <Loaded of={calls}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="Nothing waits for a person">
              Calls of the tools in an Agent's <code>spec.approvals</code> appear here.
            </Empty>
          ) : (
            <div class="stack">
              {items.map((it) => (
                <Call key={`${it.runId} ${it.toolUseId}`} tenant={tenant} call={it} ask={ask} />
              ))}
            </div>
          )
        }
      </Loaded>
      {intent && <Confirm key={intent.id} {...intent} tenant={tenant.name} onDone={(text) => done(intent.id, text)} />}
    </>
  );
}
