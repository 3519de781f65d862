/** Group by group, what `trust.json` says of credentials and requests, through the functions of the package. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type CallContext,
  CapabilityInterceptor,
  ClockDriftConfig,
  EnrollmentCredential,
  InMemoryNonceStore,
  MeshEndpointHook,
  type MeshState,
  PeerAttributeStore,
  PermissionDeniedError,
  type Requirement,
  Rpc,
  Service,
  admit,
  allOf,
  anyOf,
  checkOffline,
  consumerCredFromJson,
  handleAdmissionRpc,
  handleConsumerAdmissionRpc,
  verifySignature,
} from "@aster/rpc";
import { type Negative, Num, bytes, keyOf, madeOf, trust } from "./trust-support.js";

const { admission } = trust;
const rootPubkey = keyOf("root").publicKey;

test("every group has a test", () => {
  const here = ["tolerated", "negative", "signatures", "ott_sequences", "capability", "admission", "mesh"];
  const elsewhere = { credentials: "credentials.test.ts", gate: "trust-gate.test.ts" };
  const core = {
    iid: "servers verify documents of instances with configured keys; nothing of the package takes such a document",
    delegated: "the exchange is core's; trust.test.ts runs it between two nodes",
    identity_restore: "identity files are read by core; trust.test.ts and trust-gate.test.ts use them",
  };
  const facts = ["format", "now", "keys", "limits"];
  const known = [...here, ...Object.keys(elsewhere), ...Object.keys(core), ...facts];
  assert.deepEqual(Object.keys(trust).sort(), known.sort());
  // Answers to clients: tests/interop/test_admission.py, with servers that are not ours.
  const parts = ["server_endpoint_id", "peer", "denied", "requests", "responses", "producer_denied", "producer"];
  assert.deepEqual(Object.keys(admission).sort(), parts.sort());
  const mesh = ["root", "topics", "messages", "flows", "drift_tolerance_ms", "replay_window_ms", "drift"];
  assert.deepEqual(Object.keys(trust.mesh).sort(), mesh.sort());
});

for (const entry of trust.credentials) {
  test(`tr26 credential ${entry.name} is admitted`, async () => {
    const against = { peerEndpointId: entry.endpoint_id ?? admission.peer, nonceStore: new InMemoryNonceStore(), now: trust.now };
    const found = await admit(madeOf(entry), { ...against, rootPubkey });
    assert.deepEqual([found.admitted, { ...found.attributes }, found.reason], [true, entry.attributes, ""]);
    const other = await admit(madeOf(entry), { ...against, rootPubkey: keyOf("other_root").publicKey });
    assert.deepEqual([other.admitted, { ...other.attributes }], [false, {}]);
  });
}

test("tr26 keys and signatures that are no good verify nothing", () => {
  // Signatures over other bytes than credentials are core's; keys and signatures of any form must not pass, or throw.
  for (const { name, public_key: key, signature } of trust.signatures) {
    const credential = new EnrollmentCredential({ rootPubkey: bytes(key), expiresAt: 5, endpointId: "x", signature: bytes(signature) });
    assert.equal(verifySignature(credential), false, name);
    assert.equal(verifySignature(credential, bytes(key)), false, name);
  }
});

/** Presents a document as a consumer does. */
const consumer = (
  credentialJson: string,
  peer: string,
  options: Partial<Parameters<typeof handleConsumerAdmissionRpc>[2]> = {},
): ReturnType<typeof handleConsumerAdmissionRpc> => handleConsumerAdmissionRpc({ credentialJson }, peer, { rootPubkey, ...options });

for (const { name, credential_json, peer } of trust.tolerated) {
  test(`tr22 tolerated ${name}`, async () => {
    assert.equal((await consumer(credential_json, peer, { nonceStore: new InMemoryNonceStore() })).admitted, true);
  });
}

/** Presents a bad credential; returns the answer as it goes to the peer. */
async function presented(entry: Negative, peerStore: PeerAttributeStore): Promise<string> {
  const text = entry.credential_hex === undefined ? "" : Buffer.from(entry.credential_hex, "hex").toString("latin1").replaceAll('"', '\\"');
  const request =
    entry.credential_hex === undefined
      ? { credentialJson: entry.credential_json }
      : new Uint8Array(Buffer.from(`{"credential_json":"${text}"}`, "latin1"));
  const server = keyOf(entry.server_root).publicKey;
  if (entry.kind === "producer") {
    const meshState = { salt: new Uint8Array(32) };
    const options = { rootPubkey: server, meshState, ownEndpointId: admission.server_endpoint_id, peerEndpointId: entry.peer, peerStore };
    return (await handleAdmissionRpc(request, options)).json;
  }
  const nonceStore = new InMemoryNonceStore();
  for (const nonce of entry.consumed_nonces ?? []) await nonceStore.consume(bytes(nonce));
  const answer = await handleConsumerAdmissionRpc(request, entry.peer, {
    rootPubkey: server,
    peerStore,
    ...(entry.nonce_store === null ? {} : { nonceStore }),
    requireBoundCredentials: entry.require_bound_credentials ?? false,
  });
  return answer.json;
}

