/** Verification, stores and hooks as programs use them by themselves (`trust.md` sections 4, 6, 9 and 15). */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type AnyCredential,
  AsterError,
  ClockDriftConfig,
  type IIDBackend,
  InMemoryNonceStore,
  InvalidStateError,
  MeshEndpointHook,
  type MeshState,
  NonceStore,
  PeerAttributeStore,
  AsterServer,
  admit,
  checkOffline,
  checkRuntime,
  consumerCredToJson,
  handleAdmissionRpc,
  handleConsumerAdmissionRpc,
} from "@aster/rpc";
import { failure, local, script } from "./support.js";
import { Issuer, Vault, attributesOf, clientOf, folder, gated, hexOf, idOf, trust } from "./trust-support.js";

const [PEER, OTHER] = [idOf(new Uint8Array(32).fill(1)), idOf(new Uint8Array(32).fill(2))];
const nonceOf = (): Uint8Array => new Uint8Array(randomBytes(32));

test("reasons name what failed", async () => {
  const [issuer, nonceStore] = [new Issuer(), new InMemoryNonceStore()];
  const bound = issuer.consumer({ a: "b" }, { endpointId: "node a" });
  const admitted = { admitted: true, attributes: { a: "b" }, reason: "" };
  const plain = async (result: ReturnType<typeof admit>): Promise<object> => {
    const { attributes, ...rest } = await result;
    return { ...rest, attributes: { ...attributes } };
  };
  assert.deepEqual(await plain(checkOffline(bound, { peerEndpointId: "node a" })), admitted);
  assert.deepEqual(await plain(checkOffline(bound)), admitted);
  const token = issuer.consumer({}, { kind: "ott" });
  const forged = issuer.consumer({}, { endpointId: "node a" });
  forged.attributes = { "aster.role": "admin" };
  const denials: [AnyCredential, Parameters<typeof checkOffline>[1], RegExp][] = [
    [bound, { peerEndpointId: "node b" }, /endpoint_id/],
    [issuer.consumer({}, { expiresAt: 1000 }), {}, /expired/],
    [bound, { now: bound.expiresAt }, /expired/],
    [forged, {}, /signature/],
    [bound, { rootPubkey: new Issuer().root }, /root key/],
    [token, {}, /nonce_store/],
  ];
  for (const [credential, options, word] of denials) {
    const denied = await plain(checkOffline(credential, options));
    assert.match((denied as { reason: string }).reason, word);
    assert.deepEqual(denied, { ...denied, admitted: false, attributes: {} });
  }
  assert.equal((await checkOffline(token, { nonceStore })).admitted, true);
  assert.match((await checkOffline(token, { nonceStore })).reason, /nonce/);
  await failure(checkOffline({} as AnyCredential), TypeError);
  await failure(checkOffline(bound, { now: 1.5 }), RangeError);
  await failure(checkOffline(bound, { rootPubkey: new Uint8Array(3) }), TypeError);
  await failure(checkOffline(bound, { nonceStore: {} as never }), TypeError);
  await failure(checkOffline(bound, { peer: "x" } as never), TypeError);
});

test("tr4 tr12 an instance that is not proved spends nothing", async () => {
  const [issuer, nonceStore] = [new Issuer(), new InMemoryNonceStore()];
  const attributes = { "aster.iid_provider": "aws", "aster.iid_account": "1" };
  const token = issuer.consumer(attributes, { kind: "ott", endpointId: PEER });
  const broken: (IIDBackend | undefined)[] = [
    undefined,
    { verify: async () => false },
    { verify: () => Promise.reject(new Error("no")) },
    { verify: () => "yes" as unknown as boolean },
  ];
  for (const iidBackend of broken) {
    const asked = { peerEndpointId: PEER, iidToken: "document", ...(iidBackend && { iidBackend }) };
    assert.equal((await admit(token, { ...asked, nonceStore })).admitted, false);
    assert.equal((await checkRuntime(token, asked)).admitted, false);
    assert.equal(await nonceStore.isConsumed(token.nonce as Uint8Array), false);
  }
  const seen: unknown[] = [];
  const iidBackend: IIDBackend = { verify: async (...all) => (seen.push(all), true) };
  assert.equal((await checkRuntime(token, { iidBackend, iidToken: "t" })).admitted, true);
  assert.equal((await admit(token, { iidBackend, iidToken: "u", nonceStore })).admitted, true);
  const record = Object.assign(Object.create(null) as object, attributes);
  assert.deepEqual(seen, [[record, "t", PEER], [record, "u", PEER]]);
  assert.equal(await nonceStore.isConsumed(token.nonce as Uint8Array), true);
  assert.equal((await checkRuntime(issuer.consumer())).admitted, true, "it asks for no identity");
});

