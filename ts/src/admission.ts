/** Verification of credentials, and answers to who presents them (`trust.md` sections 4, 6, 11 and 15). Core decides. */
import { type AnyCredential, partsOf } from "./credentials.js";
import { recordOfPairs } from "./context.js";
import { type Engine, engine } from "./engine.js";
import type { MeshEndpointHook } from "./hook.js";
import { type MeshState, meshOf } from "./mesh.js";
import { native } from "./native.js";
import type { NativeNonces, NativePeers } from "./native-trust.js";
import { type NonceStoreLike, lendNonces } from "./nonces.js";
import { PeerAttributeStore } from "./peer-store.js";
import { recordOf } from "./registry.js";
import { checkKeys } from "./services.js";
import { type ServiceSummary, announced, summaries } from "./summary.js";

/** What a verification has found. Tell no peer the `reason`. */
export interface AdmissionResult {
  readonly admitted: boolean;
  /** What is granted; nothing if it is not admitted. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Why not: contains `expired`, `endpoint_id`, `signature`, `nonce` or `nonce_store` for what these are about. */
  readonly reason: string;
}

/** Verifies documents in which a cloud says what a peer runs on. One that throws, or takes five seconds, denies. */
export interface IIDBackend {
  /** Tells whether a document proves what the attributes `aster.iid_*` of a credential say of a peer. */
  verify(attributes: Readonly<Record<string, string>>, iidToken: string, endpointId: string): Promise<boolean> | boolean;
}

/** What {@link checkOffline} checks against. */
export interface OfflineOptions {
  /** What the handshake has proved; without it a binding is not checked. */
  peerEndpointId?: string;
  /** Without one one-time tokens are denied. */
  nonceStore?: NonceStoreLike;
  /** Without one the credential's own key is taken: compare it with yours. */
  rootPubkey?: Uint8Array;
  /** Seconds since 1970; default: the clock. */
  now?: number;
}

/** What {@link checkRuntime} checks against. */
export interface RuntimeOptions {
  peerEndpointId?: string;
  /** Without one a credential that asks for an instance identity is denied. */
  iidBackend?: IIDBackend;
  iidToken?: string;
}

const OFFLINE = ["peerEndpointId", "nonceStore", "rootPubkey", "now"];
const RUNTIME = ["peerEndpointId", "iidBackend", "iidToken"];

/**
 * Checks structure, expiry, binding and signature, and then spends the nonce of a one-time token.
 *
 * Rejects with a `TypeError` or `RangeError` for what is no credential.
 */
export async function checkOffline(credential: AnyCredential, options: OfflineOptions = {}): Promise<AdmissionResult> {
  checkKeys("checkOffline", options, OFFLINE);
  return check("offline", credential, options);
}

/** Checks the instance identity that a credential asks for; one that asks for none holds. */
export async function checkRuntime(credential: AnyCredential, options: RuntimeOptions = {}): Promise<AdmissionResult> {
  checkKeys("checkRuntime", options, RUNTIME);
  return check("runtime", credential, options);
}

/** Checks everything that {@link checkOffline} and {@link checkRuntime} do; a denial spends nothing. */
export async function admit(
  credential: AnyCredential,
  options: OfflineOptions & RuntimeOptions = {},
): Promise<AdmissionResult> {
  checkKeys("admit", options, [...OFFLINE, ...RUNTIME]);
  return check("all", credential, options);
}

async function check(
  checks: "offline" | "runtime" | "all",
  credential: AnyCredential,
  { peerEndpointId: peer, nonceStore, rootPubkey, now, iidBackend, iidToken = "" }: OfflineOptions & RuntimeOptions,
): Promise<AdmissionResult> {
  const parts = partsOf(credential);
  if (now !== undefined && !(Number.isSafeInteger(now) && now >= 0)) throw new RangeError("now: expected seconds since 1970");
  if (iidBackend !== undefined && typeof iidBackend.verify !== "function") {
    throw new TypeError("iidBackend: a backend has verify(attributes, iidToken, endpointId)");
  }
  const host = engine();
  const backend = iidBackend && host.questions.add(iidBackend);
  try {
    return await lending(host, nonceStore, async (nonces) => {
      const against = { checks, rootPubkey, peer, now, iidToken, backend };
      const told = await host.operate((op) => host.native.checkCredential(op, parts, against, nonces));
      const [admitted, attributes, reason] = told as [boolean, string[], string];
      return { admitted, attributes: recordOfPairs(attributes), reason };
    });
  } finally {
    if (backend !== undefined) host.questions.forget(backend);
  }
}

async function lending<T>(
  host: Engine,
  store: NonceStoreLike | undefined,
  use: (nonces: NativeNonces | undefined) => Promise<T>,
): Promise<T> {
  const lent = store && lendNonces(host, store);
  try {
    return await use(lent?.native);
  } finally {
    lent?.giveBack();
  }
}

