/** The gate as programs see it (`trust.md` section 9). Core decides, without any of this code. */
import { InvalidStateError } from "./errors.js";
import type { NativePeers } from "./native-trust.js";
import { PeerAttributeStore } from "./peer-store.js";
import { checkKeys } from "./services.js";

/**
 * Who may connect: a view of a gate, to look at and to add to.
 *
 * Given to a server as `hook` it shows that server's gate, which takes over what was admitted before. By itself it is a
 * gate of `peerStore` (default: a new one), to be asked with {@link shouldAllow}; `allowUnenrolled` lets everybody in. A
 * server's gate is opened by its configuration only.
 */
export class MeshEndpointHook {
  readonly peerStore: PeerAttributeStore;
  allowUnenrolled: boolean;
  /** Resolves with the end of its server. */
  #served: Promise<void> | undefined;

  constructor(options: { allowUnenrolled?: boolean; peerStore?: PeerAttributeStore } = {}) {
    checkKeys("MeshEndpointHook", options, ["allowUnenrolled", "peerStore"]);
    this.allowUnenrolled = options.allowUnenrolled ?? false;
    this.peerStore = options.peerStore ?? new PeerAttributeStore();
  }

  /** The endpoint ids that are admitted now. */
  get admitted(): Set<string> {
    return new Set(this.peerStore.peers.names());
  }

  /** Admits a peer, for as long as the store lets it. Errors as of `PeerAttributeStore.admit`. */
  addPeer(endpointId: string, attributes: Readonly<Record<string, string>> = {}): void {
    this.peerStore.admit({ endpointId, attributes });
  }

  /** Ends the admission of a peer and its connections. False: it had none. */
  removePeer(endpointId: string): boolean {
    return this.peerStore.remove(endpointId);
  }

  /** Tells whether a peer may connect for a protocol now. Those of admission are open to everybody. */
  shouldAllow(endpointId: string, alpn: Uint8Array | string): boolean {
    return this.gate.shouldAllow(endpointId, typeof alpn === "string" ? new TextEncoder().encode(alpn) : alpn);
  }

  /** Waits for the end: of the server, or of `signal`. The gate does not need it, nor does it keep the process alive. */
  async runHookLoop(signal?: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      if (signal?.aborted) resolve();
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.race([stopped, this.#served ?? stopped]);
  }

  /** @internal A server's gate is as it is. */
  get gate(): NativePeers {
    const { peers } = this.peerStore;
    return this.#served ? peers : peers.behind(this.allowUnenrolled);
  }

  /** @internal */
  view(peers: NativePeers, served: Promise<void>): void {
    if (this.#served) throw new InvalidStateError("a hook belongs to one server", { kind: "state" });
    this.peerStore.view(peers);
    this.#served = served;
  }
}
