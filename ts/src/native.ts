/** Finding and loading the native library (`node-api.md` section 2), and the shape of what it exports. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import type { Codec } from "./codec.js";
import { NativeLoadError } from "./errors.js";
import type {
  NativeDelegation,
  NativeDrift,
  NativeNonces,
  NativePeers,
  NativeTrustEngine,
  NativeTrustModule,
} from "./native-trust.js";
import { messageOf } from "./rpc-error.js";
import { version } from "./tables.js";
import type { Extra } from "./tape.js";

/** A configuration that is settled for a server or a client. */
export interface NativeSettings {
  get(field: string): string | null;
  source(field: string): string | null;
  /** File of the credential, or what stands for one. */
  credentialLabel(): string | null;
  warnings(): string[];
}

/** A compiled service. */
export interface NativePlan {
  readonly contractId: string;
  canonical(): Uint8Array | Error;
  members(tag: string): string[];
  root(name: string): number | Error;
  encode(root: number, json: boolean, slot: number, text: string, length: number, extra: Extra | undefined): number | Uint8Array | Error;
  decode(root: number, json: boolean, bytes: Uint8Array): unknown;
}

/** A service of one server, or one session of it, ready to be called. */
export interface NativeStub {
  method(name: string): number;
  openSession(): NativeStub | Error;
  /** Another service of the same server, in the same session. */
  withPlan(plan: NativePlan): NativeStub | Error;
  nextCallId(): string;
  readonly sessionTicket: number | null;
  /** Id on the wire. */
  readonly sessionId: string | null;
  closeSession(): void;
}

/** A connected client. */
export interface NativeClient {
  info(): string;
  bind(plan: NativePlan, channel?: string): NativeStub | Error;
  /** For a plan whose bodies are made here. */
  bindUntyped(plan: NativePlan): NativeStub | Error;
  reconnect(op: number): Error | undefined;
  registry(op: number): Error | undefined;
  contract(op: number, service: string, version?: number, withinMs?: number): Error | undefined;
  producers(op: number, service: string, version?: number): Error | undefined;
  /** Completes with what {@link routed} takes. */
  bindRouted(op: number, plan: NativePlan, strategy?: string): Error | undefined;
  routed(bound: object, plan: NativePlan): NativeStub | Error;
  close(op: number): Error | undefined;
}

/** What is looked for in a registry. */
export interface Wish {
  readonly service: string;
  readonly version?: number;
  readonly channel?: string;
  readonly tag?: string;
  readonly contractId?: string;
  readonly strategy?: string;
  readonly modes?: readonly string[];
  readonly realm?: string;
}

/** The registry that a client has joined. */
export interface NativeClientRegistry {
  resolveAll(op: number, wish: Wish): Error | undefined;
  /** Endpoints and why they were dropped, or an empty text, in turn. */
  explain(wish: Wish): string[] | Error;
  artifacts(op: number): Error | undefined;
  changed(op: number, seen: number): Error | undefined;
}

/** The registry that a server writes. */
export interface NativeServerRegistry {
  readonly namespace: string;
  readonly authorId: string;
  readonly isFailing: boolean;
  share(op: number, mode: string): Error | undefined;
  allowAuthor(op: number, id: string): Error | undefined;
  setHealth(health: string): Error | undefined;
}

/** A server. */
export interface NativeServer {
  setManifests(text: string): void;
  registry(): NativeServerRegistry | Error;
  register(plan: NativePlan): number | Error;
  forget(tag: number): void;
  start(op: number): Error | undefined;
  drain(op: number, graceMs: number | undefined): Error | undefined;
  close(op: number): Error | undefined;
  warnings(): string[];
  startReport(guarded: string[]): string[];
  address(): string | Error;
  addrB64(): string | Error;
  endpointId(): string | Error;
  services(): string | Error;
  rootPubkey(): Uint8Array | Error;
  peers(): NativePeers;
  setNonces(nonces: NativeNonces): Error | undefined;
  revoke(op: number, endpointId?: string, signature?: Uint8Array, until?: number): Error | undefined;
  readonly isOpen: boolean;
}

