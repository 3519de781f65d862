/** What tests of trust need: the vectors, who issues credentials, files, guarded services. */
import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  type AnyCredential,
  AsterClient,
  AsterConfig,
  AsterServer,
  type CallContext,
  type ClientOptions,
  ConsumerEnrollmentCredential,
  EnrollmentCredential,
  Rpc,
  ServerStream,
  type ServerOptions,
  Service,
  consumerCredToJson,
  f,
  generateRootKeypair,
  signCredential,
  wireType,
} from "@aster/rpc";
import { local, root } from "./support.js";

export interface TrustVectors {
  now: number;
  keys: Record<string, { seed: string; public: string }>;
  credentials: (Signed & { name: string })[];
  tolerated: { name: string; credential_json: string; peer: string }[];
  negative: Negative[];
  signatures: { name: string; public_key: string; signature: string; valid: boolean }[];
  ott_sequences: { name: string; steps: Step[] }[];
  capability: { kind: string; roles: string[]; "aster.role": string; allowed: boolean }[];
  admission: {
    server_endpoint_id: string;
    peer: string;
    denied: string;
    requests: Request[];
    producer_denied: string;
    producer: { name: string; peer: string; request: string; response: string }[];
  };
  mesh: {
    replay_window_ms: number;
    drift_tolerance_ms: number;
    drift: { name: string; offsets: Record<string, number>; median: number | null; in_drift: string[] }[];
  };
  gate: {
    single_source: { root: string; allow_all_consumers: string; gate: string; root_key: string; dev_mode: boolean }[];
    conflicts: { root: string; allow_all_consumers: Record<string, boolean>; gate: string }[];
    errors: { case: string; error: string }[];
  };
}
export interface Signed {
  kind: "producer" | "policy" | "ott";
  endpoint_id: string | null;
  expires_at: number;
  attributes: Record<string, string>;
  nonce: string | null;
  key: string;
  signature: string;
  credential_json: string;
}
export interface Negative {
  name: string;
  kind: "producer" | "consumer";
  credential_json: string;
  credential_hex?: string;
  peer: string;
  server_root: string;
  cause?: string;
  nonce_store?: null;
  consumed_nonces?: string[];
  require_bound_credentials?: boolean;
}
interface Step {
  peer: string;
  credential_json: string;
  verdict: "admit" | "deny";
  restart?: boolean;
  remove?: string;
}
interface Request {
  name: string;
  gate: "open" | "closed";
  request: string;
  request_repeat?: { text: string; count: number };
  live_entry?: Record<string, string>;
  verdict: "admit" | "deny";
  attributes?: Record<string, string>;
}

const vectors = process.env["ASTER_VECTORS_DIR"] ?? join(root, "..", "shared", "vectors");
export const trust = JSON.parse(readFileSync(join(vectors, "trust.json"), "utf8")) as TrustVectors;
export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
export const hexOf = (data: Uint8Array): string => Buffer.from(data).toString("hex");

/** Returns a key of the vectors. */
export function keyOf(name: string): { seed: Uint8Array; publicKey: Uint8Array } {
  const key = trust.keys[name];
  if (!key) throw new Error(`no key ${name}`);
  return { seed: bytes(key.seed), publicKey: bytes(key.public) };
}

/** Makes a credential of the vectors. */
export function madeOf(entry: Signed): AnyCredential {
  const common = {
    rootPubkey: keyOf(entry.key).publicKey,
    expiresAt: entry.expires_at,
    attributes: entry.attributes,
    signature: bytes(entry.signature),
  };
  if (entry.kind === "producer") return new EnrollmentCredential({ ...common, endpointId: entry.endpoint_id ?? "" });
  const nonce = entry.nonce === null ? null : bytes(entry.nonce);
  return new ConsumerEnrollmentCredential({ ...common, credentialType: entry.kind, endpointId: entry.endpoint_id, nonce });
}

const secretKey = (seed: Uint8Array): ReturnType<typeof createPrivateKey> =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]),
    format: "der",
    type: "pkcs8",
  });

/** Returns the endpoint id of a node key. */
export function idOf(seed: Uint8Array): string {
  return createPublicKey(secretKey(seed)).export({ format: "der", type: "spki" }).subarray(-32).toString("hex");
}

/** Signs text as authorities do. */
export function signText(seed: Uint8Array, text: string): string {
  return sign(null, Buffer.from(text, "ascii"), secretKey(seed)).toString("hex");
}

export const inAnHour = (): number => Math.floor(Date.now() / 1000) + 3600;

/** A folder that goes with the test. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "aster-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

interface Wanted {
  kind?: "policy" | "ott";
  endpointId?: string;
  expiresAt?: number;
}

/** A root key, and what it signs. */
export class Issuer {
  readonly seed: Uint8Array;
  readonly root: Uint8Array;

  constructor() {
    ({ seed: this.seed, publicKey: this.root } = generateRootKeypair());
  }

