/** What servers publish and clients find, over loopback. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  AsterClient,
  AsterServer,
  ContractManifest,
  type EndpointLease,
  InvalidStateError,
  type RegistryClient,
  Rpc,
  RegistryACL,
  Service,
  ServiceNotFoundError,
  contractIdFromService,
  f,
  fetchContract,
  publishContract,
  withOptions,
  wireType,
} from "@aster/rpc";
import { Plain, PlainSession, everything } from "./plain-service.js";
import { failure, local, pair } from "./support.js";

/** Waits until what the registry holds is as it should be; gives what `look` found. */
async function until<T>(registry: RegistryClient, look: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  for await (const _ of registry.onChange()) {
    const found = await look().catch((error: unknown) => {
      if (error instanceof ServiceNotFoundError) return undefined;
      throw error;
    });
    if (found !== undefined && holds(found)) return found;
  }
  throw new Error("the registry was left");
}

test("proxies find the contract by themselves", async (t) => {
  const plain = new Plain();
  const warnings: string[] = [];
  const warned = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  const { client } = await pair(t, [plain, PlainSession]);
  const got = await client.proxy<"echo">("Plain").echo(everything());
  // Only with their types these are what they are.
  assert.ok(got["at"] instanceof Date && got["raw"] instanceof Uint8Array && got["tags"] instanceof Set);
  await using session = await client.session<"up">("PlainSession");
  assert.deepEqual(await session.up.stream({ value: 1n }).next(), { done: false, value: { value: 1 } });
  assert.deepEqual(warnings.filter((text) => text.includes("contract")), []);
});

