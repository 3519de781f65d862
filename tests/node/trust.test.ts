/** Trust between two nodes on loopback (`trust.md` sections 5 to 9, 12 and 14). */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { inspect } from "node:util";
import {
  AdmissionDeniedError,
  AsterClient,
  AsterConfig,
  AsterServer,
  ConfigError,
  ConnectionLostError,
  DelegatedGrant,
  InMemoryNonceStore,
  InvalidStateError,
  type NonceStoreLike,
  PermissionDeniedError,
  TicketError,
  TrustDomainError,
  consumerCredToJson,
  contractIdFromService,
  generateRootKeypair,
} from "@aster/rpc";
import { failure, local, localEnv, root, script } from "./support.js";
import {
  Issuer,
  Other,
  Vault,
  attributesOf,
  clientOf,
  credentialFile,
  entryTable,
  folder,
  gated,
  hexOf,
  idOf,
  inAnHour,
  nodeTable,
  signText,
  table,
  textFile,
} from "./trust-support.js";

const seedOf = (): Uint8Array => new Uint8Array(randomBytes(32));

test("tr2 a closed gate denies who has nothing, and says what to do", async (t) => {
  const server = await gated(t, new Issuer());
  const denied = await failure(clientOf(t, server).connect(), AdmissionDeniedError);
  assert.deepEqual([denied.kind, denied.hadCredential, denied.credentialFile], ["admission_denied", false, null]);
  assert.match(denied.ourEndpointId, /^[0-9a-f]{64}$/);
  assert.equal(denied.serverAddress, server.address);
  const hint = denied.formatHint();
  assert.ok(hint.startsWith("consumer admission denied -- this server requires a credential.\n"), hint);
  for (const part of [".cred", "--rcan <path/to/file.cred>", "ASTER_ENROLLMENT_CREDENTIAL=<path>"]) assert.ok(hint.includes(part), part);
});

test("tr23 handlers see what the credential grants", async (t) => {
  const [issuer, key] = [new Issuer(), seedOf()];
  const server = await gated(t, issuer);
  assert.deepEqual(server.rootPubkey, issuer.root);
  const attributes = { "aster.name": "ann", "aster.role": "vault.read,other" };
  const client = clientOf(t, server, { key, enrollmentCredentialFile: issuer.file(t, attributes, { endpointId: idOf(key) }) });
  await client.connect();
  assert.deepEqual([{ ...client.attributes }, client.openGate, client.gossipTopic], [attributes, false, ""]);
  assert.equal(client.endpointId, idOf(key));
  assert.deepEqual(await attributesOf(client), attributes);
  assert.equal((await (await client.client(Vault)).read({ body: "x" })).body, "x");
  const other = await clientOf(t, server, { enrollmentCredentialFile: issuer.file(t) }).connect();
  const refused = await failure((await other.client(Vault)).read({ body: "x" }), PermissionDeniedError);
  assert.equal(refused.message, "capability check failed for method 'Vault.read'");
});

test("tr3 a credential of another node is denied, and the hint names it", async (t) => {
  const [issuer, key] = [new Issuer(), seedOf()];
  const server = await gated(t, issuer);
  const file = issuer.file(t, {}, { endpointId: idOf(seedOf()) });
  const denied = await failure(clientOf(t, server, { key, enrollmentCredentialFile: file }).connect(), AdmissionDeniedError);
  assert.deepEqual([denied.hadCredential, denied.credentialFile, denied.ourEndpointId], [true, file, idOf(key)]);
  const hint = denied.formatHint();
  assert.ok(hint.startsWith("consumer admission denied -- the server rejected your credential.\n"), hint);
  for (const part of [file, `${idOf(key).slice(0, 16)}...`, "expired", "a DIFFERENT node", "root key", "capabilities"]) {
    assert.ok(hint.includes(part), part);
  }
});

