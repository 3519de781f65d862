/** Admitted peers and what they were granted (`trust.md` section 9). The list is core's. */
import { textsOf } from "./credentials.js";
import { type Engine, checked, engine } from "./engine.js";
import { native } from "./native.js";
import type { NativePeers } from "./native-trust.js";
import { checkKeys } from "./services.js";

const REAP_INTERVAL_MS = 300_000;

/** The admission of a peer. */
export interface PeerAdmission {
  readonly endpointId: string;
  /** Text for display. */
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly admittedAt: Date;
  /** When it ends. Without one only the time counts that the store gives. */
  readonly expiresAt: Date | null;
  readonly admissionPath: "consumer" | "producer" | "mesh" | "delegated" | "manual";
}

/**
 * A list of admitted peers, at most 65 536. An admission holds for `ttlMs` milliseconds (default one day) or less.
 *
 * Given to a hook or to a function that admits it is what they look at. Names are endpoint ids, 64 lower-case hex
 * digits; others can be kept, but no connection ever has them. Look-ups know nothing of admissions that have ended.
 */
export class PeerAttributeStore {
  readonly #engine: Engine;
  #peers: NativePeers;
  #reaper: NodeJS.Timeout | undefined;

  constructor(options: { ttlMs?: number } = {}) {
    checkKeys("PeerAttributeStore", options, ["ttlMs"]);
    const { ttlMs } = options;
    if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0)) {
      throw new RangeError("PeerAttributeStore: expected ttlMs above 0");
    }
    this.#engine = engine();
    this.#peers = new (native().Peers)(ttlMs);
  }

  /**
   * Puts a peer on the list, in place of what it had.
   *
   * Throws a `TypeError` or `RangeError` for what is no admission, `LimitExceededError` if there is no room,
   * `TrustDomainError` for a peer that is revoked.
   */
  admit(admission: Pick<PeerAdmission, "endpointId"> & Partial<PeerAdmission>): void {
    const { endpointId, handle = "", attributes = {}, admittedAt, expiresAt = null, admissionPath: path = "manual" } = admission;
    if (typeof endpointId !== "string") throw new TypeError("endpointId: expected a text");
    const parts = {
      handle,
      attributes: textsOf(attributes),
      admittedAt: admittedAt === undefined ? Date.now() : millis("admittedAt", admittedAt),
      // 0 would be no end.
      expiresAt: expiresAt === null ? 0 : Math.max(1, millis("expiresAt", expiresAt)),
      path,
    };
    checked(this.#engine.native.admitPeer(this.#peers, endpointId, parts));
  }

  /** Returns the admission of a peer, undefined without one. Its `expiresAt` is when it really ends. */
  get(endpointId: string): PeerAdmission | undefined {
    const found = this.#peers.get(endpointId);
    if (!found) return undefined;
    return {
      endpointId,
      handle: found.handle,
      attributes: JSON.parse(found.attributes) as Record<string, string>,
      admittedAt: new Date(found.admittedAt),
      expiresAt: new Date(found.expiresAt),
      admissionPath: found.path as PeerAdmission["admissionPath"],
    };
  }

  /** Returns what a peer was granted; nothing for one that is not admitted. */
  getAttributes(endpointId: string): Readonly<Record<string, string>> {
    return this.get(endpointId)?.attributes ?? {};
  }

  /** Ends the admission of a peer and its connections. False: it had none. */
  remove(endpointId: string): boolean {
    return this.#peers.remove(endpointId);
  }

  /** Forgets admissions that have ended and closes their connections; returns how many there were. */
  sweepExpired(): number {
    return this.#peers.sweep();
  }

  /** Returns how many peers are admitted. */
  peerCount(): number {
    return this.#peers.names().length;
  }

  /** Sweeps every 300 seconds. Repeatable; does not keep the process alive. The list of a server needs none. */
  startReaper(): void {
    this.#reaper ??= setInterval(() => this.sweepExpired(), REAP_INTERVAL_MS).unref();
  }

  /** Sweeps no more. Repeatable. */
  stopReaper(): void {
    clearInterval(this.#reaper);
    this.#reaper = undefined;
  }

  /** @internal */
  get peers(): NativePeers {
    return this.#peers;
  }

  /** @internal Shows another list from now on, which takes over what this one has. */
  view(peers: NativePeers): void {
    peers.takeOver(this.#peers);
    this.#peers = peers;
  }
}

function millis(field: string, date: unknown): number {
  const time = date instanceof Date ? date.getTime() : NaN;
  if (!(time >= 0)) throw new RangeError(`${field}: expected a Date since 1970`);
  return time;
}