test("a contract that cannot be had is told", async (t) => {
  const { client } = await pair(t, [new Plain()]);
  const told = new Promise<Error>((resolve) => {
    const warned = (warning: Error): void => {
      if (!warning.message.includes("contract")) return;
      process.off("warning", warned);
      resolve(warning);
    };
    process.on("warning", warned);
  });
  // As for a service whose contract is not published.
  const { discovery } = client as unknown as { discovery: { of(summary: object, int64: string): { ready: Promise<void>; plan: unknown } } };
  const known = discovery.of({ name: "Nobody", version: 3, contractId: "0".repeat(64) }, "auto");
  await known.ready;
  assert.equal(known.plan, null);
  const { name, message } = await told;
  assert.equal(name, "AsterWarning");
  assert.match(message, /^contract of 'Nobody' v3 is unavailable: using JSON \(Service 'Nobody' not found/);
});

test("a server publishes, a client resolves", async (t) => {
  const { server, client } = await pair(t, [new Plain()]);
  const { registry } = client;
  assert.equal(client.registry, registry);
  assert.equal(server.registry.namespace, client.registryNamespace);
  assert.match(server.registry.authorId, /^[0-9a-f]{64}$/);
  const contractId = contractIdFromService(Plain);
  const lease = await until(registry, () => registry.resolve("Plain"), ({ healthStatus }) => healthStatus === "ready");
  const { endpointId, service, version, languageRuntime, serializationModes } = lease;
  assert.deepEqual(
    { endpointId, service, version, languageRuntime, serializationModes, contractId: lease.contractId },
    { endpointId: server.endpointId, service: "Plain", version: 1, languageRuntime: "typescript", serializationModes: ["fory1", "json"], contractId },
  );
  assert.equal(lease.leaseExpiresEpochMs, lease.updatedAtEpochMs + 45_000);
  assert.ok(lease.directAddrs.length > 0 && lease.leaseSeq >= 1 && lease.leaseEpoch > 0);
  const same = { version: 1, contractId, strategy: "least_load", modes: ["fory1"] } as const;
  assert.deepEqual((await registry.resolveAll("Plain", same)).map((one) => one.endpointId), [server.endpointId]);
  assert.deepEqual(await registry.explain("Plain"), [{ endpointId, dropped: null }]);
  assert.deepEqual((await client.producers("Plain")).map((one) => one.endpointId), [endpointId]);
  assert.deepEqual(await client.producers("Nobody"), []);
  for (const wish of [registry.resolve("Nobody"), registry.resolve("Plain", { version: 9 }), registry.resolve("Plain", { modes: ["row"] })]) {
    await failure(wish, ServiceNotFoundError);
  }
  await failure(registry.resolve("Plain", { strategy: "best" as never }), TypeError);
  await failure(registry.resolve("Plain", { nope: 1 } as never), TypeError);

  const manifest = await registry.fetchContract("Plain");
  assert.deepEqual([manifest.contractId, manifest.verified], [contractId, true]);
  // Who has published it first in this process: what is known by its own id is not fetched again.
  assert.match(manifest.data["published_by"] as string, /^[0-9a-f]{64}$/);
  assert.equal((await fetchContract(client, "Plain", 1)).contractId, contractId);
  await failure(fetchContract(client, "Plain", 2), ServiceNotFoundError);
  await failure(registry.fetchContract("Nobody"), ServiceNotFoundError);
  assert.equal((await publishContract(server, Plain)).toJson(), ContractManifest.fromService(Plain).toJson());
  await failure(publishContract(server, PlainSession), ServiceNotFoundError);
  const [artifact] = await until(registry, () => registry.artifacts(), (found) => found.length > 0);
  assert.deepEqual([artifact?.contractId, artifact?.collectionFormat, artifact?.providerEndpointId], [contractId, "index", endpointId]);

  server.registry.setHealth("degraded");
  await until(registry, () => registry.resolve("Plain"), ({ healthStatus }) => healthStatus === "degraded");
  assert.throws(() => server.registry.setHealth("fine" as never), TypeError);
});

test("a registry stays where it is kept", async (t) => {
  const storagePath = mkdtempSync(join(tmpdir(), "aster-"));
  t.after(() => rmSync(storagePath, { recursive: true }));
  const config = Object.assign(local(), { storagePath });
  const names: string[][] = [];
  const epochs: number[] = [];
  for (let start = 0; start < 2; start++) {
    await using server = await AsterServer.start({ services: [new Plain()], config });
    await using client = await AsterClient.connect({ address: server.address, config: local() });
    names.push([server.registry.namespace, server.registry.authorId, server.endpointId]);
    const { registry } = client;
    // The leases of the start before are there, too.
    const mine = ({ leaseEpoch }: EndpointLease): boolean => leaseEpoch > (epochs[0] ?? 0);
    epochs.push((await until(registry, () => registry.resolve("Plain"), mine)).leaseEpoch);
  }
  assert.deepEqual(names[0], names[1]);
  assert.ok((epochs[1] ?? 0) > (epochs[0] ?? 0));
  const [[namespace = ""] = []] = names;
  const unknown = { services: [new Plain()], config, registryNamespace: "ab".repeat(32) };
  await assert.rejects(AsterServer.start(unknown), /ab/);
  await using again = await AsterServer.start({ ...unknown, registryNamespace: namespace });
  assert.equal(again.registry.namespace, namespace);
});

test("the iteration over changes ends", async (t) => {
  const { client } = await pair(t, [new Plain()]);
  const changes = client.registry.onChange();
  assert.equal((await changes.next()).done, false);
  const waiting = (async () => {
    for await (const _ of changes);
  })();
  await changes.return?.();
  await waiting;
  assert.deepEqual(await changes.next(), { done: true, value: undefined });
  const others = client.registry.onChange();
  await client.close();
  for await (const _ of others);
});

test("a client connects afresh", async (t) => {
  const { client } = await pair(t, [new Plain()]);
  const proxy = client.proxy<"twice">("Plain");
  assert.equal(await proxy.twice(1), 2);
  const before = client.registry;
  await client.reconnect();
  assert.notEqual(client.registry, before);
  assert.equal(await proxy.twice(2), 4);
  assert.equal((await client.registry.fetchContract("Plain")).service, "Plain");
  await client.close();
  await failure(client.reconnect(), InvalidStateError);
});

class Who extends wireType("registry/Who", { name: f.string() }) {}

const methods = { who: Rpc({ request: Who, response: Who, idempotent: true }) };

const Named = Service({ name: "Named", methods })(
  class {
    readonly #name: string;
    constructor(name: string) {
      this.#name = name;
    }
    async who(): Promise<Who> {
      return new Who({ name: this.#name });
    }
  },
);
const NamedSession = Service({ name: "NamedSession", scoped: "session", methods })(class extends Named {});

function named(name: string): [object, { service: typeof NamedSession; factory: () => object }] {
  return [new Named(name), { service: NamedSession, factory: () => new NamedSession(name) }];
}

async function fleet(t: TestContext): Promise<{ servers: AsterServer[]; client: AsterClient }> {
  const first = await AsterServer.start({ services: named("first"), config: local() });
  t.after(() => first.close());
  const registryTicket = await first.registry.share("write");
  const second = await AsterServer.start({ services: named("second"), config: local(), registryTicket });
  t.after(() => second.close());
  assert.equal(second.registry.namespace, first.registry.namespace);
  await failure(second.registry.allowAuthor("nope"), TypeError);
  await new RegistryACL(first.registry).addWriter(second.registry.authorId);
  const client = await AsterClient.connect({ address: first.address, config: local() });
  t.after(() => client.close());
  return { servers: [first, second], client };
}

test("calls go to all servers of a service, and on when one is gone", async (t) => {
  const { servers, client } = await fleet(t);
  const ready = (found: EndpointLease[]): boolean => found.length === 2 && found.every((one) => one.healthStatus === "ready");
  await until(client.registry, () => client.registry.resolveAll("Named"), ready);
  const stub = withOptions(await client.client(Named, { resolve: "registry", strategy: "round_robin" }), { timeout: 20_000 });
  const names = async (calls: number): Promise<string[]> => {
    const seen = new Set<string>();
    for (let call = 0; call < calls; call++) seen.add((await stub.who({ name: "" })).name);
    return [...seen].sort();
  };
  assert.deepEqual(await names(4), ["first", "second"]);
  await until(client.registry, () => client.registry.resolveAll("NamedSession"), ready);
  const homes = new Set<string>();
  for (let count = 0; count < 4; count++) {
    await using session = await client.client(NamedSession, { resolve: "registry" });
    // It stays where it was opened.
    const [{ name }, again] = [await session.who({ name: "" }), await session.who({ name: "" })];
    assert.equal(again.name, name);
    homes.add(name);
  }
  assert.deepEqual([...homes].sort(), ["first", "second"]);
  await servers[1]?.close();
  assert.deepEqual(await names(6), ["first"]);
  await failure(client.client(Named, { resolve: "both" as never }), TypeError);
  await failure(client.client(Named, { resolve: "registry", strategy: "best" as never }), TypeError);
  await failure(client.client(Plain, { resolve: "registry" }), ServiceNotFoundError);
});
