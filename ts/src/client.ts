/** Clients (`node-api.md` section 6). */
import { Chain, type Interceptor } from "./chain.js";
import { AsterConfig, type ConfigFields } from "./config.js";
import { type Engine, checked, engine } from "./engine.js";
import { DelegatedGrant } from "./delegated.js";
import type { Int64 } from "./described.js";
import { Discovery } from "./discovery.js";
import { AdmissionDeniedError, InvalidStateError, ServiceNotFoundError } from "./errors.js";
import type { NativeClient, NativeSettings, NativeStub } from "./native.js";
import { type Plan, planOf } from "./plans.js";
import { type ProxyClient, type SessionProxy, makeProxy, makeSession } from "./proxies.js";
import { ProxyCalls } from "./proxy-calls.js";
import { type EndpointLease, RegistryClient, type Strategy, recordOf } from "./registry.js";
import { RpcScope, type ServiceLike, checkKeys, requireService } from "./services.js";
import { ClientSession, type Stub, makeStub } from "./stubs.js";
import { type ServiceSummary, summaries } from "./summary.js";

/** An `aster1` ticket, base64 of a node address, 64 hex digits; or the bytes of a node address. */
export type Address = string | Uint8Array;

/** Options of a client. Those of the configuration beat their `config` fields. */
export interface ClientOptions {
  address?: Address;
  endpointAddr?: Address;
  config?: AsterConfig;
  /** The identity file; default: `.aster-identity` in the working directory. */
  identity?: string;
  /** Name of the entry in the identity file; default: the first consumer. */
  peer?: string;
  rootPubkey?: Uint8Array | string;
  enrollmentCredentialFile?: string;
  channelName?: string;
  /** Milliseconds for dialling, admission included. */
  connectTimeout?: number;
  /** Whether services may be at another endpoint than the one that admitted the client; default false. */
  allowForeignChannels?: boolean;
  /** What another authority grants for one of the server's services. */
  delegation?: DelegatedGrant;
  /** Run around every call of its stubs. */
  interceptors?: readonly Interceptor[];
}

/** Options of a stub. */
export interface StubOptions {
  channel?: string;
  /** Run around its calls, behind those of the client. */
  interceptors?: readonly Interceptor[];
  /** The server of the client (the default), or all that its registry knows. */
  resolve?: "direct" | "registry";
  /** How servers are chosen with `resolve: "registry"`; default: `round_robin`. */
  strategy?: Strategy;
}

const OPTIONS = [
  "address",
  "endpointAddr",
  "config",
  "identity",
  "peer",
  "rootPubkey",
  "enrollmentCredentialFile",
  "channelName",
  "connectTimeout",
  "allowForeignChannels",
  "delegation",
  "interceptors",
];
const CONFIG_OPTIONS = ["rootPubkey", "enrollmentCredentialFile", "allowForeignChannels"] as const;
const NO_ADDRESS =
  "AsterClient requires an endpoint address. Set ASTER_ENDPOINT_ADDR or pass endpointAddr explicitly.";

interface Info {
  endpointId: string;
  openGate: boolean;
  services: readonly ServiceSummary[];
  registryNamespace: string;
  gossipTopic: string;
  attributes: Readonly<Record<string, string>>;
}

