import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { BROKER_AUDIENCE } from "../../src/api/broker-config.ts";
import { startBroker } from "../../src/broker/broker.ts";
import { parseBrokerConfig } from "../../src/broker/config.ts";
import { readEnvironment } from "../../src/runtime/config.ts";
import { createLogger } from "../../src/telemetry/log.ts";
import { SecretVolume, type World } from "../runtime/fixture.ts";

const ISSUER = "https://issuer.example.com";

/** A tenant's key broker in this process. */
export interface FieldBroker {
  /** Where its metrics are: host and port. */
  metricsAddress: string;
  /** One call that is answered, and one whose token is no good. */
  work(): Promise<void>;
  stop(): Promise<void>;
}

export async function fieldBroker(world: World): Promise<FieldBroker> {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const access = new SecretVolume(join(world.folder, "access"));
  const keys = [{ ...(await exportJWK(publicKey)), kid: "one", alg: "RS256" }];
  await access.publish({ "jwks.json": JSON.stringify({ keys }) });
  const config = parseBrokerConfig(
    JSON.stringify({
      tenant: world.tenant,
      issuer: ISSUER,
      allowedModels: [],
      budget: { perDay: { usd: "50" } },
      anthropicBaseUrl: world.claudeUrl,
    }),
  );
  const env = readEnvironment(world.environment({ AGENTPG_ACCESS_DIR: access.path }));
  const broker = await startBroker({ config, env }, createLogger("agentpg-broker", "fatal"));
  const token = await new SignJWT({
    "kubernetes.io": {
      namespace: "acme",
      pod: { name: "agent-support-1", uid: randomUUID() },
      serviceaccount: { name: "agent-support" },
    },
  })
    .setProtectedHeader({ alg: "RS256", kid: "one" })
    .setIssuer(ISSUER)
    .setAudience(BROKER_AUDIENCE)
    .setSubject("system:serviceaccount:acme:agent-support")
    .setIssuedAt()
    .setExpirationTime("10m")
    .sign(privateKey);
  const ask = (bearer: string) =>
    fetch(`http://127.0.0.1:${broker.port}/v1/messages`, {
      method: "POST",
      headers: { authorization: `Bearer ${bearer}`, "anthropic-version": "2026-10-21" },
      body: JSON.stringify({
        model: "claude-sonnet-5-5",
        max_tokens: 10,
        messages: [{ role: "user", content: "Hello" }],
      }),
    }).then((it) => it.text());
  return {
    metricsAddress: `127.0.0.1:${broker.metricsPort}`,
    async work() {
      await ask(token);
      await ask("none");
    },
    stop: () => broker.stop(0),
  };
}
