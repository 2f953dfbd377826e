import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../../kubernetes/client.ts";
import { ApiError, ApiUnreachable } from "../../../kubernetes/errors.ts";
import { POD } from "../../../kubernetes/resource-kind.ts";
import type { OperatorConfig } from "../../config.ts";
import { found } from "../../found.ts";
import { dialArguments, listenArguments, PROBE_PODS, type ProbePod, probePod } from "./pods.ts";
import { type Dialled, dialled, type Enforcement, notProbed, verdict } from "./verdict.ts";

const POLL_MS = 500;

interface PodStatus {
  status?: {
    phase?: string;
    podIP?: string;
    message?: string;
    containerStatuses?: {
      state?: { waiting?: { reason?: string; message?: string }; terminated?: { exitCode: number; message?: string } };
    }[];
  };
}

/** A pod did not become what it should; the message says why. */
class ProbeFailed extends Error {
  override readonly name = "ProbeFailed";
}

const statusOf = (it: PodStatus) => it.status?.containerStatuses?.[0]?.state ?? {};
const whyNot = (it: PodStatus | undefined): string =>
  (it && (statusOf(it).waiting?.reason ?? it.status?.message ?? it.status?.phase)) ?? "it is gone";

/** Four pods that live for seconds, and what two of them saw. Leaves none behind, unless this process dies meanwhile. */
export async function probeNetwork(
  client: KubernetesClient,
  config: OperatorConfig,
  signal: AbortSignal,
): Promise<Enforcement> {
  const { namespace, timeoutSeconds } = config.networkProbe;
  const until = AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)]);
  const get = (role: ProbePod) => found(client.get<PodStatus>(POD, PROBE_PODS[role], namespace));
  const removeAll = async () => {
    for (const name of Object.values(PROBE_PODS)) await client.delete(POD, name, namespace);
  };
  const start = async (role: ProbePod, args: string[]) => {
    while ((await get(role)) && !until.aborted) await sleep(POLL_MS); // one of before may be on its way out
    await client.create(POD, probePod(role, args, config), namespace);
  };
  const waitFor = async <T>(role: ProbePod, what: string, look: (it: PodStatus) => T | undefined): Promise<T> => {
    for (;;) {
      const pod = await get(role);
      const seen = pod && look(pod);
      if (seen !== undefined) return seen;
      if (until.aborted || pod === undefined)
        throw new ProbeFailed(
          `Pod ${namespace}/${PROBE_PODS[role]} ${what} within ${timeoutSeconds} s (${whyNot(pod)})`,
        );
      await sleep(POLL_MS, undefined, { signal: until }).catch(() => {});
    }
  };
  const address = (role: ProbePod) =>
    waitFor(role, "did not run", ({ status }) =>
      status?.phase === "Running" && status.podIP ? status.podIP : undefined,
    );
  const told = (role: ProbePod) =>
    waitFor(role, "did not end", (it) => {
      const { terminated } = statusOf(it);
      return terminated && readDialled(terminated.message);
    });

  try {
    await removeAll();
    await Promise.all([start("open", listenArguments), start("closed", listenArguments)]);
    const [open, closed] = await Promise.all([address("open"), address("closed")]);
    await Promise.all([start("free", dialArguments({ open, closed })), start("confined", dialArguments({ open }))]);
    const [free, confined] = await Promise.all([told("free"), told("confined")]);
    await Promise.all([address("open"), address("closed")]); // who listened still does
    return verdict(free, confined);
  } catch (error) {
    const isOutage = error instanceof ProbeFailed || error instanceof ApiError || error instanceof ApiUnreachable;
    if (!isOutage) throw error;
    return notProbed(error.message);
  } finally {
    await removeAll().catch(() => {}); // the next probe begins with that
  }
}

/** @throws ProbeFailed */
function readDialled(message = ""): Dialled {
  try {
    return dialled.parse(JSON.parse(message));
  } catch (cause) {
    throw new ProbeFailed(`a pod of the probe ended without a result: ${message.slice(0, 200) || "it said nothing"}`, {
      cause,
    });
  }
}
