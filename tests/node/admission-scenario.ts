/**
 * A client of servers that are not ours, for `tests/interop`: `ADDRESS ROOT NAME ..` prints what comes of connecting, and
 * which of the named services may be called, as JSON. An empty ROOT: no root key; `FOREIGN` allows other endpoints.
 */
import { AdmissionDeniedError, AsterClient, ConnectionLostError, TrustDomainError } from "@aster/rpc";
import { Rpc, Service, f, wireType } from "@aster/rpc";

class Num extends wireType("admission/Num", { value: f.int() }) {}
const method = Rpc({ request: Num, response: Num });
const declared = {
  Billing: Service({ name: "Billing", methods: { pay: method } })(class { pay(request: Num): Num { return request; } }),
  AgentSession: Service({ name: "AgentSession", scoped: "session", methods: { go: method } })(
    class { go(request: Num): Num { return request; } },
  ),
};

const [address = "", root = "", ...names] = process.argv.slice(2);
const options = { address, allowForeignChannels: process.env["FOREIGN"] !== undefined, ...(root === "" ? {} : { rootPubkey: root }) };

/** Tells how a failure is called in the vectors. */
function called(error: unknown): string {
  if (error instanceof AdmissionDeniedError) return "denied";
  if (error instanceof TrustDomainError) return "trust_domain_mismatch";
  return error instanceof ConnectionLostError ? "protocol_error" : String(error);
}

async function connected(): Promise<object> {
  await using client = await AsterClient.connect(options);
  const usable: string[] = [];
  for (const name of names as (keyof typeof declared)[]) {
    // A session that cannot be opened at the fake is a service that was found nevertheless.
    const refused = await client.client<object>(declared[name]).then(() => undefined, (error: unknown) => error);
    if (!(refused instanceof AdmissionDeniedError)) usable.push(name);
  }
  const { attributes, registryNamespace, gossipTopic } = client;
  return { client: "accept", usable, attributes, registryNamespace, gossipTopic };
}

console.log(JSON.stringify(await connected().catch((error: unknown) => ({ client: called(error) }))));
