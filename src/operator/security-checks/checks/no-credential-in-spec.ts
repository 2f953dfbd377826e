import { credentialsIn, type FoundCredential } from "../../../telemetry/credentials.ts";
import { isUnseen, type Observation } from "../observation.ts";
import { type Check, failed, passed, some } from "../outcome.ts";

/** `kubectl apply` keeps a copy of the whole object here: what is in it is found in its place. */
const COPY = "kubectl.kubernetes.io/last-applied-configuration";

const annotations = ({ [COPY]: _copy, ...others }: Record<string, string>) => others;

function credentials({ tenant, agents, texts, pods }: Observation): FoundCredential[] {
  const objects = [
    ["Tenant", tenant] as const,
    ...agents.map((agent) => [`Agent ${agent.metadata.name}`, agent] as const),
  ];
  return [
    ...objects.flatMap(([name, { metadata, spec }]) => [
      ...credentialsIn(spec, `${name} spec`),
      ...credentialsIn(annotations(metadata.annotations), `${name} metadata.annotations`),
    ]),
    ...texts.flatMap(({ where, text }) => credentialsIn(text, where)),
    ...(isUnseen(pods) ? [] : pods.flatMap(({ metadata, spec }) => credentialsIn(spec, `Pod ${metadata.name} spec`))),
  ];
}

/** No text of the tenant's objects has the form of a key, a token or a password: those belong in Secrets. */
export const noCredentialInSpec: Check = {
  name: "NoCredentialInSpec",
  decide(observed) {
    const found = credentials(observed);
    if (found.length > 0)
      return failed(
        "CredentialInSpec",
        `${some(found.map(({ path, kind }) => `${path} looks like ${kind}`))}: put it in a Secret, and replace it where it came from, as it can be read by all who may read these objects`,
      );
    return passed(
      "NoneFound",
      "searched the specs and annotations of the Tenant, its Agents, the ConfigMaps they name and the pods for texts of the form of keys, tokens and passwords",
    );
  },
};
