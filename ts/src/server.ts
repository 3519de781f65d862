/** Servers (`node-api.md` section 5). */
import { resolve } from "node:path";
import { Chain, type Interceptor } from "./chain.js";
import { AsterConfig, type ConfigFields } from "./config.js";
import { type AnyCredential, partsOf, readCredential } from "./credentials.js";
import { type Engine, checked, engine } from "./engine.js";
import { InvalidStateError } from "./errors.js";
import { Host, type ServiceInput, objectsOf } from "./handlers.js";
import type { MeshEndpointHook } from "./hook.js";
import { AuthInterceptor } from "./interceptors.js";
import { checkLive } from "./manifest.js";
import { ClockDriftConfig } from "./mesh.js";
import type { LiveContract, NativeServer, NativeSettings } from "./native.js";
import { type LentNonces, type NonceStoreLike, lendNonces } from "./nonces.js";
import { planOf } from "./plans.js";
import { RegistryPublisher } from "./registry.js";
import { messageOf } from "./rpc-error.js";
import { checkKeys } from "./services.js";
import { type ServiceSummary, summaries } from "./summary.js";

/** Options of a server. Those of the configuration beat their `config` fields. */
export interface ServerOptions {
  services: readonly ServiceInput[];
  config?: AsterConfig;
  /** The identity file; default: `.aster-identity` in the working directory. */
  identity?: string;
  /** Name of the entry in the identity file; default: the first producer. */
  peer?: string;
  rootPubkey?: Uint8Array | string;
  allowAllConsumers?: boolean;
  allowAllProducers?: boolean;
  exposeErrors?: boolean;
  channelName?: string;
  /** Run around every handler, before those of its service. Core refuses late calls without any. */
  interceptors?: readonly Interceptor[];
  /** Calls and sessions at once on one connection; default 1024. */
  maxConcurrentStreams?: number;
  /** Sessions at once on one connection; default 1024. */
  maxSessionsPerConnection?: number;
  /** A registry that `storagePath` keeps; default: the one that was in use last, else a new one. */
  registryNamespace?: string;
  /** A ticket to write in the registry of another server. */
  registryTicket?: string;
  /** Remembers spent one-time tokens; default: a file in `storagePath`, else the memory of the process. */
  nonceStore?: NonceStoreLike;
  /** Becomes a view of the gate, which takes over whom it has admitted. */
  hook?: MeshEndpointHook;
  /** Whether the state of the producers' mesh survives the server; default false. */
  persistMeshState?: boolean;
  /** How clocks of the producers' mesh are judged. */
  clockDriftConfig?: ClockDriftConfig;
}

const OPTIONS = [
  "services",
  "config",
  "identity",
  "peer",
  "rootPubkey",
  "allowAllConsumers",
  "allowAllProducers",
  "exposeErrors",
  "channelName",
  "maxConcurrentStreams",
  "maxSessionsPerConnection",
  "interceptors",
  "registryNamespace",
  "registryTicket",
  "nonceStore",
  "hook",
  "persistMeshState",
  "clockDriftConfig",
];
const CONFIG_OPTIONS = ["rootPubkey", "allowAllConsumers", "allowAllProducers", "exposeErrors"] as const;

