import type { Mutant } from "../mutant.ts";

const file = "charts/agentpg/templates/admission-policies.yaml";
const SUITE = "test/operator/admission-policies.test.ts";
/** A rule of the chart, weakened, and the pod that has to be refused for it all the same. */
const rule = (weakness: string, from: string, to: string, tests: string): Mutant => ({
  weakness,
  file,
  from,
  to,
  killedBy: [{ file: SUITE, tests }],
});
/** The rule holds always: as if it were not there. */
const gone = (weakness: string, from: string, tests: string) => rule(weakness, from, "true", tests);
const aPodWith = (what: string) => `with ${what} is refused`;
const byNobodyElse = (what: string) => `is made by nobody else, the administrator included: ${what}`;
const evenThen = (what: string) => `is refused even then with ${what}`;

const OTHER_KINDS = "dyn(object.spec.?initContainers.orValue([])) + dyn(object.spec.?ephemeralContainers.orValue([]))";
const OF_RESTRICTED = '"\n    - name: handlers';
const OF_SECRETS = "variables.isOurs || !variables.isNew || variables.volumes.all(";

/** Pod Security `restricted`, once more, by the chart's policy: rule by rule. */
const RESTRICTED: Mutant[] = [
  gone("a pod may have the node's network", "!object.spec.?hostNetwork.orValue(false)", aPodWith("the node's network")),
  gone("a pod may see the node's processes", "!object.spec.?hostPID.orValue(false)", aPodWith("the node's processes")),
  gone("a pod may use the node's IPC", "!object.spec.?hostIPC.orValue(false)", aPodWith("the node's IPC")),
  gone(
    "a pod may take a port of the node",
    "variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))",
    aPodWith("a port of the node"),
  ),
  rule(
    "HTTP probes and hooks may ask other hosts",
    "h.?httpGet.?host.orValue('') == '' && ",
    "",
    aPodWith("a probe of another host"),
  ),
  rule(
    "TCP probes may ask other hosts",
    " && h.?tcpSocket.?host.orValue('') == ''",
    "",
    aPodWith("a TCP probe of another host"),
  ),
  rule("hooks are not looked at", ", c.?lifecycle.?preStop, c", ", c", aPodWith("a hook to another host")),
  rule(
    "a pod may be a process of a Windows host",
    "!object.spec.?securityContext.?windowsOptions.?hostProcess.orValue(false)",
    "true",
    aPodWith("a Windows host process"),
  ),
  rule(
    "a pod may mount folders of the node",
    "variables.volumes.all(v, has(v.configMap) ||",
    "variables.volumes.all(v, has(v.hostPath) || has(v.configMap) ||",
    aPodWith("a folder of the node"),
  ),
  gone(
    "a container may have all privileges",
    "variables.containers.all(c, !c.?securityContext.?privileged.orValue(false))",
    aPodWith("all privileges"),
  ),
  rule(
    "a container that says nothing of it may gain privileges",
    "allowPrivilegeEscalation.orValue(true)",
    "allowPrivilegeEscalation.orValue(false)",
    aPodWith("escalation left open"),
  ),
  rule(
    "a container may keep capabilities",
    "exists(it, it == 'ALL')",
    "exists(it, it != '')",
    aPodWith("capabilities kept"),
  ),
  rule(
    "a container may add capabilities",
    ".all(it, it == 'NET_BIND_SERVICE')",
    ".all(it, it != '')",
    aPodWith("a capability added"),
  ),
  rule(
    "a pod that says nothing of it may run as root",
    "object.spec.?securityContext.?runAsNonRoot.orValue(false)))",
    "object.spec.?securityContext.?runAsNonRoot.orValue(true)))",
    aPodWith("no word of root"),
  ),
  rule(
    "what a pod says of root is not looked at",
    `object.spec.?securityContext.?runAsNonRoot.orValue(true)
        && `,
    "",
    aPodWith("root allowed in the pod"),
  ),
  rule(
    "a pod may have the uid 0",
    "object.spec.?securityContext.?runAsUser.orValue(1) != 0 && ",
    "",
    aPodWith("uid 0 in the pod"),
  ),
  rule(
    "a container may have the uid 0",
    " && variables.containers.all(c, c.?securityContext.?runAsUser.orValue(1) != 0)",
    "",
    aPodWith("uid 0 in a container"),
  ),
  rule(
    "a pod may go without seccomp when it says nothing of it",
    "object.spec.?securityContext.?seccompProfile.?type.orValue(''))",
    "object.spec.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault'))",
    aPodWith("no seccomp profile"),
  ),
  rule(
    "a pod may turn seccomp off",
    `object.spec.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault') in ['RuntimeDefault', 'Localhost']
        && `,
    "",
    aPodWith("no seccomp in the pod"),
  ),
  rule(
    "a container may turn AppArmor off",
    "          c.?securityContext.?appArmorProfile.?type.orValue('RuntimeDefault') in ['RuntimeDefault', 'Localhost']",
    "          true",
    aPodWith("no AppArmor"),
  ),
  rule(
    "a pod may have any SELinux type",
    "'container_kvm_t', 'container_engine_t']",
    "'container_kvm_t', 'container_engine_t', 'spc_t']",
    aPodWith("an SELinux type"),
  ),
  gone(
    "a container may see all of /proc",
    "variables.containers.all(c, c.?securityContext.?procMount.orValue('Default') == 'Default')",
    aPodWith("unmasked /proc"),
  ),
  rule(
    "a pod may set sysctls of the node",
    "all(it, it.name in ['kernel.shm_rmid_forced',",
    "all(it, it.name in ['kernel.msgmax', 'kernel.shm_rmid_forced',",
    aPodWith("an unsafe sysctl"),
  ),
  rule(
    "init containers are not looked at",
    `${OTHER_KINDS}${OF_RESTRICTED}`,
    `dyn(object.spec.?ephemeralContainers.orValue([]))${OF_RESTRICTED}`,
    aPodWith("a weak init container"),
  ),
  rule(
    "debug containers are not looked at",
    `${OTHER_KINDS}${OF_RESTRICTED}`,
    `dyn(object.spec.?initContainers.orValue([]))${OF_RESTRICTED}`,
    "gets no weak container afterwards",
  ),
  rule(
    "what is added to a pod that runs is not looked at",
    `    - name: spec-is-new
      expression: "request.operation == 'CREATE' || object.spec != oldObject.spec"`,
    `    - name: spec-is-new
      expression: "request.operation == 'CREATE'"`,
    "gets no weak container afterwards",
  ),
];

