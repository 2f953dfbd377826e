import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { ConsoleMe } from "../api/console.ts";
import { Failure, post, whenSignedOut, whoAmI } from "./http.ts";
import { Link, moved, segmentsOf, usePlace } from "./router.tsx";
import { Heading } from "./ui/heading.tsx";
import { Problem } from "./ui/notes.tsx";
import { SignIn } from "./views/sign-in.tsx";
import { Tenant } from "./views/tenant.tsx";
import { Tenants } from "./views/tenants.tsx";

const OVER = "Your session is over, or your token has expired. Sign in to go on where you are.";

function Bar({ me, signOut }: { me: ConsoleMe | undefined; signOut: () => void }): JSX.Element {
  return (
    <header class="bar">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Link to="/" class="brand">
        AgentPG
      </Link>
      {me && (
        <div class="who">
          <span class="signed-in" title={me.user}>
            <span class="hidden">Signed in as </span>
            {me.user}
          </span>
          {me.via === "cookie" && (
            <button type="button" class="quiet" onClick={signOut}>
              Sign out
            </button>
          )}
        </div>
      )}
    </header>
  );
}

function View(): JSX.Element {
  const { path, query } = usePlace();
  const [first, tenant, ...rest] = segmentsOf(path);
  if (first === undefined) return <Tenants />;
  if (first === "tenants" && tenant !== undefined)
    return <Tenant key={tenant} name={tenant} rest={rest} query={query} />;
  if (first === "tenants") return <Tenants />;
  return (
    <main id="content">
      <Heading title="Not found">There is nothing at this address</Heading>
      <p>
        <Link to="/">All tenants</Link>
      </p>
    </main>
  );
}

/** Who somebody is comes first: without that, nothing is asked for. */
export function App(): JSX.Element {
  const [me, setMe] = useState<ConsoleMe | null>();
  const [why, setWhy] = useState<string>();
  const [failure, setFailure] = useState<Failure>();

  const look = useCallback(async () => {
    try {
      setMe(await whoAmI());
      setFailure(undefined);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.status === 401) setMe(null);
      else setFailure(error);
    }
  }, []);
  useEffect(() => {
    whenSignedOut(() =>
      setMe((before) => {
        if (before) setWhy(OVER);
        return null;
      }),
    );
    void look();
  }, [look]);

  const signOut = async () => {
    await post("/logout", {}).catch(() => undefined);
    setWhy("You have signed out.");
    setMe(null);
  };

  return (
    <>
      <Bar me={me ?? undefined} signOut={() => void signOut()} />
      {failure && !me && (
        <main id="content">
          <Heading title="Not reached">The console is not there</Heading>
          <Problem failure={failure} again={() => void look()} />
        </main>
      )}
      {!failure && me === null && (
        <SignIn
          why={why}
          onSignedIn={() => {
            moved();
            void look();
          }}
        />
      )}
      {me && <View />}
    </>
  );
}
