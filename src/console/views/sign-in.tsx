import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { fieldOf } from "../form.ts";
import { Failure, post } from "../http.ts";
import { Heading } from "../ui/heading.tsx";
import { Problem } from "../ui/notes.tsx";

const ASK = "kubectl create token SERVICEACCOUNT --namespace NAMESPACE --duration 1h";

/** A Kubernetes token for a session; the page itself keeps nothing of it. */
export function SignIn({ why, onSignedIn }: { why: string | undefined; onSignedIn: () => void }): JSX.Element {
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const token = fieldOf(event, "token");
    setBusy(true);
    try {
      await post("/login", { token });
      form.reset();
      onSignedIn();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      setFailure(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <main class="sign-in" id="content">
      <Heading title="Sign in">Sign in to AgentPG</Heading>
      {why && !failure && <p class="note warn">{why}</p>}
      <form onSubmit={(event) => void submit(event)}>
        <label for="token">Kubernetes token</label>
        <input
          id="token"
          name="token"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="token-help"
        />
        <button type="submit" class="primary" disabled={busy}>
          {busy ? "Asking Kubernetes …" : "Sign in"}
        </button>
      </form>
      {failure && <Problem failure={failure} />}
      <div id="token-help" class="help">
        <p>You see what Kubernetes lets you see. A token for an hour comes from:</p>
        <pre class="code">{ASK}</pre>
        <p>
          The token of your identity provider that kubectl uses does as well. It is kept in a cookie that no script can
          read.
        </p>
      </div>
    </main>
  );
}
