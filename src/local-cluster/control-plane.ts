import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "../telemetry/progress.ts";
import { apiClient } from "./api-client.ts";
import { type Component, failIfEnded, startComponent, stopComponent } from "./component.ts";
import { apiServerArguments, controllerManagerArguments, etcdArguments } from "./control-plane-arguments.ts";
import { auditLogPath, type ControlPlaneConfig, serverUrl, writeControlPlaneFiles } from "./control-plane-config.ts";
import { freePorts } from "./ports.ts";
import { ensureTools } from "./tools.ts";
import { until } from "./wait.ts";

export interface ControlPlaneOptions {
  /** For thousands of objects: its memory is collected as everywhere. */
  isLarge?: boolean;
  progress: Progress;
  /** Part of the temporary folder's name. */
  name?: string;
  /** Writes every request's metadata to `auditLog`. */
  auditLog?: boolean;
  /** Namespaces get finalized, garbage collected, ServiceAccounts made only with it. */
  controllerManager?: boolean;
  /** More arguments for kube-apiserver, such as `--feature-gates=…`. */
  apiServerArguments?: string[];
  signal?: AbortSignal;
}

export interface ControlPlane {
  kubeconfig: string;
  serverUrl: string;
  /** The path of the audit log, JSON lines, when it was asked for. */
  auditLog: string | undefined;
  /** What happens to a control plane, for tests of what its clients do then. */
  faults: ControlPlaneFaults;
  /** Ends all of it and removes its files. May be called again. */
  stop(): Promise<void>;
}

export interface ControlPlaneFaults {
  /** Where etcd answers, over HTTP and without TLS. */
  etcdUrl: string;
  /** The path of the key that service-account tokens are signed with (PKCS #8, RS256). */
  tokenKey: string;
  /** Stops etcd as it is (SIGSTOP), or lets it go on. */
  pauseEtcd(paused: boolean): void;
  /** Kills the API server, and starts it again after `meanwhile`. */
  restartApiServer(meanwhile?: () => Promise<void>): Promise<void>;
}

/** Short lives, many of them at once: memory is cheaper than processor time. Near the limit it would be collected without pause. */
const LAZY_COLLECTION = { GOGC: "400", GOMEMLIMIT: "800MiB" };

async function loopbackConfig(options: ControlPlaneOptions): Promise<ControlPlaneConfig> {
  const folder = await mkdtemp(join(tmpdir(), `agentpg-${options.name ?? "control-plane"}-`));
  const [port = 0, etcdPort = 0, etcdPeerPort = 0] = await freePorts(3);
  const config = { folder, port, etcdPort, etcdPeerPort, address: "127.0.0.1", serviceCidr: "10.96.0.0/16" };
  return {
    ...config,
    serviceAddress: "10.96.0.1",
    audit: options.auditLog ?? false,
    apiServerArguments: options.apiServerArguments ?? [],
  };
}

/**
 * An API server with its etcd and nothing else, on loopback, in a temporary folder: for tests of what only needs the API.
 * No root, no node: pods stay Pending. Ends with this process, however that ends. Seconds, once the programs are built.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const withManager = options.controllerManager ? (["kube-controller-manager"] as const) : [];
  const tools = await ensureTools(["etcd", "kube-apiserver", ...withManager], options.progress, options.signal);
  const config = await loopbackConfig(options);
  const running: Component[] = [];
  const start = (name: keyof typeof tools, args: string[]) => {
    const component = startComponent(name, ...withParent(tools[name], args), {
      logFile: join(config.folder, `${name}.log`),
      env: {
        PATH: process.env["PATH"] ?? "/usr/bin:/bin",
        HOME: config.folder,
        ...(options.isLarge ? {} : LAZY_COLLECTION),
      },
      detached: false,
    });
    running.push(component);
    return component;
  };
  const stop = async () => {
    await Promise.all(running.splice(0).map((component) => stopComponent(component)));
    await rm(config.folder, { recursive: true, force: true });
  };
  try {
    const faults = await options.progress.step("starting etcd and kube-apiserver", async () => {
      await mkdir(join(config.folder, "etcd"), { mode: 0o700 });
      const { admin } = await writeControlPlaneFiles(config);
      const etcd = start("etcd", etcdArguments(config));
      let apiServer = start("kube-apiserver", apiServerArguments(config));
      const ready = async (path: string) => {
        const api = apiClient(admin);
        const isReady = async () => {
          for (const component of running) await failIfEnded(component);
          return api.get(path);
        };
        await until("the API server", isReady, { seconds: 60, everyMs: 50, signal: options.signal });
        api.close();
      };
      await ready("/readyz");
      if (options.controllerManager) {
        start("kube-controller-manager", controllerManagerArguments(config)); // it waits 10 s for an API server, and then ends
        await ready("/api/v1/namespaces/default/serviceaccounts/default");
      }
      return {
        etcdUrl: `http://127.0.0.1:${config.etcdPort}`,
        tokenKey: join(config.folder, "pki", "sa.key"),
        pauseEtcd: (paused: boolean) => void etcd.child.kill(paused ? "SIGSTOP" : "SIGCONT"),
        async restartApiServer(meanwhile = async () => {}) {
          running.splice(running.indexOf(apiServer), 1);
          await stopComponent(apiServer, 0);
          await meanwhile();
          apiServer = start("kube-apiserver", apiServerArguments(config));
          await ready("/readyz");
        },
      };
    });
    const auditLog = config.audit ? auditLogPath(config.folder) : undefined;
    return { kubeconfig: join(config.folder, "kubeconfig"), serverUrl: serverUrl(config), auditLog, faults, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** On Linux the kernel ends the program when this process is gone, even if it was killed. */
function withParent(command: string, args: string[]): [string, string[]] {
  if (process.platform !== "linux") return [command, args];
  return ["setpriv", ["--pdeathsig", "KILL", command, ...args]];
}