/** Who may be an agent's or a key broker's pod, and what such pods may have. */
const AGENTS: Mutant[] = [
  rule(
    "anybody makes an agent's pod",
    "request.userInfo.username in ['system:serviceaccount:kube-system:replicaset-controller', 'system:kube-controller-manager']",
    "request.userInfo.username != ''",
    byNobodyElse("a pod by hand"),
  ),
  rule(
    "a key broker's pod is anybody's",
    `variables.isAgent || object.metadata.?labels[?'app.kubernetes.io/name'].orValue('') == 'agentpg-broker'`,
    "variables.isAgent",
    byNobodyElse("a pod with the label of a key broker"),
  ),
  rule(
    "a pod is an agent's by the one label only",
    `object.metadata.?labels[?'app.kubernetes.io/name'].orValue('') == 'agentpg-agent'
        || object.metadata.?labels[?'agentpg.dev/agent'].hasValue()`,
    "object.metadata.?labels[?'app.kubernetes.io/name'].orValue('') == 'agentpg-agent'",
    byNobodyElse("a pod with one of the labels"),
  ),
  rule(
    "a pod becomes an agent's by labels that it gets afterwards",
    "request.operation == 'CREATE' || !variables.isOurs ||",
    "request.operation != '' || !variables.isOurs ||",
    "is not made of another pod",
  ),
  rule(
    "any pod may have an agent's service account",
    "!object.spec.?serviceAccountName.orValue('').startsWith('agent-')",
    "true",
    byNobodyElse("an agent's service account"),
  ),
  rule(
    "any pod may mount a tenant's database login",
    `${OF_SECRETS}v, !(v.?secret.?secretName.orValue('') in variables.secrets)`,
    `${OF_SECRETS}v, true`,
    byNobodyElse("the database login as a volume"),
  ),
  rule(
    "any pod may project a tenant's transcript keys",
    ".all(s, !(s.?secret.?name.orValue('') in variables.secrets))",
    ".all(s, true)",
    byNobodyElse("the transcript keys, projected"),
  ),
  rule(
    "a variable may hold the database login",
    "!(e.?valueFrom.?secretKeyRef.?name.orValue('') in variables.secrets)",
    "true",
    evenThen("the database login in its environment"),
  ),
  rule(
    "the environment may hold the database login whole",
    "!(e.?secretRef.?name.orValue('') in variables.secrets)",
    "true",
    byNobodyElse("the database login as environment"),
  ),
  rule(
    "an agent's pod may have a writable root file system",
    "c.?securityContext.?readOnlyRootFilesystem.orValue(false)",
    "true",
    evenThen("a writable root file system"),
  ),
  rule(
    "an agent's pod may have a token for the API server",
    "!object.spec.?automountServiceAccountToken.orValue(true)",
    "true",
    evenThen("the default token asked for"),
  ),
  rule(
    "an agent's pod may have tokens for anybody",
    "variables.isAgent && s.serviceAccountToken.?audience.orValue('') == 'agentpg-broker'",
    "variables.isAgent",
    evenThen("a token for another audience"),
  ),
  rule(
    "a key broker's pod may have a token",
    "variables.isAgent && s.serviceAccountToken.?audience",
    "s.serviceAccountToken.?audience",
    "the broker's own may not",
  ),
  rule(
    "an agent's pod may go without a memory limit",
    "c.?resources.?limits[?'memory'].hasValue()",
    "true",
    evenThen("no memory limit"),
  ),
  rule(
    "an agent's pod may be debugged",
    "size(object.spec.?ephemeralContainers.orValue([])) == 0",
    "true",
    "gets no debug container",
  ),
  rule(
    "containers of an agent's pod may share processes",
    "!object.spec.?shareProcessNamespace.orValue(false)",
    "true",
    evenThen("shared processes"),
  ),
  rule(
    "anybody makes a Deployment whose pods are an agent's",
    "(request.kind.kind == 'Deployment' ? variables.operators : variables.controllers)",
    "(request.kind.kind == 'Deployment' ? [request.userInfo.username] : variables.controllers)",
    byNobodyElse("a Deployment"),
  ),
  rule(
    "anybody makes a ReplicaSet whose pods are an agent's",
    "(request.kind.kind == 'Deployment' ? variables.operators : variables.controllers)",
    "(request.kind.kind == 'Deployment' ? variables.operators : [request.userInfo.username])",
    byNobodyElse("a ReplicaSet"),
  ),
  rule(
    "workloads whose pods are a key broker's are anybody's",
    "in ['agentpg-agent', 'agentpg-broker']",
    "in ['agentpg-agent']",
    byNobodyElse("a key broker's Deployment"),
  ),
  rule(
    "the template of an agent's Deployment may be changed by others",
    "request.operation == 'CREATE' || object.spec.?template != oldObject.spec.?template",
    "request.operation == 'CREATE'",
    "is not made of another pod, nor its Deployment's template changed",
  ),
];

