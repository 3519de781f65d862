/** Servers (`node-api.md` section 5). */
import { AsterConfig, type ConfigFields } from "./config.js";
import { CallContext } from "./context.js";
import { type ContextParts, type Engine, checked, engine } from "./engine.js";
import { InvalidStateError } from "./errors.js";
import type { NativeServer, NativeSettings } from "./native.js";
import { type Plan, planOf } from "./plans.js";
import { RpcError, messageOf } from "./rpc-error.js";
import { type ServiceClass, checkKeys, findService, requireService } from "./services.js";
import { type ServiceSummary, summaries } from "./summary.js";
import { type Write, outgoing } from "./tape.js";

/** What a server serves: an instance, a class without constructor arguments, or a class and how to make an instance. */
export type ServiceInput = object | ServiceClass | { service: ServiceClass; factory: (peer: string | null) => object };

/** Options of a server. Those of the configuration beat their `config` fields. */
export interface ServerOptions {
  services: readonly ServiceInput[];
  config?: AsterConfig;
  rootPubkey?: Uint8Array | string;
  allowAllConsumers?: boolean;
  allowAllProducers?: boolean;
  exposeErrors?: boolean;
  channelName?: string;
  maxConcurrentStreams?: number;
}

const OPTIONS = [
  "services",
  "config",
  "rootPubkey",
  "allowAllConsumers",
  "allowAllProducers",
  "exposeErrors",
  "channelName",
  "maxConcurrentStreams",
];
const CONFIG_OPTIONS = ["rootPubkey", "allowAllConsumers", "allowAllProducers", "exposeErrors"] as const;

type Instance = Record<string, (request: unknown, context: CallContext) => unknown>;

/** Serves the calls of services over the network. */
export class AsterServer implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #native: NativeServer;
  readonly #settings: NativeSettings;
  readonly #tags: number[] = [];
  readonly #closed: Promise<void>;
  #markClosed: () => void = () => {};
  #starting: Promise<this> | undefined;
  #closing: Promise<void> | undefined;
  #running = false;
  #referenced = true;

  constructor(options: ServerOptions) {
    checkKeys("AsterServer", options, OPTIONS);
    const { services } = options;
    if (!Array.isArray(services)) throw new TypeError("AsterServer: expected an array of services");
    if (services.length === 0) throw new TypeError("AsterServer requires at least one service");
    const found = services.map(instantiate);
    this.#engine = engine();
    const plans = found.map(([of]) => planOf(this.#engine.native, requireService(of)));
    const args: ConfigFields = {};
    for (const name of CONFIG_OPTIONS) if (options[name] !== undefined) Object.assign(args, { [name]: options[name] });
    this.#settings = AsterConfig.settle(options.config, args);
    const { channelName, maxConcurrentStreams } = options;
    this.#native = checked(this.#engine.native.server(this.#settings, channelName, maxConcurrentStreams));
    plans.forEach((plan, at) => {
      const tag = checked(this.#native.register(plan.native));
      this.#tags.push(tag);
      this.#engine.services.set(tag, dispatcher(this.#engine, plan, found[at]?.[1] as Instance));
    });
    this.#closed = new Promise((resolve) => (this.#markClosed = resolve));
  }

  /** Makes and starts a server. */
  static start(options: ServerOptions): Promise<AsterServer> {
    try {
      return new AsterServer(options).start();
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Binds the endpoint and serves from then on; does not wait for relays. Idempotent. */
  start(): Promise<this> {
    return (this.#starting ??= this.#start());
  }

  async #start(): Promise<this> {
    for (const warning of this.#native.warnings()) process.emitWarning(warning, { type: "AsterWarning" });
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

  get running(): boolean {
    return this.#running;
  }
}

/** Returns what carries the declaration, and the object that serves. */
function instantiate(input: ServiceInput): [of: unknown, instance: object] {
  if (typeof input === "function") {
    requireService(input);
    const type = input as unknown as new () => object;
    return [input, new type()];
  }
  if (findService(input) === undefined && typeof input === "object" && input !== null && "service" in input) {
    const { service, factory } = input as { service: ServiceClass; factory?: (peer: string | null) => object };
    requireService(service);
    if (typeof factory !== "function") throw new TypeError("AsterServer: expected { service, factory }");
    return [service, factory(null)];
  }
  requireService(input);
  return [input, input];
}

/** Makes what runs the handlers of one service. */
function dispatcher(of: Engine, plan: Plan, instance: Instance) {
  const methods = plan.methods.map(({ property, name, info, response }) => {
    const about = { service: plan.info.name, method: name, idempotent: info.idempotent ?? false };
    return { property, about, response };
  });
  return (ticket: number, index: number, request: unknown, told: ContextParts): void => {
    const method = methods[index];
    if (!method) return void of.native.fail(ticket, "no such method");
    const context = new CallContext(method.about, ...told);
    of.running.set(ticket, context);
    void answer(of, ticket, context, method.response, async () => instance[method.property]?.(request, context));
  };
}

async function answer(
  of: Engine,
  ticket: number,
  context: CallContext,
  write: Write,
  handler: () => Promise<unknown>,
): Promise<void> {
  try {
    const value = await context.run(handler);
    of.running.delete(ticket);
    const refused = outgoing.send(write, value, (slot, text, length, extra) =>
      of.native.reply(ticket, slot, text, length, extra),
    );
    if (refused) warn(context, refused);
  } catch (error) {
    of.running.delete(ticket);
    if (error instanceof RpcError) {
      of.native.finish(ticket, error.code, error.message, Object.entries(error.details).flat());
    } else {
      // What a handler throws because it was told to stop is no defect.
      if (!context.signal.aborted) warn(context, error);
      of.native.fail(ticket, messageOf(error));
    }
  }
}

/** Tells the operator; what the caller sees is core's decision. */
function warn(context: CallContext, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
  process.emitWarning(`${context.service}.${context.method} failed (call ${context.callId}): ${text}`, { type: "AsterWarning" });
}
