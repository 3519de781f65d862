/** Types of trust that must hold, and programs that must not compile; `tsc` runs this file. */
import {
  type AdmissionResult,
  AsterServer,
  type ClientOptions,
  ConsumerEnrollmentCredential,
  DelegatedGrant,
  type IIDBackend,
  InMemoryNonceStore,
  MeshEndpointHook,
  NonceStore,
  type NonceStoreLike,
  type PeerAdmission,
  PeerAttributeStore,
  type ServerOptions,
  admit,
  checkOffline,
} from "@aster/rpc";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<T extends true>(value?: T): void {
  void value;
}

declare const credential: ConsumerEnrollmentCredential;
declare const server: AsterServer;
declare const hook: MeshEndpointHook;
declare const store: PeerAttributeStore;

holds<Equal<Awaited<ReturnType<typeof admit>>, AdmissionResult>>();
holds<Equal<ReturnType<typeof server.removePeer>, boolean>>();
holds<Equal<ReturnType<typeof server.revoke>, void>>();
holds<Equal<ReturnType<typeof store.get>, PeerAdmission | undefined>>();
holds<Equal<typeof hook.admitted, Set<string>>>();
holds<Equal<ServerOptions["nonceStore"], NonceStoreLike | undefined>>();
holds<Equal<ClientOptions["delegation"], DelegatedGrant | undefined>>();

// Stores are objects of any class, whose functions may be async or not.
const plain: NonceStoreLike = { consume: (nonce: Uint8Array) => nonce.length === 32 };
const stores: NonceStoreLike[] = [plain, { consume: async () => true, isConsumed: () => false }, new InMemoryNonceStore(), new NonceStore("x")];
const backend: IIDBackend = { verify: async (attributes, token, id) => attributes["a"] === token + id };
void checkOffline(credential, { nonceStore: plain, now: 5 });
void admit(credential, { iidBackend: backend, rootPubkey: new Uint8Array(32) });
server.revoke({ credential, until: new Date() });
void stores;

// @ts-expect-error An answer is a boolean.
const wrong: NonceStoreLike = { consume: async () => 1 };
// @ts-expect-error Options have names.
void checkOffline(credential, "peer");
// @ts-expect-error A time is a Date.
server.revoke({ endpointId: "x", until: 5 });
// @ts-expect-error Attributes are texts.
hook.addPeer("x", { a: 1 });
// @ts-expect-error What a grant needs.
void new DelegatedGrant({ token: {}, attestation: {} });
// @ts-expect-error A path that does not exist.
store.admit({ endpointId: "x", admissionPath: "other" });
void wrong;