/** What methods require of their callers. */
export interface NativeCapabilities {
  /** Requirements are JSON; `methods`: names and requirements in turn, empty where there is none. */
  add(service: string, requires: string | undefined, methods: readonly string[]): void;
}

/** A credential in its parts. */
export interface NativeCredential {
  /** `producer`, `policy` or `ott`. */
  readonly kind: string;
  readonly endpointId?: string;
  readonly rootPubkey: Uint8Array;
  readonly expiresAt: number;
  /** A JSON object of texts. */
  readonly attributes: string;
  readonly nonce?: Uint8Array;
  readonly signature: Uint8Array;
}

/** Numbers and texts of core. */
export interface Defaults {
  readonly initialCredit: number;
  readonly deadlineSkewMs: number;
  readonly deadlineExpired: string;
  readonly compressionThreshold: number;
}

/** The engine of one JavaScript environment. */
export interface NativeEngine extends NativeTrustEngine {
  hold(): void;
  release(): void;
  abandon(op: number): void;
  settings(told: {
    arguments: string;
    inline: string;
    env: string;
    /** Path and text. */
    toml?: string[];
    role: "producer" | "consumer";
    peer?: string;
  }): NativeSettings | Error;
  plan(description: string, declared: string, build: Codec["build"] | ((body: string) => unknown)): NativePlan | Error;
  server(
    settings: NativeSettings,
    options: {
      channel?: string;
      maxConcurrentStreams?: number;
      maxSessionsPerConnection?: number;
      registryNamespace?: string;
      registryTicket?: string;
      persistMeshState?: boolean;
      drift?: NativeDrift;
    },
  ): NativeServer | Error;
  connect(
    op: number,
    settings: NativeSettings,
    options: {
      address?: string;
      channel?: string;
      connectTimeoutMs?: number;
      allowForeignChannels?: boolean;
      delegation?: NativeDelegation;
    },
  ): Error | undefined;
  call(
    stub: NativeStub,
    method: number,
    slot: number,
    text: string,
    length: number,
    extra: Extra | undefined,
    timeoutMs: number | undefined,
    metadata: readonly string[],
    mode: number | undefined,
    prefetch: number | undefined,
    callId?: string,
  ): number | Error;
  open(
    stub: NativeStub,
    method: number,
    timeoutMs: number | undefined,
    metadata: readonly string[],
    mode: number | undefined,
    prefetch: number | undefined,
    callId?: string,
  ): number | Error;
  /** True: taken, false: no room, undefined: the call has ended. */
  send(ticket: number, slot: number, text: string, length: number, extra: Extra | undefined): boolean | Error | undefined;
  endInput(ticket: number): void;
  took(ticket: number, items: number): Error | undefined;
  cancel(ticket: number): void;
  drain(): [more: boolean, ...entries: unknown[][]];
  /** As {@link send}; a value that does not fit ends the call. */
  sendItem(ticket: number, slot: number, text: string, length: number, extra: Extra | undefined): boolean | Error | undefined;
  releaseSession(session: number): void;
  compressAbove(ticket: number, threshold: number): void;
  permit(map: NativeCapabilities, service: string, method: string, attributes: readonly string[]): Error | undefined;
  reply(ticket: number, slot: number, text: string, length: number, extra: Extra | undefined): Error | undefined;
  finish(ticket: number, code: number, message: string, details: readonly string[]): Error | undefined;
  fail(ticket: number, text: string): Error | undefined;
}

/** A service as a program declares it. */
export interface LiveContract {
  readonly service: string;
  readonly version: number;
  readonly contractId: string;
}

