/** Delegated admission: what another authority grants for one service (`trust.md` section 12). */
import { checkKeys } from "./services.js";

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What a client shows as `delegation`. It is not shown by `console.log`. */
export class DelegatedGrant {
  readonly #token: JsonObject;
  readonly #attestation: JsonObject;
  readonly #signingKey: Uint8Array;

  /**
   * `token` and the `attestation` of its key are JSON objects as their authority has made them, `signingKey` is the seed,
   * 32 bytes, of the key that the token names.
   */
  constructor(parts: { token: JsonObject; attestation: JsonObject; signingKey: Uint8Array }) {
    checkKeys("DelegatedGrant", parts, ["token", "attestation", "signingKey"]);
    if (!(parts.signingKey instanceof Uint8Array)) throw new TypeError("signingKey: expected a Uint8Array");
    this.#token = parts.token;
    this.#attestation = parts.attestation;
    this.#signingKey = parts.signingKey;
  }

  get token(): JsonObject {
    return this.#token;
  }

  get attestation(): JsonObject {
    return this.#attestation;
  }

  get signingKey(): Uint8Array {
    return this.#signingKey;
  }
}