for (const entry of trust.negative) {
  test(`tr22 tr27 negative ${entry.name}`, async () => {
    const { expires_at: expiresAt } = entry.cause === "expired" ? (JSON.parse(entry.credential_json) as { expires_at: number }) : { expires_at: 0 };
    if (expiresAt > Date.now() / 1000) {
      // The time of the vectors has not come: the answer cannot be had, but the check can.
      const signed = JSON.parse(entry.credential_json) as Record<string, never>;
      const credential =
        entry.kind === "consumer"
          ? consumerCredFromJson(entry.credential_json)
          : new EnrollmentCredential({
              endpointId: signed["endpoint_id"] as unknown as string,
              rootPubkey: bytes(signed["root_pubkey"] as unknown as string),
              expiresAt,
              attributes: signed["attributes"] as unknown as Record<string, string>,
              signature: bytes(signed["signature"] as unknown as string),
            });
      const against = { peerEndpointId: entry.peer, rootPubkey, nonceStore: new InMemoryNonceStore() };
      const denied = await admit(credential, { ...against, now: trust.now });
      assert.deepEqual([denied.admitted, /expired/.test(denied.reason)], [false, true]);
      assert.equal((await checkOffline(credential, { ...against, now: expiresAt - 1 })).admitted, true);
      return;
    }
    const peerStore = new PeerAttributeStore();
    assert.equal(await presented(entry, peerStore), entry.kind === "producer" ? admission.producer_denied : admission.denied);
    assert.equal(peerStore.peerCount(), 0);
  });
}

for (const { name, steps } of trust.ott_sequences) {
  test(`tr7 tokens: ${name}`, async () => {
    const nonceStore = new InMemoryNonceStore();
    let peerStore = new PeerAttributeStore();
    for (const [number, step] of steps.entries()) {
      if (step.restart) peerStore = new PeerAttributeStore();
      else if (step.remove !== undefined) assert.equal(peerStore.remove(step.remove), true);
      else {
        const answer = await consumer(step.credential_json, step.peer, { nonceStore, peerStore });
        assert.equal(answer.admitted, step.verdict === "admit", String(number));
      }
    }
  });
}

for (const entry of admission.requests) {
  test(`tr16 request ${entry.name}`, async () => {
    const { text, count } = entry.request_repeat ?? { text: entry.request, count: 1 };
    const hook = new MeshEndpointHook({ allowUnenrolled: entry.gate === "open" });
    if (entry.live_entry) hook.addPeer(admission.peer, entry.live_entry);
    const options = { rootPubkey, hook, nonceStore: new InMemoryNonceStore() };
    const answer = await handleConsumerAdmissionRpc(text.repeat(count), admission.peer, options);
    assert.equal(answer.admitted, entry.verdict === "admit");
    assert.deepEqual(answer.attributes, entry.attributes ?? {});
    if (!answer.admitted) assert.equal(answer.json, admission.denied);
  });
}

for (const { name, peer, request, response } of admission.producer) {
  test(`tr3 producer ${name}`, async () => {
    const meshState: MeshState = { salt: new Uint8Array(32).fill(0x22) };
    const own = { ownEndpointId: admission.server_endpoint_id, peerEndpointId: peer };
    const answer = await handleAdmissionRpc(request, { rootPubkey, meshState, ...own });
    assert.equal(answer.json, response);
    assert.equal(meshState.document?.includes(peer), answer.accepted);
  });
}

/** Writes a requirement as the vectors have it. */
function requirement({ kind, roles }: { kind: string; roles: string[] }): Requirement {
  if (kind === "role" && roles.length === 1) return roles[0] as string;
  if (kind === "any_of" && roles.length > 0) return anyOf(...roles);
  if (kind === "all_of" && roles.length > 0) return allOf(...roles);
  // No program can declare these; what reads them must allow nobody.
  return { kind, roles } as unknown as Requirement;
}

for (const entry of trust.capability) {
  test(`tr23 capability ${JSON.stringify(entry)}`, async () => {
    for (const on of ["service", "method"]) {
      const requires = requirement(entry);
      const method = Rpc({ request: Num, response: Num, ...(on === "method" ? { requires } : {}) });
      const Guarded = Service({ name: "S", methods: { m: method }, ...(on === "service" ? { requires } : {}) })(
        class {
          m(request: Num): Num {
            return request;
          }
        },
      );
      const interceptor = new CapabilityInterceptor({ services: [Guarded] });
      const context = { service: "S", method: "m", attributes: { "aster.role": entry["aster.role"] } } as unknown as CallContext;
      if (entry.allowed) await interceptor.onRequest(context, new Num());
      else await assert.rejects(interceptor.onRequest(context, new Num()), PermissionDeniedError, on);
    }
  });
}

test("a requirement names a role", () => {
  assert.throws(() => anyOf(), TypeError);
  assert.throws(() => allOf(), TypeError);
});

for (const { name, offsets, median, in_drift } of trust.mesh.drift) {
  test(`tr21 drift ${name}`, () => {
    const { replay_window_ms: replayWindowMs, drift_tolerance_ms: driftToleranceMs } = trust.mesh;
    const config = new ClockDriftConfig({ replayWindowMs, driftToleranceMs });
    assert.equal(config.median(Object.values(offsets)), median);
    assert.deepEqual(config.inDrift(offsets), new Set(in_drift));
  });
}