test("tr6 identity files give node key, root key and credential", async (t) => {
  const [issuer, serverKey, key] = [new Issuer(), seedOf(), seedOf()];
  const identity = issuer.identity(t, serverKey);
  const server = await AsterServer.start({ services: [new Vault()], config: local(), identity });
  t.after(() => server.close());
  assert.deepEqual([server.endpointId, server.rootPubkey], [idOf(serverKey), issuer.root]);
  const entries = ["ann", "bob"].map((name) => entryTable(name, issuer.consumer({ "aster.name": name }, { endpointId: idOf(key) })));
  const file = textFile(t, "client.id", nodeTable(key) + entries.join(""));
  assert.deepEqual(await attributesOf(await clientOf(t, server, { identity: file }).connect()), { "aster.name": "ann" });
  assert.deepEqual(await attributesOf(await clientOf(t, server, { identity: file, peer: "bob" }).connect()), { "aster.name": "bob" });
  assert.throws(() => clientOf(t, server, { identity: file, peer: "eve" }), ConfigError);
  const elsewhere = await gated(t, new Issuer());
  const foreign = clientOf(t, elsewhere, { identity: file, rootPubkey: elsewhere.rootPubkey });
  const denied = await failure(foreign.connect(), AdmissionDeniedError);
  assert.equal(denied.credentialFile, "<inline .aster-identity peer entry>");
});

/** Opens a stream that lasts until somebody ends it. */
async function streaming(client: AsterClient): Promise<AsyncIterator<unknown>> {
  const ticks = (await client.client(Vault)).ticks({ value: 1 });
  assert.equal((await ticks.next()).done, false);
  return ticks;
}

test("tr5 who is removed loses its stream within a second, and may come again", async (t) => {
  const [issuer, vault] = [new Issuer(), new Vault()];
  const server = await gated(t, issuer, { services: [vault] });
  const client = await clientOf(t, server, { enrollmentCredentialFile: issuer.file(t, { a: "b" }) }).connect();
  const ticks = await streaming(client);
  const began = performance.now();
  assert.equal(server.removePeer(client.endpointId), true);
  const ended = await failure(ticks.next(), PermissionDeniedError);
  assert.equal(ended.message, "not admitted");
  await vault.ended;
  assert.ok(performance.now() - began < 1000);
  assert.equal(server.removePeer(client.endpointId), false);
  assert.equal(server.removePeer("nobody"), false);
  assert.deepEqual(await attributesOf(client), { a: "b" });
});

test("tr5 an admission ends in its time, with what it had", async (t) => {
  const [issuer, vault] = [new Issuer(), new Vault()];
  const server = await gated(t, issuer, { services: [vault], config: new AsterConfig({ ...local(), peerTtlS: 3 }) });
  const client = await clientOf(t, server, { enrollmentCredentialFile: issuer.file(t, { a: "b" }) }).connect();
  const ticks = await streaming(client);
  await failure(ticks.next(), PermissionDeniedError);
  await vault.ended;
  // The policy is presented again.
  assert.deepEqual(await attributesOf(client), { a: "b" });
});

test("tr10 unbound credentials are denied where they must be bound", async (t) => {
  const [issuer, key] = [new Issuer(), seedOf()];
  const server = await gated(t, issuer, { config: new AsterConfig({ ...local(), requireBoundCredentials: true }) });
  const present = (file: string): Promise<AsterClient> => clientOf(t, server, { key, enrollmentCredentialFile: file }).connect();
  await failure(present(issuer.file(t)), AdmissionDeniedError);
  await present(issuer.file(t, {}, { endpointId: idOf(key) }));
});

for (const how of ["endpoint", "credential", "document"] as const) {
  test(`tr5 a revoked ${how} is out, and stays out after a restart`, async (t) => {
    const [issuer, vault, key, storagePath] = [new Issuer(), new Vault(), seedOf(), join(folder(t), "state")];
    const config = new AsterConfig({ ...local(), storagePath });
    const credential = issuer.consumer({}, { endpointId: idOf(key) });
    const enrollmentCredentialFile = credentialFile(t, credential);
    const server = await gated(t, issuer, { services: [vault], config });
    const client = await clientOf(t, server, { key, enrollmentCredentialFile }).connect();
    const ticks = await streaming(client);
    server.revoke(
      how === "endpoint"
        ? { endpointId: client.endpointId }
        : { credential: how === "credential" ? credential : consumerCredToJson(credential), until: new Date(Date.now() + 3_600_000) },
    );
    await failure(ticks.next(), PermissionDeniedError);
    await vault.ended;
    await failure(client.reconnect(), AdmissionDeniedError);
    await server.close();
    const kept = JSON.parse(readFileSync(join(storagePath, "trust", "revoked.json"), "utf8")) as Record<string, object>;
    assert.equal(Object.keys(kept[how === "endpoint" ? "endpoints" : "credentials"] ?? {}).length, 1);
    const again = await gated(t, issuer, { config });
    await failure(clientOf(t, again, { key, enrollmentCredentialFile }).connect(), AdmissionDeniedError);
  });
}

