/** Stores of spent one-time tokens (`trust.md` section 9). One that throws, or is late, denies. */
import { type Engine, checked, engine } from "./engine.js";
import type { NativeNonces } from "./native-trust.js";

/** A store of the program's own. Its functions may be async, and have five seconds. */
export interface NonceStoreLike {
  /** Spends a nonce of 32 bytes. False: it was spent before. Only one of several at once may succeed. */
  consume(nonce: Uint8Array): Promise<boolean> | boolean;
  /** Tells whether a nonce was spent. */
  isConsumed?(nonce: Uint8Array): Promise<boolean> | boolean;
}

/** A store of core's. */
abstract class CoreStore implements NonceStoreLike {
  readonly #engine: Engine;
  /** @internal */
  readonly handle: () => NativeNonces;

  constructor(open: (engine: Engine) => NativeNonces) {
    this.#engine = engine();
    const native = open(this.#engine);
    this.handle = () => native;
  }

  /**
   * Spends a nonce of a token that expires in this second since 1970 (default: never). False: it was spent before.
   *
   * Rejects with a `TypeError` unless it has 32 bytes, with `LimitExceededError` if the store is full.
   */
  async consume(nonce: Uint8Array, expiresAt?: number): Promise<boolean> {
    const { native } = this.#engine;
    return (await this.#engine.operate((op) => native.consumeNonce(op, this.handle(), nonce, expiresAt))) as boolean;
  }

  /** Tells whether a nonce was spent. Rejects with a `TypeError` unless it has 32 bytes. */
  async isConsumed(nonce: Uint8Array): Promise<boolean> {
    const { native } = this.#engine;
    return (await this.#engine.operate((op) => native.isNonceConsumed(op, this.handle(), nonce))) as boolean;
  }
}

/** Remembers spent tokens as long as the process lives. */
export class InMemoryNonceStore extends CoreStore {
  constructor() {
    super(({ native }) => native.memoryNonces());
  }
}

/**
 * Remembers spent tokens in a file, which several processes may share; it is made when the first token is spent.
 *
 * A file that cannot be read, or is damaged, throws an `AsterError`: half a list would admit twice.
 */
export class NonceStore extends CoreStore {
  readonly path: string;

  constructor(path: string) {
    if (typeof path !== "string") throw new TypeError("NonceStore: expected the path of a file");
    super(({ native }) => checked(native.fileNonces(path)));
    this.path = path;
  }
}

/** What core asks in place of a store, until it is given back. */
export interface LentNonces {
  readonly native: NativeNonces;
  giveBack(): void;
}

/** Lets core ask a store. */
export function lendNonces(to: Engine, store: NonceStoreLike): LentNonces {
  if (store instanceof CoreStore) return { native: store.handle(), giveBack: () => {} };
  if (typeof (store as Partial<NonceStoreLike> | null)?.consume !== "function") {
    throw new TypeError("nonceStore: a store has consume(nonce)");
  }
  const number = to.questions.add(store);
  return { native: to.native.hostedNonces(number), giveBack: () => to.questions.forget(number) };
}