/** What whoever has the operator's token may not do. */
const OPERATOR: Mutant[] = [
  gone(
    "the operator may bind its role in any namespace",
    "namespaceObject.metadata.?labels[?'agentpg.dev/tenant'].hasValue()",
    "binds its role in a tenant's namespace, and in no other",
  ),
  rule(
    "the operator may make bindings of any name",
    "object.metadata.name == 'agentpg-operator' && ",
    "",
    "binds it to nobody else, under no other name",
  ),
  rule(
    "the operator may bind its role to others",
    "s.kind == 'ServiceAccount' && s.name == '%s' && s.?namespace.orValue('') == '%s'",
    "'%s' != '' && '%s' != '' && s.kind != ''",
    "binds it to nobody else, under no other name",
  ),
  gone(
    "the operator may make any namespace a tenant's",
    "oldObject.metadata.?labels[?'agentpg.dev/tenant'].hasValue() || oldObject.metadata.?labels[?'agentpg.dev/tenant-uid'].hasValue()",
    "makes no namespace a tenant's",
  ),
  gone(
    "the operator may delete namespaces that it did not make",
    "request.operation != 'DELETE' || oldObject.metadata.?annotations[?'agentpg.dev/created'].hasValue()",
    "makes no namespace a tenant's",
  ),
  gone(
    "the operator may make a namespace its own afterwards",
    "request.operation != 'UPDATE' || object.metadata.?annotations[?'agentpg.dev/created'].hasValue() == oldObject.metadata.?annotations[?'agentpg.dev/created'].hasValue()",
    "makes no namespace a tenant's",
  ),
];

/** What the API server itself refuses, by the chart's ValidatingAdmissionPolicies. */
export const ADMISSION: Mutant[] = [...RESTRICTED, ...AGENTS, ...OPERATOR];
