/** The shape of what the native library exports for trust. */
import type { NativeCredential } from "./native.js";

/** A store of spent one-time tokens. */
export type NativeNonces = object & { readonly __nonces?: never };

/** An admission. Times are in milliseconds since 1970. */
export interface NativeAdmission {
  readonly handle: string;
  /** A JSON object of texts. */
  readonly attributes: string;
  readonly admittedAt: number;
  readonly expiresAt: number;
  readonly path: string;
}

/** A list of admitted peers. */
export interface NativePeers {
  behind(isOpen: boolean): NativePeers;
  get(peer: string): NativeAdmission | null;
  remove(peer: string): boolean;
  sweep(): number;
  names(): string[];
  shouldAllow(peer: string, alpn: Uint8Array): boolean;
  takeOver(other: NativePeers): void;
}

/** How clocks of the mesh are judged, in milliseconds. */
export interface NativeDrift {
  readonly replayWindowMs: number;
  readonly driftToleranceMs: number;
  readonly leaseHeartbeatMs: number;
  readonly gracePeriodMs: number;
  readonly minPeersForMedian: number;
}

/** A mesh that a program admits producers to. */
export interface NativeMesh {
  document(): string;
}

/** What another authority grants. */
export interface NativeDelegation {
  readonly token: string;
  readonly attestation: string;
  readonly signingKey: Uint8Array;
}

/** A request that a program has received. */
export interface NativeReceived {
  readonly rootPubkey: Uint8Array;
  readonly request: Uint8Array;
  /** What the handshake has proved. */
  readonly peer?: string;
}

/** What of the engine is for trust. */
export interface NativeTrustEngine {
  memoryNonces(): NativeNonces;
  fileNonces(path: string): NativeNonces | Error;
  hostedNonces(host: number): NativeNonces;
  consumeNonce(op: number, nonces: NativeNonces, nonce: Uint8Array, expiresAt?: number): Error | undefined;
  isNonceConsumed(op: number, nonces: NativeNonces, nonce: Uint8Array): Error | undefined;
  /** `undefined`: there is no answer. */
  answer(question: number, said: boolean | undefined): void;
  admitPeer(peers: NativePeers, peer: string, admission: NativeAdmission): Error | undefined;
  mesh(salt: Uint8Array, document: string | undefined, ownId: string, rootPubkey: Uint8Array): NativeMesh | Error;
  checkCredential(
    op: number,
    credential: NativeCredential,
    options: { checks: string; rootPubkey?: Uint8Array; peer?: string; now?: number; iidToken: string; backend?: number },
    nonces: NativeNonces | undefined,
  ): Error | undefined;
  answerConsumer(
    op: number,
    peers: NativePeers,
    nonces: NativeNonces | undefined,
    received: NativeReceived,
    desk: { requireBound: boolean; services: string; registryNamespace: string; gossipTopic: string },
  ): Error | undefined;
  answerProducer(op: number, peers: NativePeers, mesh: NativeMesh, received: NativeReceived): Error | undefined;
}

/** What of the module is for trust. */
export interface NativeTrustModule {
  Peers: new (ttlMs?: number) => NativePeers;
  admissionRequest(credentialJson: string, iidToken: string): string;
  denialHint(credential: string | null, endpointId: string): string;
  driftDefaults(env: Record<string, string>): NativeDrift;
  driftMedian(drift: NativeDrift, offsets: number[]): number | null;
  drifts(drift: NativeDrift, offset: number, median: number): boolean;
}