/** Calls the services of one server. */
export class AsterClient implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #settings: NativeSettings;
  readonly #address: string;
  readonly #options: ClientOptions;
  #native: NativeClient | undefined;
  #info: Info | undefined;
  #connecting: Promise<this> | undefined;
  #closing: Promise<void> | undefined;
  #operation = 0;
  #sessions = 0;
  #registry: RegistryClient | undefined;
  /** @internal */
  discovery: Discovery;

  constructor(options: ClientOptions = {}) {
    checkKeys("AsterClient", options, OPTIONS);
    const { connectTimeout, delegation } = options;
    if (connectTimeout !== undefined && !(connectTimeout > 0)) {
      throw new RangeError("AsterClient: expected a connectTimeout above 0");
    }
    if (delegation !== undefined && !(delegation instanceof DelegatedGrant)) {
      throw new TypeError("AsterClient: expected a DelegatedGrant as delegation");
    }
    Chain.of(options.interceptors ?? []);
    this.#engine = engine();
    this.discovery = new Discovery(this.#engine.native, (summary) => this.#manifest(summary));
    const args: ConfigFields = options.identity === undefined ? {} : { identityFile: options.identity };
    for (const name of CONFIG_OPTIONS) if (options[name] !== undefined) Object.assign(args, { [name]: options[name] });
    this.#settings = AsterConfig.settle(options.config, "consumer", args, options.peer);
    this.#options = options;
    const given = options.address ?? options.endpointAddr;
    const address = given === undefined ? this.#configured("endpoint_addr") : addressText(given);
    if (address === null) throw new TypeError(NO_ADDRESS);
    this.#address = address;
  }

  #configured(field: string): string | null {
    return JSON.parse(this.#settings.get(field) ?? "null") as string | null;
  }

  /** Makes and connects a client. */
  static connect(options?: ClientOptions): Promise<AsterClient> {
    try {
      return new AsterClient(options).connect();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Dials the server and asks for admission. Idempotent; after a failure it may be tried again. */
  connect(): Promise<this> {
    if (this.#closing) return Promise.reject(closed());
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return this.#connecting;
  }

  async #connect(): Promise<this> {
    const { channelName: channel, connectTimeout: connectTimeoutMs, delegation: grant } = this.#options;
    const delegation = grant && {
      token: JSON.stringify(grant.token),
      attestation: JSON.stringify(grant.attestation),
      signingKey: grant.signingKey,
    };
    const options = { address: this.#address, channel, connectTimeoutMs, delegation };
    let native: NativeClient;
    try {
      native = (await this.#engine.operate(
        (op) => this.#engine.native.connect(op, this.#settings, options),
        (op) => (this.#operation = op),
      )) as NativeClient;
    } catch (error) {
      if (this.#closing) throw closed();
      throw error instanceof AdmissionDeniedError ? this.#denied(error) : error;
    }
    if (this.#closing) {
      await this.#engine.operate((op) => native.close(op));
      throw closed();
    }
    this.#read(native);
    this.#native = native;
    return this;
  }

  /** Takes over what the server told at admission. */
  #read(native: NativeClient): void {
    const info = JSON.parse(native.info()) as Info;
    this.#info = { ...info, services: summaries(info.services) };
  }

  /**
   * Connects afresh, admission included: five attempts, after 0, 2, 4, 8 and 16 seconds. Stubs made before go on;
   * running calls and sessions end, and the registry is joined anew.
   *
   * Rejects with `ConnectionLostError` if every attempt failed, with `AdmissionDeniedError` and `TrustDomainError` at
   * once.
   */
  async reconnect(): Promise<void> {
    const { native } = this.#connected();
    this.#registry = undefined;
    try {
      await this.#engine.operate((op) => native.reconnect(op));
    } catch (error) {
      if (this.#closing) throw closed();
      throw error instanceof AdmissionDeniedError ? this.#denied(error) : error;
    }
    this.#read(native);
  }

  #denied(error: AdmissionDeniedError): AdmissionDeniedError {
    const credentialFile = this.#settings.credentialLabel();
    const { ourEndpointId, message, cause } = error;
    const about = { hadCredential: credentialFile !== null, credentialFile, ourEndpointId, serverAddress: this.#address };
    return new AdmissionDeniedError(message, about, { cause });
  }

  /** Ends every call and closes the connection. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    // A connect that is under way releases what it opened.
    this.#engine.native.abandon(this.#operation);
    await this.#connecting?.catch(() => {});
    const native = this.#native;
    this.#native = undefined;
    if (native) await this.#engine.operate((op) => native.close(op));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #connected(): { native: NativeClient; info: Info } {
    if (this.#closing) throw closed();
    if (!this.#native || !this.#info) {
      throw new InvalidStateError("AsterClient not connected; call connect() first", { kind: "state" });
    }
    return { native: this.#native, info: this.#info };
  }

  /**
   * Makes a stub of a service that the server offers; of a session service it opens a session.
   *
   * With `resolve: "registry"` calls go to every server that the registry knows for the service: each call takes the next
   * by `strategy`, and moves on when one is unavailable and the call was not sent or its method is idempotent. A session
   * stays where it was opened.
   *
   * Rejects with `ServiceNotFoundError` if nobody serves it, a `TypeError` for another word.
   */
  async client<S extends object>(service: ServiceLike<S>, options: StubOptions = {}): Promise<Stub<S>> {
    checkKeys("client", options, ["channel", "interceptors", "resolve", "strategy"]);
    const { resolve = "direct", strategy } = options;
    if (resolve !== "direct" && resolve !== "registry") throw new TypeError(`client: unknown resolve '${String(resolve)}'`);
    const chain = Chain.of([...(this.#options.interceptors ?? []), ...(options.interceptors ?? [])]);
    const { native } = this.#connected();
    const plan = planOf(this.#engine.native, requireService(service));
    const direct = resolve === "direct";
    const bound = direct ? checked(native.bind(plan.native, options.channel)) : await this.#routed(native, plan, strategy);
    return makeStub(this.#engine, plan, bound, chain) as unknown as Stub<S>;
  }

  async #routed(native: NativeClient, plan: Plan, strategy: Strategy | undefined): Promise<NativeStub> {
    const bound = await this.#engine.operate((op) => native.bindRouted(op, plan.native, strategy));
    return checked(native.routed(bound as object, plan.native));
  }

  /** Returns the servers of a service that can be used now, from the registry; without one none. */
  async producers(name: string, version?: number): Promise<EndpointLease[]> {
    const { native } = this.#connected();
    const texts = (await this.#engine.operate((op) => native.producers(op, name, version))) as string[];
    return texts.map((text) => recordOf<EndpointLease>(text));
  }

  /** The registry of the server, joined at its first use. */
  get registry(): RegistryClient {
    return (this.#registry ??= new RegistryClient(this.#engine, this.#connected().native));
  }

  /** Opens a session: its stubs of session services are closed with it. */
  async openSession(options: { channel?: string } = {}): Promise<ClientSession> {
    checkKeys("openSession", options, ["channel"]);
    this.#connected();
    return new ClientSession(++this.#sessions, options.channel, (service, at) => this.client(service, at));
  }

  /**
   * Returns a client of a service that needs no class: plain objects in, plain objects out. Usable at once; awaiting it
   * does nothing. The contract is fetched and verified at the first call; without one bodies are JSON.
   *
   * `int64`: 64-bit integers as number where that is exact, else bigint (`"auto"`, the default), or always bigint.
   *
   * Throws `ServiceNotFoundError` if the server has no such service, a `TypeError` if it is session-scoped.
   */
  proxy<M extends string = string>(name: string, options: { int64?: Int64 } = {}): ProxyClient<M> {
    const calls = this.#calls("proxy", name, options);
    if (this.#offered(name).pattern === RpcScope.SESSION) {
      const way = `Use 'await client.session("${name}")' instead of 'client.proxy("${name}")'.`;
      throw new TypeError(`'${name}' is session-scoped. ${way}`);
    }
    return makeProxy(calls) as ProxyClient<M>;
  }

  /**
   * Opens a session of a service that needs no class; see {@link proxy}.
   *
   * Rejects with `ServiceNotFoundError` if the server has no such service, a `TypeError` if it is not session-scoped.
   */
  async session<M extends string = string>(name: string, options: { int64?: Int64 } = {}): Promise<SessionProxy<M>> {
    const calls = this.#calls("session", name, options);
    if (this.#offered(name).pattern !== RpcScope.SESSION) {
      throw new TypeError(`'${name}' is not session-scoped. Use 'client.proxy("${name}")'.`);
    }
    return (await makeSession(calls)) as SessionProxy<M>;
  }

  /** Fetches the manifest of an advertised contract; undefined if it cannot be had, which is told. */
  async #manifest({ name, version }: ServiceSummary): Promise<string | undefined> {
    const { native } = this.#connected();
    try {
      return (await this.#engine.operate((op) => native.contract(op, name, version))) as string;
    } catch (error) {
      if (!(error instanceof ServiceNotFoundError)) throw error;
      const text = `contract of '${name}' v${version} is unavailable: using JSON (${error.message})`;
      process.emitWarning(text, { type: "AsterWarning" });
      return undefined;
    }
  }

  #offered(name: string): ServiceSummary {
    const { services } = this.#connected().info;
    const found = services.find((service) => service.name === name);
    if (found) return found;
    const names = services.map((service) => `'${service.name}'`).join(", ");
    throw new ServiceNotFoundError(`Service '${name}' not found. Available: [${names}]`, { kind: "not_found" });
  }

  #calls(what: string, name: string, options: { int64?: Int64 }): ProxyCalls {
    checkKeys(what, options, ["int64"]);
    const { int64 = "auto" } = options;
    if (int64 !== "auto" && int64 !== "bigint") throw new TypeError(`${what}: unknown int64 '${String(int64)}'`);
    const { native } = this.#connected();
    const summary = this.#offered(name);
    const chain = Chain.of(this.#options.interceptors ?? []);
    const [engine, discovery, channel] = [this.#engine, this.discovery, this.#options.channelName];
    return new ProxyCalls({ engine, native, summary, channel, chain, discovery, int64 });
  }

  /** Services that the server offers. */
  get services(): readonly ServiceSummary[] {
    return this.#connected().info.services;
  }

  get registryNamespace(): string {
    return this.#connected().info.registryNamespace;
  }

  /** Whether the client was admitted without a credential. */
  get openGate(): boolean {
    return this.#connected().info.openGate;
  }

  get gossipTopic(): string {
    return this.#connected().info.gossipTopic;
  }

  /** Attributes that admission granted. */
  get attributes(): Readonly<Record<string, string>> {
    return this.#connected().info.attributes;
  }

  /** Endpoint id of this client. */
  get endpointId(): string {
    return this.#connected().info.endpointId;
  }
}

function closed(): InvalidStateError {
  return new InvalidStateError("AsterClient is closed", { kind: "closed" });
}

function addressText(address: unknown): string {
  if (typeof address === "string") return address;
  if (address instanceof Uint8Array) return Buffer.from(address).toString("base64");
  throw new TypeError("AsterClient: expected an address as string or Uint8Array");
}