/** Why a program does not go with a manifest file. */
export interface ManifestFault {
  readonly text: string;
  /** What the manifest says of the service that differs; without one the file is at fault. */
  readonly expected?: LiveContract;
  /** Its contract id in the program. */
  readonly actual?: string;
}

/** What the library exports. */
export interface NativeModule extends NativeTrustModule {
  version(): string;
  tables(): string;
  defaults(): string;
  wireName(name: string): string;
  canonicalBytes(kind: string, document: string): Uint8Array;
  readCanonical(kind: string, canonical: Uint8Array): string;
  typeGraph(types: string): string;
  contractIdentity(description: string): string;
  manifestOf(description: string): string;
  verifiedManifest(text: string): string;
  descriptionOfManifest(text: string): string;
  readManifest(text: string): { text: string; verified: boolean };
  checkLiveContracts(path: string, live: LiveContract[]): ManifestFault | null;
  typeTree(text: string): string;
  flattenedName(tag: string, argumentTexts: string[]): string;
  maxMessageDepth(): number;
  generateKeypair(): { seed: Uint8Array; publicKey: Uint8Array };
  signCredential(credential: NativeCredential, seed: Uint8Array): Uint8Array;
  isSignedCredential(credential: NativeCredential, rootPubkey?: Uint8Array): boolean;
  credentialToJson(credential: NativeCredential): string;
  parseCredential(document: Uint8Array): NativeCredential;
  Capabilities: new () => NativeCapabilities;
  Engine: new (
    wake: () => void,
    makeError: (...failure: never[]) => Error,
    outgoing: ArrayBuffer,
    incoming: ArrayBuffer,
  ) => NativeEngine;
}

let loaded: NativeModule | undefined;

/** Loads the library at first use. */
export function native(): NativeModule {
  return (loaded ??= load());
}

let known: Defaults | undefined;

/** Returns numbers and texts of core. */
export function defaults(): Defaults {
  return (known ??= JSON.parse(native().defaults()) as Defaults);
}

/** Returns the name of this platform as packages carry it. */
export function platformTriple(): string {
  const { platform, arch } = process;
  if (platform === "linux") return `linux-${arch}-${hasGlibc() ? "gnu" : "musl"}`;
  return platform === "win32" ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

function hasGlibc(): boolean {
  const report = process.report.getReport() as unknown as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime !== undefined;
}

function load(): NativeModule {
  const triple = platformTriple();
  const require = createRequire(import.meta.url);
  const tried: { path: string; reason: string }[] = [];
  const fail = (path: string, reason: string, cause?: unknown): never => {
    tried.push({ path, reason });
    const paths = tried.map((one) => `  ${one.path}: ${one.reason}`).join("\n");
    const text = `the native library of @aster/rpc could not be loaded for ${triple}\n${paths}\nbuild it with: npm run build:native`;
    throw new NativeLoadError(text, tried, triple, cause === undefined ? {} : { cause });
  };
  const open = (path: string): NativeModule => {
    let module: NativeModule;
    try {
      module = require(path) as NativeModule;
    } catch (error) {
      return fail(path, messageOf(error), error);
    }
    const found = module.version();
    return found === version ? module : fail(path, `it has version ${found}, the package has version ${version}`);
  };

  const given = process.env["ASTER_NATIVE_PATH"];
  if (given) {
    if (!isAbsolute(given)) return fail(given, "ASTER_NATIVE_PATH is not an absolute path");
    if (existsSync(given)) return open(given);
    tried.push({ path: given, reason: "there is no such file" });
  }
  const own = fileURLToPath(new URL(`../native/aster.${triple}.node`, import.meta.url));
  if (existsSync(own)) return open(own);
  tried.push({ path: own, reason: "there is no such file" });
  let installed: string;
  try {
    installed = require.resolve(`@aster/rpc-${triple}`);
  } catch {
    return fail(`@aster/rpc-${triple}`, "the package is not installed");
  }
  return open(installed);
}