test("what cannot be revoked is refused at once", async (t) => {
  const [issuer, endpointId] = [new Issuer(), "ab".repeat(32)];
  const server = await gated(t, issuer);
  const unsigned = issuer.consumer();
  unsigned.signature = new Uint8Array();
  for (const [options, error] of [
    [{}, TypeError],
    [{ endpointId, credential: issuer.consumer() }, TypeError],
    [{ endpointId, until: new Date(1000) }, TypeError],
    [{ endpointId, until: new Date(NaN) }, RangeError],
    [{ endpointId, until: 5 }, RangeError],
    [{ credential: unsigned }, TypeError],
    [{ credential: "{}" }, TrustDomainError],
    [{ credential: {} }, TypeError],
    [{ endpointId: 5 }, TypeError],
    [{ endpointId: "nobody" }, TicketError],
    [{ endpointId, other: 1 }, TypeError],
  ] as const) {
    assert.throws(() => server.revoke(options as Parameters<AsterServer["revoke"]>[0]), error, JSON.stringify(options));
  }
  const idle = new AsterServer({ services: [new Vault()], config: local() });
  assert.throws(() => idle.revoke({ endpointId }), InvalidStateError);
});

const CONNECT = `
  import { AsterClient } from "@aster/rpc";
  const { ADDRESS: address, FILE: enrollmentCredentialFile } = process.env;
  try {
    const client = await AsterClient.connect({ address, enrollmentCredentialFile });
    console.log("admitted", client.attributes.a);
    await client.close();
  } catch (error) { console.log(error.name); }`;

test("tr7 tr12 a one-time token is spent once; a reconnect resumes", async (t) => {
  const [issuer, storagePath] = [new Issuer(), join(folder(t), "state")];
  const config = new AsterConfig({ ...local(), storagePath });
  const server = await gated(t, issuer, { config });
  const FILE = issuer.file(t, { a: "b" }, { kind: "ott" });
  const client = await clientOf(t, server, { enrollmentCredentialFile: FILE }).connect();
  await client.reconnect();
  assert.deepEqual([await attributesOf(client), { ...client.attributes }], [{ a: "b" }, { a: "b" }]);
  // In processes of their own: a process sends a token once.
  const connect = async (address: string): Promise<string> => (await script(t, CONNECT, { ...localEnv, ADDRESS: address, FILE }).ended).out;
  assert.equal(await connect(server.address), "AdmissionDeniedError\n");
  await server.close();
  assert.equal(await connect((await gated(t, issuer, { config })).address), "AdmissionDeniedError\n");
});

test("tr2 tr12 the gate needs nothing of a host whose loop is blocked", async (t) => {
  const [issuer, asked] = [new Issuer(), [] as Uint8Array[]];
  const server = await gated(t, issuer, { nonceStore: { consume: (nonce) => asked.push(nonce) > 0 } });
  const ADDRESS = server.address;
  // Nothing runs in this loop until the child has ended.
  const connect = (FILE: string): string => {
    const options = { env: { ...localEnv, ADDRESS, FILE }, cwd: join(root, "tests", "node"), encoding: "utf8", timeout: 60_000 } as const;
    return spawnSync(process.execPath, ["--input-type=module", "-e", CONNECT], options).stdout;
  };
  assert.equal(connect(new Issuer().file(t)), "AdmissionDeniedError\n");
  assert.equal(connect(issuer.file(t, { a: "b" })), "admitted b\n");
  assert.equal(connect(issuer.file(t, {}, { kind: "ott" })), "AdmissionDeniedError\n", "its store cannot be asked");
  // Later than the question, which nobody waits for any more.
  await new InMemoryNonceStore().isConsumed(new Uint8Array(32));
  assert.deepEqual(asked, []);
});

