/** Clients and stubs (`node-api.md` section 6). Unary calls only. */
import { AsterConfig, type ConfigFields } from "./config.js";
import { type Engine, checked, engine } from "./engine.js";
import { AdmissionDeniedError, InvalidStateError } from "./errors.js";
import type { NativeClient, NativeSettings, NativeStub } from "./native.js";
import { planOf } from "./plans.js";
import { type ServiceLike, checkKeys, requireService } from "./services.js";
import { CancelledError } from "./status-errors.js";
import { type ServiceSummary, summaries } from "./summary.js";
import { SerializationMode } from "./tables.js";
import { type Write, outgoing } from "./tape.js";

/** An `aster1` ticket, base64 of a node address, 64 hex digits; or the bytes of a node address. */
export type Address = string | Uint8Array;

/** Options of a client. Those of the configuration beat their `config` fields. */
export interface ClientOptions {
  address?: Address;
  endpointAddr?: Address;
  config?: AsterConfig;
  rootPubkey?: Uint8Array | string;
  enrollmentCredentialFile?: string;
  channelName?: string;
  /** Milliseconds for dialling, admission included. */
  connectTimeout?: number;
  allowForeignChannels?: boolean;
}

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds until the call must have ended. */
  timeout?: number;
  /** Cancels the call when it aborts. */
  signal?: AbortSignal;
  metadata?: Record<string, string>;
  /** Encoding, if the server lists it; default: negotiated. */
  serialization?: SerializationMode;
}

/** The methods of a service, to be called. */
export type Stub<S extends object> = {
  readonly [K in keyof S as S[K] extends (...args: never[]) => unknown ? K : never]: S[K] extends (
    request: infer Q,
    ...rest: never[]
  ) => infer R
    ? (request: Q, options?: CallOptions) => Promise<Awaited<R>>
    : never;
};

const OPTIONS = [
  "address",
  "endpointAddr",
  "config",
  "rootPubkey",
  "enrollmentCredentialFile",
  "channelName",
  "connectTimeout",
  "allowForeignChannels",
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

  constructor(options: ClientOptions = {}) {
    checkKeys("AsterClient", options, OPTIONS);
    const { connectTimeout } = options;
    if (connectTimeout !== undefined && !(connectTimeout > 0)) {
      throw new RangeError("AsterClient: expected a connectTimeout above 0");
    }
    this.#engine = engine();
    const args: ConfigFields = {};
    for (const name of CONFIG_OPTIONS) if (options[name] !== undefined) Object.assign(args, { [name]: options[name] });
    this.#settings = AsterConfig.settle(options.config, args);
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
    const { channelName: channel, connectTimeout: connectTimeoutMs } = this.#options;
    const options = { address: this.#address, channel, connectTimeoutMs };
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
    const info = JSON.parse(native.info()) as Info;
    this.#info = { ...info, services: summaries(info.services) };
    this.#native = native;
    return this;
  }

  #denied(error: AdmissionDeniedError): AdmissionDeniedError {
    const credentialFile = this.#configured("enrollment_credential_file");
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

  /** Makes a stub of a service that the server offers. */
  async client<S extends object>(service: ServiceLike<S>): Promise<Stub<S>> {
    const { native } = this.#connected();
    const plan = planOf(this.#engine.native, requireService(service));
    const bound = checked(native.bind(plan.native));
    const stub = Object.create(null) as Record<string, unknown>;
    for (const { property, name, request: write } of plan.methods) {
      const method = { stub: bound, index: bound.method(name), write };
      stub[property] = (request: unknown, options?: CallOptions) => submit(this.#engine, method, request, options);
    }
    return Object.freeze(stub) as Stub<S>;
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

const NO_OPTIONS: CallOptions = {};
const NO_METADATA: readonly string[] = [];

/** A method of one server, ready to be called. */
interface Callable {
  readonly stub: NativeStub;
  readonly index: number;
  readonly write: Write;
}

function submit(of: Engine, method: Callable, request: unknown, options: CallOptions = NO_OPTIONS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { timeout, signal, metadata, serialization } = options;
    if (options !== NO_OPTIONS) checkOptions(options);
    if (signal?.aborted) throw new CancelledError("cancelled", {}, { cause: signal.reason });
    const pairs = metadata === undefined ? NO_METADATA : metadataPairs(metadata);
    const { stub, index, write } = method;
    const submitted = outgoing.send(write, request, (slot, text, length, extra) =>
      of.native.call(stub, index, slot, text, length, extra, timeout, pairs, serialization),
    );
    const ticket = checked(submitted);
    if (!signal) {
      of.calls.set(ticket, { resolve, reject });
      return;
    }
    const forget = watch(of, signal, ticket);
    const settle = <T>(how: (value: T) => void, value: T): void => {
      forget();
      how(value);
    };
    of.calls.set(ticket, {
      resolve: (value) => settle(resolve, value),
      reject(error) {
        const ours = error instanceof CancelledError && signal.aborted;
        settle(reject, ours ? new CancelledError(error.message, { ...error.details }, { cause: signal.reason }) : error);
      },
    });
  });
}

/** Calls by the signal that cancels them: one listener serves all calls of a signal. */
const watched = new WeakMap<AbortSignal, Set<number>>();

/** Cancels a call when the signal aborts; returns what ends that. */
function watch(of: Engine, signal: AbortSignal, ticket: number): () => void {
  let tickets = watched.get(signal);
  if (!tickets) {
    const made = new Set<number>();
    tickets = made;
    watched.set(signal, made);
    signal.addEventListener("abort", () => made.forEach((one) => of.native.cancel(one)), { once: true });
  }
  tickets.add(ticket);
  return () => void tickets.delete(ticket);
}

function checkOptions({ timeout, signal, metadata, serialization }: CallOptions): void {
  if (timeout !== undefined && !Number.isFinite(timeout)) {
    throw new RangeError("timeout: expected a finite number of milliseconds");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("signal: expected an AbortSignal");
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null)) {
    throw new TypeError("metadata: expected an object of strings");
  }
  if (serialization !== undefined && !Object.values<number>(SerializationMode).includes(serialization)) {
    throw new TypeError("serialization: expected a SerializationMode");
  }
}

function metadataPairs(metadata: Record<string, string>): string[] {
  const pairs = Object.entries<unknown>(metadata).flat();
  if (pairs.some((text) => typeof text !== "string")) throw new TypeError("metadata: expected an object of strings");
  return pairs as string[];
}

