// A gated server: nobody gets in without a credential, and a method needs a role.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AdmissionDeniedError,
  AsterClient,
  AsterConfig,
  AsterServer,
  ConsumerEnrollmentCredential,
  PermissionDeniedError,
  Rpc,
  Service,
  consumerCredToJson,
  f,
  generateRootKeypair,
  signCredential,
  wireType,
} from "@aster/rpc";

class StatusQuery extends wireType("demo/StatusQuery", { agent: f.string() }) {}
class AgentStatus extends wireType("demo/AgentStatus", { agent: f.string(), state: f.string() }) {}

@Service({ name: "Mission" })
class Mission {
  @Rpc({ request: StatusQuery, response: AgentStatus, requires: "ops.status" })
  async status({ agent }: StatusQuery): Promise<AgentStatus> {
    return new AgentStatus({ agent, state: "running" });
  }

  @Rpc({ request: StatusQuery, response: AgentStatus, requires: "ops.admin" })
  async stop({ agent }: StatusQuery): Promise<AgentStatus> {
    return new AgentStatus({ agent, state: "stopped" });
  }
}

// The operator keeps the seed; servers know the public key.
const { seed, publicKey: rootPubkey } = generateRootKeypair();
const config = new AsterConfig({ relayMode: "disabled" });
await using server = await AsterServer.start({ services: [new Mission()], config, rootPubkey });

const stranger = new AsterClient({ address: server.address, config });
await stranger.connect().catch((error: unknown) => console.log(error instanceof AdmissionDeniedError ? "denied" : error));

const credential = new ConsumerEnrollmentCredential({
  credentialType: "policy",
  rootPubkey,
  expiresAt: Math.floor(Date.now() / 1000) + 3600,
  attributes: { "aster.name": "ann", "aster.role": "ops.status" },
});
credential.signature = signCredential(credential, seed);
const folder = mkdtempSync(join(tmpdir(), "aster-auth-"));
const enrollmentCredentialFile = join(folder, "ann.cred");
writeFileSync(enrollmentCredentialFile, consumerCredToJson(credential), { mode: 0o600 });
try {
  await using client = await AsterClient.connect({ address: server.address, config, rootPubkey, enrollmentCredentialFile });
  const mission = await client.client(Mission);
  console.log((await mission.status({ agent: "edge-1" })).state);
  await mission.stop({ agent: "edge-1" }).catch((error: unknown) => {
    console.log(error instanceof PermissionDeniedError ? error.codeName : error);
  });
} finally {
  rmSync(folder, { recursive: true });
}
