// The programs that the documentation's commands call, as they are on a person's desk, with what that person types when they ask,
// and the Ctrl-C for those that would go on for ever.
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../docs/blocks.ts";
import { pathOf, programFolder } from "../docs/shell.ts";

const cli = `${process.execPath} ${join(root, "src/cli/main.ts")}`;

const agentpg = (script: string) => `
words=" $* "
if [[ $1 == erase && $words != *" --yes "* && $words != *" --dry-run "* ]]; then
  printf -v line '%q ' ${cli} "$@"
  exec ${script} -qec "$line" /dev/null <<< yes # it asks at a terminal only
elif [[ $1 == chat && $words != *" -m "* ]]; then
  exec ${cli} "$@" <<< "Where is order 1042?"
elif [[ $1 == logs && $words == *" -f "* ]]; then
  ${cli} "$@" > followed.txt &
  for _ in {1..300}; do [[ -s followed.txt ]] && break; sleep 0.1; done
  kill -INT $!
  wait $!
  code=$?
  cat followed.txt
  exit $code
elif [[ $1 == status ]]; then
  ${cli} "$@" || [[ $? == 1 ]] # 1: something is not ready, and other pages make Tenants meanwhile
else
  exec ${cli} "$@"
fi`;

const npm = `
shift # run
[[ $1 == --silent ]] && shift
[[ $1 == agentpg && $2 == -- ]] && exec agentpg "\${@:3}"
echo "npm run $1 is nothing that a page is tested with" >&2
exit 1`;

/** No pod of a healthy release has ended before. */
const kubectl = (program: string) => `
[[ " $* " == *" --previous "* ]] || exec ${program} "$@"
said=$(${program} "$@" 2>&1) || [[ $said == *"previous terminated container"* ]]
code=$?
echo "$said"
exit $code`;

/** Installations are run by upgrade.test.ts; here they are dry runs, beside the release that is there. */
const helm = (program: string) => `
verb=$1
shift
[[ $verb == install ]] && verb=upgrade
exec ${program} "$verb" --install "$@" --dry-run=server > /dev/null`;

/** An agent's name in the cluster is reached by a port-forward. A person types the next line when a forward is up; here it comes at once. */
const curl = (program: string) => `
patient=(${program} --retry 20 --retry-delay 1 --retry-connrefused --max-time 60)
[[ "$*" =~ agent-([a-z]+)\\.([a-z]+)\\.svc:8080 ]] || exec "\${patient[@]}" "$@"
coproc kubectl -n "\${BASH_REMATCH[2]}" port-forward "service/agent-\${BASH_REMATCH[1]}" :8080
read -r line <&"\${COPROC[0]}" # Forwarding from 127.0.0.1:PORT -> 8080
port=\${line#*127.0.0.1:}
"\${patient[@]}" --connect-to "::127.0.0.1:\${port%% *}" "$@"
code=$?
kill "$COPROC_PID"
exit $code`;

/** What entries put in the place of SESSION, RUN and TOOL_USE, and how they look at what came of it. */
const OF_ENTRIES = {
  /** AGENT NAMESPACE: a new session of the default service account. */
  "a-session": `agentpg chat "$1" -n "$2" -m Hello 2>&1 | grep -oE -m 1 '[0-9a-f-]{36}' | head -n 1`,
  /** AGENT NAMESPACE: the session that was opened last. */
  "last-session": `agentpg sessions "$1" -n "$2" --limit 1 -o json | jq -r '.[0].id'`,
  /** AGENT NAMESPACE: the last run of that session. */
  "last-run": `agentpg runs "$1" -n "$2" --session "$(last-session "$1" "$2")" --limit 1 -o json | jq -r '.[0].id'`,
  /** COMMAND: until it succeeds, half a minute at most. */
  soon: `for _ in {1..60}; do eval "$1" && exit 0; sleep 0.5; done; exit 1`,
  /** FIELD: of a refund that waits for the manager of lamps. Somebody asks for one (refund.txt), each time but between runId and toolUseId. */
  "waiting-refund": `
if [[ ! -e refund.json ]]; then
  rm -f refund.txt # what an earlier one said
  agentpg chat cashier -n lamps -m "USE_TOOL 1 refund" > refund.txt 2>&1 &
  until grep -q "waits for your approval" refund.txt 2> /dev/null; do sleep 0.1; done
  agentpg approvals cashier -n lamps --service-account manager -o json > refund.json
fi
jq -r ".[0].$1" refund.json
[[ $1 == runId ]] || rm refund.json`,
};

/** A folder with all of them. @param paths of the real kubectl and helm */
export function typedPrograms(folder: string, paths: { kubectl: string; helm: string }): string {
  const bin = programFolder(folder, "", []);
  const programs: Record<string, string> = {
    agentpg: agentpg(pathOf("script")),
    npm,
    kubectl: kubectl(pathOf(paths.kubectl)),
    helm: helm(pathOf(paths.helm)),
    curl: curl(pathOf("curl")),
    ...OF_ENTRIES,
  };
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
  symlinkSync(pathOf("sleep"), join(bin, "sleep"));
  return bin;
}