/** What a peer presents, as a document or in its parts: a credential as JSON text, and a document of its instance. */
export type AdmissionRequest = string | Uint8Array | { credentialJson: string; iidToken?: string };

/** Where peers are admitted to: the list of `hook`, else `peerStore`, else one that nobody sees. */
interface Listing {
  hook?: MeshEndpointHook;
  peerStore?: PeerAttributeStore;
}

/** Options of {@link handleConsumerAdmissionRpc}. */
export interface ConsumerDeskOptions extends Listing {
  rootPubkey: Uint8Array;
  /** Without one one-time tokens are denied. */
  nonceStore?: NonceStoreLike;
  /** What the admitted are told. */
  services?: readonly ServiceSummary[];
  registryNamespace?: string;
  gossipTopic?: string;
  /** Whether credentials that are bound to no endpoint are denied; default false. */
  requireBoundCredentials?: boolean;
}

/** What a consumer is told. A denial is the same for every cause. */
export interface ConsumerAdmissionResponse {
  readonly admitted: boolean;
  readonly attributes: Readonly<Record<string, string>>;
  readonly services: readonly ServiceSummary[];
  readonly registryNamespace: string;
  readonly rootPubkey: string;
  readonly reason: string;
  readonly gossipTopic: string;
  /** The answer as it goes to the peer. */
  readonly json: string;
}

/**
 * Answers the request of a consumer and puts it on the list.
 *
 * `peerEndpointId` is what the handshake has proved, 64 hex digits. Whatever is wrong with the request denies; nothing
 * about it rejects.
 */
export async function handleConsumerAdmissionRpc(
  request: AdmissionRequest,
  peerEndpointId: string,
  options: ConsumerDeskOptions,
): Promise<ConsumerAdmissionResponse> {
  const known = ["hook", "peerStore", "rootPubkey", "nonceStore", "services", "registryNamespace", "gossipTopic"];
  checkKeys("handleConsumerAdmissionRpc", options, [...known, "requireBoundCredentials"]);
  const { rootPubkey, nonceStore, services = [], registryNamespace = "", gossipTopic = "" } = options;
  const host = engine();
  const requireBound = options.requireBoundCredentials ?? false;
  const desk = { requireBound, services: JSON.stringify(announced(services)), registryNamespace, gossipTopic };
  const received = { rootPubkey, request: bytesOf(request), peer: peerEndpointId };
  const json = await lending(host, nonceStore, async (nonces) => {
    return (await host.operate((op) => host.native.answerConsumer(op, listOf(options), nonces, received, desk))) as string;
  });
  const told = recordOf<ConsumerAdmissionResponse>(json);
  return { ...told, services: summaries(told.services), gossipTopic: told.gossipTopic ?? "", json };
}

/** Options of {@link handleAdmissionRpc}. */
export interface ProducerDeskOptions extends Listing {
  rootPubkey: Uint8Array;
  meshState: MeshState;
  /** Of the endpoint that was asked. */
  ownEndpointId: string;
  /** What the handshake has proved; without it the word of the credential is taken. */
  peerEndpointId?: string;
}

/** What a producer is told. A denial is the same for every cause. */
export interface ProducerAdmissionResponse {
  readonly accepted: boolean;
  /** Hex. */
  readonly salt: string;
  readonly acceptedProducers: readonly string[];
  readonly reason: string;
  /** The answer as it goes to the peer. */
  readonly json: string;
}

/** Answers the request of a producer, and admits it to list and mesh. As {@link handleConsumerAdmissionRpc}. */
export async function handleAdmissionRpc(
  request: AdmissionRequest,
  options: ProducerDeskOptions,
): Promise<ProducerAdmissionResponse> {
  const known = ["hook", "peerStore", "rootPubkey", "meshState", "ownEndpointId", "peerEndpointId"];
  checkKeys("handleAdmissionRpc", options, known);
  const { rootPubkey, meshState, ownEndpointId, peerEndpointId } = options;
  const host = engine();
  const mesh = meshOf(host, meshState, ownEndpointId, rootPubkey);
  const received = { rootPubkey, request: bytesOf(request), peer: peerEndpointId };
  const json = (await host.operate((op) => host.native.answerProducer(op, listOf(options), mesh, received))) as string;
  meshState.document = mesh.document();
  return { ...recordOf<ProducerAdmissionResponse>(json), json };
}

function listOf({ hook, peerStore }: Listing): NativePeers {
  return hook?.gate ?? (peerStore ?? new PeerAttributeStore()).peers;
}

function bytesOf(request: AdmissionRequest): Uint8Array {
  if (request instanceof Uint8Array) return request;
  const text = typeof request === "string" ? request : native().admissionRequest(request.credentialJson, request.iidToken ?? "");
  return new TextEncoder().encode(text);
}