  consumer(attributes: Record<string, string> = {}, { kind = "policy", endpointId, expiresAt }: Wanted = {}): ConsumerEnrollmentCredential {
    const made = new ConsumerEnrollmentCredential({
      credentialType: kind,
      rootPubkey: this.root,
      expiresAt: expiresAt ?? inAnHour(),
      attributes,
      endpointId: endpointId ?? null,
      nonce: kind === "ott" ? new Uint8Array(randomBytes(32)) : null,
    });
    made.signature = signCredential(made, this.seed);
    return made;
  }

  producer(nodeSeed: Uint8Array): EnrollmentCredential {
    const common = { rootPubkey: this.root, expiresAt: inAnHour(), attributes: { "aster.role": "producer" } };
    const made = new EnrollmentCredential({ ...common, endpointId: idOf(nodeSeed) });
    made.signature = signCredential(made, this.seed);
    return made;
  }

  /** Writes a credential file. */
  file(t: TestContext, attributes: Record<string, string> = {}, wanted: Wanted = {}): string {
    return credentialFile(t, this.consumer(attributes, wanted));
  }

  /** Writes the identity file of a producer, with more tables. */
  identity(t: TestContext, nodeSeed: Uint8Array, ...more: string[]): string {
    return textFile(t, "server.id", nodeTable(nodeSeed) + entryTable("p", this.producer(nodeSeed)) + more.join(""));
  }
}

export function textFile(t: TestContext, name: string, text: string): string {
  const path = join(folder(t), name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

export function credentialFile(t: TestContext, credential: ConsumerEnrollmentCredential): string {
  return textFile(t, "a.cred", consumerCredToJson(credential));
}

/** Writes a table of TOML; absent fields are left out. */
export function table(head: string, fields: Record<string, unknown>): string {
  const toml = (value: unknown): string =>
    typeof value === "object" && value !== null
      ? `{ ${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)} = ${toml(one)}`).join(", ")} }`
      : JSON.stringify(value);
  const lines = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return `${[head, ...lines.map(([key, value]) => `${key} = ${toml(value)}`)].join("\n")}\n`;
}

export function nodeTable(seed: Uint8Array): string {
  return table("[node]", { secret_key: Buffer.from(seed).toString("base64") });
}

/** Writes the entry of an identity file. */
export function entryTable(name: string, of: EnrollmentCredential | ConsumerEnrollmentCredential): string {
  const isConsumer = of instanceof ConsumerEnrollmentCredential;
  return table("[[peers]]", {
    name,
    role: isConsumer ? "consumer" : "producer",
    type: isConsumer ? of.credentialType : undefined,
    root_pubkey: hexOf(of.rootPubkey),
    endpoint_id: of.endpointId,
    expires_at: of.expiresAt,
    nonce: isConsumer && of.nonce ? hexOf(of.nonce) : undefined,
    signature: hexOf(of.signature),
    attributes: of.attributes,
  });
}

export class Num extends wireType("trust/Num", { value: f.int() }) {}
export class Text extends wireType("trust/Text", { body: f.string() }) {}

/** Needs an admitted peer, and sometimes more. */
@Service({ name: "Vault" })
export class Vault {
  started = 0;
  /** Resolves when a stream has ended. */
  readonly ended: Promise<void>;
  #end = (): void => {};

  constructor() {
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  @Rpc({ request: Num, response: Text })
  async whoami(_: Num, context: CallContext): Promise<Text> {
    return new Text({ body: JSON.stringify(context.attributes) });
  }

  @Rpc({ request: Text, response: Text, requires: "vault.read" })
  async read(key: Text): Promise<Text> {
    return key;
  }

  @ServerStream({ request: Num, response: Num })
  async *ticks(value: Num, { signal }: CallContext): AsyncGenerator<Num> {
    this.started++;
    signal.addEventListener("abort", this.#end, { once: true });
    yield value;
    await this.ended;
  }
}

@Service({ name: "Other" })
export class Other {
  @Rpc({ request: Num, response: Num })
  async ping(value: Num): Promise<Num> {
    return value;
  }
}

/** Starts a server with a closed gate. */
export async function gated(t: TestContext, issuer: Issuer, options: Partial<ServerOptions> = {}): Promise<AsterServer> {
  const server = await AsterServer.start({ services: [new Vault()], config: local(), rootPubkey: issuer.root, ...options });
  t.after(() => server.close());
  return server;
}

/** Makes a client that is closed with the test. `key`: its node key. */
export function clientOf(
  t: TestContext,
  server: AsterServer | string,
  { key, ...options }: ClientOptions & { key?: Uint8Array } = {},
): AsterClient {
  const config = new AsterConfig({ ...local(), ...(key === undefined ? {} : { secretKey: key }) });
  const address = typeof server === "string" ? server : server.address;
  const client = new AsterClient({ address, config, ...options });
  t.after(() => client.close());
  return client;
}

/** Returns what a handler sees of a client. */
export async function attributesOf(client: AsterClient): Promise<unknown> {
  const vault = await client.client(Vault);
  return JSON.parse((await vault.whoami({ value: 1 })).body);
}