const never = new Promise<boolean>(() => {});
const stores: [string, (() => NonceStoreLike) | "core", boolean, RegExp?][] = [
  ["says true", () => ({ consume: async () => true }), true],
  ["says true at once", () => ({ consume: () => true }), true],
  ["is core's", () => new InMemoryNonceStore(), true],
  ["says false", () => ({ consume: async () => false }), false],
  ["says 1", () => ({ consume: async () => 1 as unknown as boolean }), false, /gave number instead of a boolean/],
  ["says nothing", () => ({ consume: async () => undefined as unknown as boolean }), false, /gave undefined/],
  ["throws", () => ({ consume: () => { throw new RangeError("s3cret"); } }), false, /threw RangeError/],
  ["rejects", () => ({ consume: () => Promise.reject(new Error("s3cret")) }), false, /threw Error/],
  ["is late", () => ({ consume: () => never }), false],
];
for (const [how, make, isAdmitted, warned] of stores) {
  test(`tr12 a store of the program that ${how}`, async (t) => {
    const warnings: string[] = [];
    const note = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", note);
    t.after(() => process.off("warning", note));
    const [issuer, asked] = [new Issuer(), [] as Uint8Array[]];
    const store = (make as () => NonceStoreLike)();
    const consume = store.consume.bind(store);
    store.consume = (nonce) => (asked.push(nonce), consume(nonce));
    const isCore = store instanceof InMemoryNonceStore;
    const server = await gated(t, issuer, { nonceStore: store });
    const credential = issuer.consumer({ a: "b" }, { kind: "ott" });
    const client = clientOf(t, server, { enrollmentCredentialFile: credentialFile(t, credential) });
    if (isAdmitted) assert.deepEqual(await attributesOf(await client.connect()), { a: "b" });
    else await failure(client.connect(), AdmissionDeniedError);
    assert.deepEqual(asked, isCore ? [] : [credential.nonce]);
    const told = warnings.filter((text) => text.includes("store or backend"));
    assert.equal(told.length, warned ? 1 : 0, told.join());
    if (warned) assert.match(told[0] as string, warned);
    assert.doesNotMatch(warnings.join(), /s3cret/);
  });
}

test("what is no store is refused", () => {
  for (const nonceStore of [null, {}, { consume: 1 }, { isConsumed: () => true }]) {
    const options = { services: [new Vault()], config: local(), nonceStore: nonceStore as unknown as NonceStoreLike };
    assert.throws(() => new AsterServer(options), TypeError);
  }
});

test("tr15 a server of another trust domain is refused", async (t) => {
  const issuer = new Issuer();
  const server = await gated(t, issuer);
  const enrollmentCredentialFile = issuer.file(t);
  for (const rootPubkey of [new Issuer().root, hexOf(new Issuer().root)]) {
    const refused = await failure(clientOf(t, server, { rootPubkey, enrollmentCredentialFile }).connect(), TrustDomainError);
    assert.equal(refused.kind, "credential");
  }
  await clientOf(t, server, { rootPubkey: issuer.root, enrollmentCredentialFile }).connect();
});

test("tr9 the root key is no node key", () => {
  const { seed, publicKey } = generateRootKeypair();
  const config = new AsterConfig({ ...local(), secretKey: seed });
  assert.throws(() => new AsterServer({ services: [new Vault()], config, rootPubkey: publicKey }), /root key is never a node key/);
});

/** Admits its consumers to services of others. */
class Authority {
  readonly root = generateRootKeypair();
  readonly signing = generateRootKeypair();
  readonly consumer = generateRootKeypair();

  grant(service: string, contractId: string, { ttl = 3600, roles = ["vault.read"], key = this.consumer.seed } = {}): DelegatedGrant {
    const now = Math.floor(Date.now() / 1000);
    const attestation = {
      signing_pubkey: hexOf(this.signing.publicKey),
      key_id: "k",
      valid_from: now - 100,
      valid_until: now + 100,
    };
    const token = {
      consumer_handle: "ann",
      consumer_pubkey: hexOf(this.consumer.publicKey),
      target_handle: "acme",
      target_service: service,
      target_contract_id: contractId,
      roles,
      issued_at: now,
      expires_at: now + ttl,
      signing_key_id: "k",
    };
    return new DelegatedGrant({
      token: signed(this.signing.seed, token, "signature"),
      attestation: signed(this.root.seed, attestation, "root_signature"),
      signingKey: key,
    });
  }