/** Serves the calls of services over the network. */
export class AsterServer implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #native: NativeServer;
  readonly #settings: NativeSettings;
  readonly #tags: number[] = [];
  readonly #live: LiveContract[];
  readonly #closed: Promise<void>;
  readonly #nonces: LentNonces | undefined;
  #markClosed: () => void = () => {};
  #starting: Promise<this> | undefined;
  #closing: Promise<void> | undefined;
  readonly #guarded: string[];
  #running = false;
  #referenced = true;

  constructor(options: ServerOptions) {
    checkKeys("AsterServer", options, OPTIONS);
    const { services, interceptors = [] } = options;
    if (!Array.isArray(services)) throw new TypeError("AsterServer: expected an array of services");
    if (services.length === 0) throw new TypeError("AsterServer requires at least one service");
    const found = services.map(objectsOf);
    this.#engine = engine();
    const hosts = found.map(([info, objects]) => {
      const chain = Chain.of([...interceptors, ...info.interceptors]);
      return new Host(this.#engine, planOf(this.#engine.native, info), objects, chain);
    });
    const authenticates = (one: Interceptor) => one instanceof AuthInterceptor;
    const guards = found.filter(([info]) => [...interceptors, ...info.interceptors].some(authenticates));
    this.#guarded = guards.map(([info]) => info.name);
    this.#live = hosts.map(({ plan: { info, native } }) => {
      return { service: info.name, version: info.version, contractId: native.contractId };
    });
    const args: ConfigFields = options.identity === undefined ? {} : { identityFile: options.identity };
    for (const name of CONFIG_OPTIONS) if (options[name] !== undefined) Object.assign(args, { [name]: options[name] });
    this.#settings = AsterConfig.settle(options.config, "producer", args, options.peer);
    const { channelName: channel, maxConcurrentStreams, maxSessionsPerConnection, registryNamespace, registryTicket } = options;
    const { persistMeshState, clockDriftConfig: drift = new ClockDriftConfig() } = options;
    const publishing = { registryNamespace, registryTicket };
    const hosting = { channel, maxConcurrentStreams, maxSessionsPerConnection, ...publishing, persistMeshState, drift };
    this.#native = checked(this.#engine.native.server(this.#settings, hosting));
    this.#closed = new Promise((resolve) => (this.#markClosed = resolve));
    if (options.nonceStore !== undefined) {
      this.#nonces = lendNonces(this.#engine, options.nonceStore);
      checked(this.#native.setNonces(this.#nonces.native));
    }
    options.hook?.view(this.#native.peers(), this.#closed);
    for (const host of hosts) {
      const tag = checked(this.#native.register(host.plan.native));
      this.#tags.push(tag);
      this.#engine.services.set(tag, host);
    }
  }

  /** Makes and starts a server. */
  static start(options: ServerOptions): Promise<AsterServer> {
    try {
      return new AsterServer(options).start();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Binds the endpoint and serves from then on; does not wait for relays. Idempotent.
   *
   * Rejects with `FatalContractMismatchError` if `.aster/manifest.json` below the working directory names another
   * contract, with `InvalidStateError` if that file cannot be read.
   */
  start(): Promise<this> {
    return (this.#starting ??= this.#start());
  }

  async #start(): Promise<this> {
    const manifests = checkLive(resolve(".aster/manifest.json"), this.#live);
    if (manifests !== undefined) this.#native.setManifests(manifests);
    for (const warning of [...this.#native.warnings(), ...this.#native.startReport(this.#guarded)]) process.emitWarning(warning, { type: "AsterWarning" });
    await this.#engine.operate((op) => this.#native.start(op));
    if (!this.#closing) {
      this.#running = true;
      if (this.#referenced) this.#engine.native.hold();
    }
    return this;
  }

  /** Starts, and resolves when the server has closed. */
  async serve(): Promise<void> {
    await this.start();
    await this.#closed;
  }

  /** Refuses new calls and waits for the running ones at most `graceMs`, then cancels them. */
  async drain(options: { graceMs?: number } = {}): Promise<void> {
    const { graceMs } = options;
    if (graceMs !== undefined && !(graceMs >= 0)) throw new RangeError("drain: expected graceMs of 0 or more");
    await this.#engine.operate((op) => this.#native.drain(op, graceMs));
  }

  /** Ends every call, closes every connection and releases the endpoint. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const running = this.#running;
    this.#running = false;
    try {
      await this.#engine.operate((op) => this.#native.close(op));
    } finally {
      for (const tag of this.#tags) {
        this.#native.forget(tag);
        this.#engine.services.delete(tag);
      }
      this.#nonces?.giveBack();
      if (running && this.#referenced) this.#engine.native.release();
      this.#markClosed();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Drains and closes on SIGTERM and SIGINT; a second signal ends the process. Returns what removes the handlers. */
  installSignalHandlers(options: { graceMs?: number } = {}): () => void {
    let signalled = false;
    const remove = (): void => {
      process.off("SIGTERM", handler);
      process.off("SIGINT", handler);
    };
    const handler = (): void => {
      if (signalled) process.exit(1);
      signalled = true;
      const stop = this.drain(options).then(() => this.close());
      void stop.finally(remove);
    };
    process.on("SIGTERM", handler);
    process.on("SIGINT", handler);
    return remove;
  }

  /** Lets the server keep the process alive, as it does from the start. */
  ref(): this {
    if (!this.#referenced && this.#running) this.#engine.native.hold();
    this.#referenced = true;
    return this;
  }

  /** Lets the process end while the server runs. */
  unref(): this {
    if (this.#referenced && this.#running) this.#engine.native.release();
    this.#referenced = false;
    return this;
  }

  /** Ends the admission of a peer and its connections within a second; it may be admitted again. False: it had none. */
  removePeer(endpointId: string): boolean {
    return this.#native.peers().remove(endpointId);
  }

  /**
   * Refuses an endpoint, or a credential, until a time or for ever, and ends what it has within a second. A credential
   * may be given as its document, too. With `storagePath` it is kept; a file that cannot be written is a warning, and the
   * revocation holds until the server ends.
   *
   * Throws a `TypeError` for both and for neither, for what is no credential and a time that has passed, a `RangeError`
   * for what is no time, `TicketError` for what is no endpoint id, `InvalidStateError` before the start.
   */
  revoke(options: { endpointId?: string; credential?: AnyCredential | string | Uint8Array; until?: Date }): void {
    checkKeys("revoke", options, ["endpointId", "credential", "until"]);
    const { endpointId, credential, until } = options;
    if (endpointId !== undefined && typeof endpointId !== "string") throw new TypeError("endpointId: expected a text");
    if (until !== undefined && !(until instanceof Date && until.getTime() >= 0)) throw new RangeError("until: expected a Date");
    const native = this.#started();
    const isText = typeof credential === "string" || credential instanceof Uint8Array;
    const named = isText ? readCredential(credential) : credential;
    const signature = named === undefined ? undefined : partsOf(named).signature;
    const second = until && Math.floor(until.getTime() / 1000);
    let refused: Error | undefined;
    const kept = this.#engine.operate((op) => (refused = native.revoke(op, endpointId, signature, second)));
    kept.catch((error: unknown) => {
      if (!refused) process.emitWarning(`the revocation is not kept: ${messageOf(error)}`, { type: "AsterWarning" });
    });
    if (refused) throw refused;
  }

  #started(): NativeServer {
    if (!this.#running) {
      const text = this.#closing ? "AsterServer is closed" : "AsterServer not started; call start() first";
      throw new InvalidStateError(text, { kind: this.#closing ? "closed" : "state" });
    }
    return this.#native;
  }

  /** Ticket for clients, current when read. */
  get address(): string {
    return checked(this.#started().address());
  }

  /** Address as base64, current when read. */
  get endpointAddrB64(): string {
    return checked(this.#started().addrB64());
  }

  /** Endpoint id, 64 hex digits. */
  get endpointId(): string {
    return checked(this.#started().endpointId());
  }

  /** Public root key; in dev mode an ephemeral one. */
  get rootPubkey(): Uint8Array {
    return checked(this.#started().rootPubkey());
  }

  /** Services as they are announced. */
  get services(): readonly ServiceSummary[] {
    return summaries(JSON.parse(checked(this.#started().services())));
  }

  /** The registry in which the server publishes. */
  get registry(): RegistryPublisher {
    return new RegistryPublisher(this.#engine, checked(this.#started().registry()));
  }

  get running(): boolean {
    return this.#running;
  }
}
