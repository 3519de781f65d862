/** Root keys and credentials (`node-api.md` section 9, `trust.md` sections 3 and 15). Core signs and reads them. */
import { TrustDomainError } from "./errors.js";
import { type NativeCredential, native } from "./native.js";
import { messageOf } from "./rpc-error.js";

/** What both kinds of credentials hold. */
interface Common {
  /** The root key, 32 bytes. */
  rootPubkey: Uint8Array;
  /** First second since 1970 in which it is no longer valid. */
  expiresAt: number;
  /** What it grants. */
  attributes?: Readonly<Record<string, string>>;
  /** Signature of the root key, 64 bytes; empty: not signed yet. */
  signature?: Uint8Array;
}

abstract class Credential {
  rootPubkey: Uint8Array;
  expiresAt: number;
  attributes: Readonly<Record<string, string>>;
  signature: Uint8Array;

  constructor(init: Common) {
    this.rootPubkey = init.rootPubkey;
    this.expiresAt = init.expiresAt;
    this.attributes = init.attributes ?? {};
    this.signature = init.signature ?? new Uint8Array();
  }
}

/** What a producer presents. Here an endpoint id is any text; the network takes 64 lower-case hex digits. */
export class EnrollmentCredential extends Credential {
  endpointId: string;

  constructor(init: Common & { endpointId: string }) {
    super(init);
    this.endpointId = init.endpointId;
  }
}

/** What a consumer presents: a `policy` until it expires, an `ott` (one-time token) once. */
export class ConsumerEnrollmentCredential extends Credential {
  credentialType: "policy" | "ott";
  /** The only peer that may present it; null: whoever holds it. */
  endpointId: string | null;
  /** What is remembered of a one-time token, 32 bytes; null for a policy. */
  nonce: Uint8Array | null;

  constructor(
    init: Common & { credentialType: "policy" | "ott"; endpointId?: string | null; nonce?: Uint8Array | null },
  ) {
    super(init);
    this.credentialType = init.credentialType;
    this.endpointId = init.endpointId ?? null;
    this.nonce = init.nonce ?? null;
  }
}

/** A credential of either kind. */
export type AnyCredential = EnrollmentCredential | ConsumerEnrollmentCredential;

/** Writes attributes as a JSON object. Throws a `TypeError` for what is no text. */
export function textsOf(attributes: Readonly<Record<string, string>>): string {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value !== "string") throw new TypeError(`attributes are texts, got ${key}: ${typeof value}`);
  }
  return JSON.stringify(attributes);
}

/** Takes a credential apart for core. Throws a `TypeError` or `RangeError` for what is none. */
export function partsOf(credential: AnyCredential): NativeCredential {
  if (!(credential instanceof Credential)) throw new TypeError("expected a credential");
  const { expiresAt, attributes, endpointId } = credential;
  if (!Number.isSafeInteger(expiresAt) || expiresAt < 0) {
    throw new RangeError(`expiresAt: expected a whole number of seconds, got ${String(expiresAt)}`);
  }
  if (endpointId !== null && (typeof endpointId !== "string" || /\p{Surrogate}/u.test(endpointId))) {
    throw new TypeError("endpointId: expected a text");
  }
  const isConsumer = credential instanceof ConsumerEnrollmentCredential;
  const kind: string = isConsumer ? credential.credentialType : "producer";
  if (isConsumer && kind === "producer") throw new TypeError("credentialType: expected policy or ott");
  return {
    kind,
    rootPubkey: credential.rootPubkey,
    expiresAt,
    attributes: textsOf(attributes),
    signature: credential.signature,
    ...(endpointId === null ? {} : { endpointId }),
    ...(isConsumer && credential.nonce !== null ? { nonce: credential.nonce } : {}),
  };
}

/** Makes a root key with the generator of the system: seed and public half, 32 bytes each. */
export function generateRootKeypair(): { seed: Uint8Array; publicKey: Uint8Array } {
  return native().generateKeypair();
}

/**
 * Returns the signature of a root key over a credential, 64 bytes. The credential stays as it is.
 *
 * Throws `TypeError` for attributes that are no texts, and an error for keys that have not 32 bytes.
 */
export function signCredential(credential: AnyCredential, seed: Uint8Array): Uint8Array {
  return native().signCredential(partsOf(credential), seed);
}

/**
 * Tells whether a root key signed a credential: the given one, else its own. Never throws.
 *
 * Without a given key nothing says that the credential's own key is trusted: compare it with yours.
 */
export function verifySignature(credential: AnyCredential, rootPubkey?: Uint8Array): boolean {
  const module = native();
  try {
    return module.isSignedCredential(partsOf(credential), rootPubkey);
  } catch {
    return false;
  }
}

/** Returns the document that a consumer presents: ASCII, no spaces. */
export function consumerCredToJson(credential: ConsumerEnrollmentCredential): string {
  if (!(credential instanceof ConsumerEnrollmentCredential)) throw new TypeError("expected a consumer's credential");
  return native().credentialToJson(partsOf(credential));
}

/** Reads a credential of any kind, as strictly as the network does. Throws `TrustDomainError` for anything else. */
export function readCredential(text: string | Uint8Array): AnyCredential {
  const module = native();
  let read: NativeCredential;
  try {
    read = module.parseCredential(typeof text === "string" ? new TextEncoder().encode(text) : text);
  } catch (error) {
    throw new TrustDomainError(messageOf(error), { kind: "credential", cause: error });
  }
  const { kind, rootPubkey, expiresAt, signature } = read;
  const attributes = JSON.parse(read.attributes) as Record<string, string>;
  const common = { rootPubkey, expiresAt, attributes, signature };
  if (kind !== "policy" && kind !== "ott") return new EnrollmentCredential({ ...common, endpointId: read.endpointId ?? "" });
  const [endpointId, nonce] = [read.endpointId ?? null, read.nonce ?? null];
  return new ConsumerEnrollmentCredential({ ...common, credentialType: kind, endpointId, nonce });
}

/** Reads what a consumer presents, or a credential file, strictly. Throws `TrustDomainError` for anything else. */
export function consumerCredFromJson(text: string | Uint8Array): ConsumerEnrollmentCredential {
  const read = readCredential(text);
  if (read instanceof ConsumerEnrollmentCredential) return read;
  throw new TrustDomainError("malformed: it is the credential of a producer", { kind: "credential" });
}