  published(service: string, contractId: string): string {
    const fields = { contract_id: contractId, handle: "acme", aster_root_pubkey: hexOf(this.root.publicKey) };
    return table(`[published_services."${service}"]`, fields);
  }
}

/** Signs the sorted compact JSON of a document. */
function signed(seed: Uint8Array, document: Record<string, unknown>, name: string): Record<string, unknown> {
  const sorted = Object.fromEntries(Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { ...document, [name]: signText(seed, JSON.stringify(sorted)) };
}

/** Starts a server of two services that takes an authority's word for the vault. */
async function delegating(t: TestContext, authority: Authority): Promise<AsterServer> {
  const identity = new Issuer().identity(t, seedOf(), authority.published("Vault", contractIdFromService(Vault)));
  const server = await AsterServer.start({ services: [new Vault(), new Other()], config: local(), identity });
  t.after(() => server.close());
  return server;
}

test("tr11 a delegated grant is for its service only", async (t) => {
  const authority = new Authority();
  const server = await delegating(t, authority);
  const delegation = authority.grant("Vault", contractIdFromService(Vault));
  const client = await clientOf(t, server, { delegation }).connect();
  assert.deepEqual(await attributesOf(client), { "aster.role": "vault.read", "aster.name": "ann" });
  assert.equal((await (await client.client(Vault)).read({ body: "x" })).body, "x");
  const refused = await failure((await client.client(Other)).ping({ value: 1 }), PermissionDeniedError);
  assert.equal(refused.message, "not admitted");
  // Neither key nor token is shown by accident.
  const shown = inspect(delegation, { depth: 9, showHidden: true }) + JSON.stringify(delegation);
  for (const secret of [hexOf(delegation.signingKey), String(delegation.token["signature"])]) assert.ok(!shown.includes(secret));
});

test("tr11 bad grants are denied", async (t) => {
  const [authority, other, contractId] = [new Authority(), new Authority(), contractIdFromService(Vault)];
  const server = await delegating(t, authority);
  for (const delegation of [
    other.grant("Vault", contractId),
    authority.grant("Other", contractIdFromService(Other)),
    authority.grant("Vault", "00".repeat(32)),
    authority.grant("Vault", contractId, { ttl: 0 }),
    authority.grant("Vault", contractId, { roles: ["a,b"] }),
    authority.grant("Vault", contractId, { key: other.consumer.seed }),
  ]) {
    await failure(clientOf(t, server, { delegation }).connect(), AdmissionDeniedError);
  }
  const delegation = authority.grant("Vault", contractId);
  const closed = await gated(t, new Issuer());
  await failure(clientOf(t, closed, { delegation }).connect(), ConnectionLostError);
  const { token, attestation } = delegation;
  const short = new DelegatedGrant({ token, attestation, signingKey: new Uint8Array(5) });
  await failure(clientOf(t, server, { delegation: short }).connect(), TypeError);
  const empty = new DelegatedGrant({ token: {}, attestation, signingKey: delegation.signingKey });
  await failure(clientOf(t, server, { delegation: empty }).connect(), TrustDomainError);
  assert.throws(() => new DelegatedGrant({ token, attestation } as never), TypeError);
  assert.throws(() => clientOf(t, server, { delegation: { token, attestation } as never }), TypeError);
});

test("tr23 a policy is presented again; what it grants then is what counts", async (t) => {
  const [issuer, key] = [new Issuer(), seedOf()];
  const server = await gated(t, issuer);
  const enrollmentCredentialFile = issuer.file(t, { a: "first" }, { expiresAt: inAnHour() });
  const client = await clientOf(t, server, { key, enrollmentCredentialFile }).connect();
  const second = await clientOf(t, server, { key, enrollmentCredentialFile: issuer.file(t, { a: "second" }) }).connect();
  assert.deepEqual(await attributesOf(second), { a: "second" });
  assert.deepEqual(await attributesOf(client), { a: "second" });
});
