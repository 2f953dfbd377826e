/** As much of a pod as the checks look at. */
export interface PodManifest {
  metadata: { name: string; labels?: Record<string, string> };
  spec: {
    automountServiceAccountToken?: boolean;
    hostNetwork?: boolean;
    hostPID?: boolean;
    hostIPC?: boolean;
    securityContext?: SecurityContext;
    volumes?: Volume[];
    containers?: Container[];
    initContainers?: Container[];
    ephemeralContainers?: Container[];
  };
  status?: { phase?: string };
}

export interface SecurityContext {
  runAsNonRoot?: boolean;
  runAsUser?: number;
  privileged?: boolean;
  allowPrivilegeEscalation?: boolean;
  readOnlyRootFilesystem?: boolean;
  seccompProfile?: { type?: string };
  capabilities?: { add?: string[]; drop?: string[] };
}

export interface Container {
  name: string;
  env?: { name: string; value?: string; valueFrom?: FromSecret }[];
  envFrom?: FromSecret[];
  args?: string[];
  command?: string[];
  securityContext?: SecurityContext;
}

export type Volume = { name: string } & Record<string, unknown>;

/** Of a volume. */
export interface Projected {
  sources?: { serviceAccountToken?: { audience?: string }; secret?: { name?: string } }[];
}

/** Of a container's environment. */
export interface FromSecret {
  secretKeyRef?: { name?: string };
  secretRef?: { name?: string };
}