test("tr16 requests of consumers are answered without a connection", async () => {
  const [issuer, peerStore] = [new Issuer(), new PeerAttributeStore()];
  const summary = { name: "S", version: 1, contractId: "ab".repeat(32), channels: { rpc: "x" }, pattern: "shared", serializationModes: ["xlang"] };
  const own = { rootPubkey: issuer.root, peerStore, services: [summary], registryNamespace: "cd".repeat(32), gossipTopic: "t" };
  const answer = (request: Parameters<typeof handleConsumerAdmissionRpc>[0], peer = PEER, options = {}): ReturnType<typeof handleConsumerAdmissionRpc> =>
    handleConsumerAdmissionRpc(request, peer, { ...own, ...options });
  const request = { credentialJson: consumerCredToJson(issuer.consumer({ a: "b" })) };
  const { json, ...admitted } = await answer(request);
  assert.deepEqual(admitted, {
    admitted: true,
    attributes: { a: "b" },
    services: [summary],
    registryNamespace: "cd".repeat(32),
    rootPubkey: hexOf(issuer.root),
    reason: "",
    gossipTopic: "", // For operators only.
  });
  assert.match(json, /^\{"admitted":true,"attributes":\{"a":"b"\},"services":\[\{"name":"S"/);
  assert.equal(peerStore.get(PEER)?.admissionPath, "consumer");
  assert.deepEqual((await answer({ credentialJson: "" })).attributes, { a: "b" }, "an entry is resumed");
  const token = { credentialJson: consumerCredToJson(issuer.consumer({}, { kind: "ott" })) };
  for (const denied of [
    await answer({ credentialJson: "" }, OTHER),
    await answer(token, OTHER),
    await answer("", OTHER),
    await answer("\ud800", OTHER),
    await answer(new Uint8Array(100_000), OTHER),
    await answer(request, "nobody"),
    await answer(request, OTHER, { requireBoundCredentials: true }),
    await answer(token, OTHER, { nonceStore: { consume: () => Promise.reject(new Error("no")) } }),
  ]) {
    assert.equal(denied.json, trust.admission.denied);
  }
  assert.equal(peerStore.get(OTHER), undefined);
  const nonceStore = { consume: async (nonce: Uint8Array) => nonce.length === 32 };
  assert.equal((await answer(token, OTHER, { nonceStore })).admitted, true);
  const operator = { credentialJson: consumerCredToJson(issuer.consumer({ "aster.role": "aster.operator" })) };
  assert.equal((await answer(operator)).gossipTopic, "t");
  await failure(answer(request, PEER, { rootPubkey: new Uint8Array(1) }), TypeError);
});

test("tr3 requests of producers are answered without a connection", async () => {
  const [issuer, peerStore, meshState] = [new Issuer(), new PeerAttributeStore(), { salt: nonceOf() } as MeshState];
  const ownEndpointId = idOf(new Uint8Array(32).fill(9));
  const producer = (seed: number, by = issuer): string => {
    const { endpointId, rootPubkey, expiresAt, attributes, signature } = by.producer(new Uint8Array(32).fill(seed));
    const fields = { endpoint_id: endpointId, root_pubkey: hexOf(rootPubkey), expires_at: expiresAt, attributes, signature: hexOf(signature) };
    return JSON.stringify(fields);
  };
  const answer = (credentialJson: string, peer?: string): ReturnType<typeof handleAdmissionRpc> => {
    const named = peer === undefined ? {} : { peerEndpointId: peer };
    return handleAdmissionRpc({ credentialJson }, { rootPubkey: issuer.root, meshState, ownEndpointId, peerStore, ...named });
  };
  const { json: _, ...accepted } = await answer(producer(1), PEER);
  const expected = { accepted: true, salt: hexOf(meshState.salt), acceptedProducers: [ownEndpointId, PEER].sort(), reason: "" };
  assert.deepEqual(accepted, expected);
  assert.equal(peerStore.get(PEER)?.admissionPath, "producer");
  assert.equal((await answer(producer(2), PEER)).json, trust.admission.producer_denied, "stolen");
  assert.equal((await answer(producer(2, new Issuer()))).accepted, false);
  // Two at once see each other.
  const [own, third] = await Promise.all([answer(producer(2)), answer(producer(3))]);
  assert.equal(own.accepted && third.accepted, true, "by their own word");
  const state = JSON.parse(meshState.document ?? "") as { members: object; salt: string };
  assert.deepEqual([Object.keys(state.members).length, state.salt], [3, hexOf(meshState.salt)]);
  const read = { salt: meshState.salt, document: meshState.document as string };
  const again = await handleAdmissionRpc({ credentialJson: producer(1) }, { rootPubkey: issuer.root, meshState: read, ownEndpointId });
  assert.equal(again.acceptedProducers.length, 4);
  const damaged = { ...read, document: "{" };
  const refused = handleAdmissionRpc({ credentialJson: producer(1) }, { rootPubkey: issuer.root, meshState: damaged, ownEndpointId });
  assert.equal((await failure(refused, AsterError)).kind, "config");
});

test("tr12 nonces are spent once", async (t) => {
  const path = join(folder(t), "nonces.json");
  for (const store of [new InMemoryNonceStore(), new NonceStore(path)]) {
    const nonce = nonceOf();
    assert.equal(await store.isConsumed(nonce), false);
    const spent = await Promise.all(Array.from({ length: 5 }, () => store.consume(nonce)));
    assert.deepEqual(spent.filter(Boolean), [true]);
    assert.equal(await store.isConsumed(nonce), true);
    for (const wrong of [new Uint8Array(), new Uint8Array(31), new Uint8Array(33)]) {
      assert.match((await failure(store.consume(wrong), TypeError)).message, /32 bytes/);
      assert.match((await failure(store.isConsumed(wrong), TypeError)).message, /32 bytes/);
    }
  }
  assert.equal((JSON.parse(readFileSync(path, "utf8")) as { version: number }).version, 2);
  writeFileSync(path, '{"version":2,"consu');
  assert.throws(() => new NonceStore(path), AsterError);
  assert.throws(() => new NonceStore(5 as never), TypeError);
});

test("tr12 processes share a file of nonces", async (t) => {
  const path = join(folder(t), "nonces.json");
  const spend = `
    import { NonceStore } from "@aster/rpc";
    const store = new NonceStore(${JSON.stringify(path)});
    let spent = 0;
    for (let n = 0; n < 20; n++) spent += await store.consume(new Uint8Array(32).fill(n));
    console.log(spent);`;
  const ended = await Promise.all([script(t, spend).ended, script(t, spend).ended]);
  assert.equal(ended.reduce((sum, { out }) => sum + Number(out), 0), 20, JSON.stringify(ended));
});

test("a store of peers", () => {
  const store = new PeerAttributeStore({ ttlMs: 60_000 });
  const before = Date.now();
  store.admit({ endpointId: PEER, handle: "ann", attributes: { a: "b" } });
  const found = store.get(PEER);
  assert.ok(found?.expiresAt && found.admittedAt.getTime() >= before);
  assert.equal(found.expiresAt.getTime() - found.admittedAt.getTime(), 60_000);
  assert.deepEqual([found.handle, found.attributes, found.admissionPath], ["ann", { a: "b" }, "manual"]);
  assert.deepEqual([store.getAttributes(PEER), store.getAttributes(OTHER), store.get(OTHER)], [{ a: "b" }, {}, undefined]);
  store.admit({ endpointId: "any text", expiresAt: new Date(before + 5000), admissionPath: "mesh" });
  const end = store.get("any text")?.expiresAt?.getTime() ?? 0;
  assert.ok(end > before + 3999 && end <= before + 5000);
  store.admit({ endpointId: OTHER, expiresAt: new Date(0) });
  assert.equal(store.get(OTHER), undefined);
  assert.equal(store.peerCount(), 2);
  assert.deepEqual([store.remove(PEER), store.remove(PEER), store.peerCount()], [true, false, 1]);
  const wrong: [object, typeof Error][] = [
    [{ admissionPath: "other" }, TypeError],
    [{ attributes: { a: 1 } }, TypeError],
    [{ admittedAt: 5 }, RangeError],
    [{ expiresAt: new Date(NaN) }, RangeError],
    [{ endpointId: 5 }, TypeError],
  ];
  for (const [fields, error] of wrong) assert.throws(() => store.admit({ endpointId: PEER, ...fields } as never), error, JSON.stringify(fields));
  for (const ttlMs of [0, -1, NaN, "1"]) assert.throws(() => new PeerAttributeStore({ ttlMs: ttlMs as number }), RangeError);
});

test("a reaper forgets what has ended", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const store = new PeerAttributeStore();
  let swept = 0;
  const sweep = store.sweepExpired.bind(store);
  store.sweepExpired = () => (swept++, sweep());
  store.startReaper();
  store.startReaper();
  t.mock.timers.tick(600_000);
  assert.equal(swept, 2);
  store.stopReaper();
  store.stopReaper();
  t.mock.timers.tick(600_000);
  assert.equal(swept, 2);
});

test("a hook is a gate to be asked", async () => {
  const peerStore = new PeerAttributeStore();
  const [hook, open] = [new MeshEndpointHook({ peerStore }), new MeshEndpointHook({ allowUnenrolled: true })];
  assert.deepEqual([hook.shouldAllow(PEER, "aster/1"), open.shouldAllow(PEER, "aster/1")], [false, true]);
  assert.equal(hook.shouldAllow(PEER, new TextEncoder().encode("aster.consumer_admission")), true);
  hook.addPeer(PEER, { a: "b" });
  assert.deepEqual([hook.admitted, peerStore.getAttributes(PEER)], [new Set([PEER]), { a: "b" }]);
  assert.equal(hook.shouldAllow(PEER, "aster/1"), true);
  assert.deepEqual([hook.removePeer(PEER), hook.removePeer(PEER), hook.shouldAllow(PEER, "aster/1")], [true, false, false]);
  const stop = new AbortController();
  const loop = hook.runHookLoop(stop.signal);
  stop.abort();
  await loop;
  await hook.runHookLoop(stop.signal);
});

test("a hook shows the gate of its server", async (t) => {
  const [issuer, key, hook] = [new Issuer(), nonceOf(), new MeshEndpointHook({ allowUnenrolled: true })];
  hook.addPeer(idOf(key), { a: "before" });
  const server = await gated(t, issuer, { hook });
  assert.equal(hook.shouldAllow(PEER, "aster/1"), false, "a server's gate is as it is");
  const client = await clientOf(t, server, { key }).connect();
  assert.deepEqual(await attributesOf(client), { a: "before" });
  const second = await clientOf(t, server, { enrollmentCredentialFile: issuer.file(t, { a: "c" }) }).connect();
  assert.deepEqual(hook.admitted, new Set([client.endpointId, second.endpointId]));
  assert.throws(() => new AsterServer({ services: [new Vault()], config: local(), hook }), InvalidStateError);
  const loop = hook.runHookLoop();
  await server.close();
  await loop;
});

test("clocks of the mesh", () => {
  const config = new ClockDriftConfig();
  const { replayWindowMs, driftToleranceMs, leaseHeartbeatMs, gracePeriodMs, minPeersForMedian } = config;
  assert.deepEqual([replayWindowMs, driftToleranceMs, leaseHeartbeatMs, gracePeriodMs, minPeersForMedian], [30_000, 5000, 900_000, 60_000, 3]);
  assert.deepEqual([config.median([5, 1]), config.median([4, -1, 2, 3]), config.inDrift({ a: 9e9 })], [null, 3, new Set()]);
  assert.throws(() => new ClockDriftConfig({ gracePeriodMs: -1 }), RangeError);
  assert.throws(() => new ClockDriftConfig({ other: 1 } as never), TypeError);
});

test("clocks of the mesh as the environment has them", (t) => {
  t.after(() => delete process.env["ASTER_REPLAY_WINDOW_MS"]);
  process.env["ASTER_REPLAY_WINDOW_MS"] = "1000";
  assert.deepEqual([new ClockDriftConfig().replayWindowMs, new ClockDriftConfig({ replayWindowMs: 5 }).replayWindowMs], [1000, 5]);
  process.env["ASTER_REPLAY_WINDOW_MS"] = "soon";
  assert.throws(() => new ClockDriftConfig(), /ASTER_REPLAY_WINDOW_MS: expected a number of milliseconds, not 'soon'/);
});

test("tr21 the state of the mesh survives if it is wanted", async (t) => {
  const [issuer, key, state] = [new Issuer(), nonceOf(), join(folder(t), "mesh")];
  const identity = issuer.identity(t, key);
  const config = Object.assign(local(), { meshStateDir: state });
  const options = { services: [new Vault()], config, identity, allowAllProducers: false, clockDriftConfig: new ClockDriftConfig() };
  const salts: string[] = [];
  for (const persistMeshState of [true, true]) {
    const server = await AsterServer.start({ ...options, persistMeshState });
    await server.close();
    salts.push((JSON.parse(readFileSync(join(state, "mesh_state.json"), "utf8")) as { salt: string }).salt);
  }
  assert.equal(salts[0], salts[1]);
  writeFileSync(join(state, "mesh_state.json"), "{");
  await (await AsterServer.start({ ...options, persistMeshState: false })).close();
  assert.equal((await failure(AsterServer.start({ ...options, persistMeshState: true }), AsterError)).kind, "config");
});

