/** How a server runs the methods of its services (`node-api.md` sections 4, 5 and 8). */
import { type Chain, streamsInput, streamsOutput } from "./chain.js";
import { CallContext } from "./context.js";
import type { ContextParts, Engine, Hosted, HostedSession } from "./engine.js";
import { COMPRESSION_NOTE } from "./interceptors.js";
import { defaults } from "./native.js";
import type { MethodPlan, Plan } from "./plans.js";
import { RpcError, messageOf } from "./rpc-error.js";
import { RpcPattern, RpcScope, type ServiceClass, type ServiceInfo, findService, requireService } from "./services.js";
import { UnknownRpcError } from "./status-errors.js";
import { Inbox, Outlet, type Pass, type Streaming, isSource, pump } from "./streams.js";
import { type Extra, outgoing } from "./tape.js";

/**
 * What a server serves: an instance, a class, or a class and how to make an instance. Of session services every session
 * gets its own: `new Cls(peer)` or `factory(peer)`.
 */
export type ServiceInput = object | ServiceClass | { service: ServiceClass; factory: (peer: string | null) => object };

/** A class whose objects are made for a peer. */
type PeerClass = new (peer: string | null) => object;

/** Makes the object of a session, or returns the one of all calls. */
type Objects = (peer: string | null) => object;

/** Returns the declaration of what a server serves, and where its objects come from. */
export function objectsOf(input: ServiceInput): [info: ServiceInfo, objects: Objects] {
  const [of, make] = maker(input);
  const info = requireService(of);
  if (info.scope === RpcScope.SESSION) return [info, make];
  const shared = typeof of === "function" ? make(null) : (of as object);
  return [info, () => shared];
}

function maker(input: ServiceInput): [of: unknown, make: Objects] {
  if (typeof input === "function") return [input, (peer) => new (input as PeerClass)(peer)];
  if (findService(input) === undefined && typeof input === "object" && input !== null && "service" in input) {
    const { service, factory } = input as { service: ServiceClass; factory?: Objects };
    if (typeof factory !== "function") throw new TypeError("AsterServer: expected { service, factory }");
    return [service, factory];
  }
  return [input, (peer) => new (input?.constructor as PeerClass)(peer)];
}

type Handlers = Record<string, (request: unknown, context: CallContext) => unknown>;

interface HostedMethod extends MethodPlan {
  readonly about: { service: string; method: string; pattern: RpcPattern; idempotent: boolean };
}

/** Runs the handlers of one service. */
export class Host implements Hosted {
  readonly plan: Plan;
  readonly #engine: Engine;
  readonly #objects: Objects;
  readonly #methods: readonly HostedMethod[];
  readonly #chain: Chain | undefined;

  constructor(of: Engine, plan: Plan, objects: Objects, chain: Chain | undefined) {
    this.plan = plan;
    this.#chain = chain;
    this.#engine = of;
    this.#objects = objects;
    this.#methods = plan.methods.map((method) => {
      const { name, info } = method;
      const about = { service: plan.info.name, method: name, pattern: info.pattern, idempotent: info.idempotent ?? false };
      return { ...method, about };
    });
  }

  opened(session: number, peer: string | null): void {
    this.#engine.sessions.set(session, new SessionObject(this.#engine, session, () => this.#objects(peer)));
  }

  call(ticket: number, index: number, request: unknown, told: ContextParts): void {
    const method = this.#methods[index];
    if (!method) return void this.#engine.native.fail(ticket, "no such method");
    const context = new CallContext(method.about, told);
    this.#engine.running.set(ticket, context);
    const session = told[5];
    const handler = (input: unknown): unknown => {
      const object = session === null ? this.#objects(null) : this.#session(session);
      return (object as Handlers)[method.property]?.(input, context);
    };
    const plain = method.info.pattern === RpcPattern.UNARY && !this.#chain;
    if (plain) void this.#unary(ticket, context, method, async () => handler(request));
    else void this.#run(ticket, context, method, request, handler);
  }

  #session(session: number): object {
    const found = this.#engine.sessions.get(session);
    if (!(found instanceof SessionObject)) throw new Error("the session has ended");
    return found.object();
  }

  /** Runs most handlers, with nothing that they do not need. */
  async #unary(ticket: number, context: CallContext, method: HostedMethod, run: () => Promise<unknown>): Promise<void> {
    try {
      const value = await context.run(run);
      this.#reply(ticket, context, method, value);
    } catch (error) {
      this.#failed(ticket, context, error);
    }
  }

  async #run(
    ticket: number,
    context: CallContext,
    method: HostedMethod,
    request: unknown,
    handler: (input: unknown) => unknown,
  ): Promise<void> {
    const [of, chain] = [this.#engine, this.#chain];
    const hand = (slot: number, text: string, length: number, extra: Extra | undefined) =>
      of.native.sendItem(ticket, slot, text, length, extra);
    const outlet = streamsOutput(context) ? new Outlet(undefined, method.response, hand, () => {}) : undefined;
    const inbox = streamsInput(context) ? new Inbox<unknown>(of, ticket, defaults().initialCredit, false) : undefined;
    if (inbox || outlet) of.streams.set(ticket, new Handling(inbox, outlet));
    try {
      await context.run(async () => {
        await chain?.start(context);
        const input = await examinedInput(chain, context, inbox, request);
        if (chain) this.#compress(ticket, context);
        const answer = handler(input);
        if (outlet) await this.#sendAll(ticket, context, method, outlet, answer);
        else await this.#answer(ticket, context, method, await answer);
      });
      chain?.finish(context);
    } catch (error) {
      // Core has ended a call with an item that does not fit; its place is for the operator.
      if (outlet?.refused === error && error) warn(context, error);
      if (chain) await this.#failedBehind(chain, ticket, context, error);
      else this.#failed(ticket, context, error);
    } finally {
      of.streams.delete(ticket);
      inbox?.cancel();
      outlet?.end();
    }
  }

  async #answer(ticket: number, context: CallContext, method: HostedMethod, value: unknown): Promise<void> {
    const chain = this.#chain;
    if (!chain) return void this.#reply(ticket, context, method, value);
    if (context.aborted) throw context.abortReason;
    const refused = this.#reply(ticket, context, method, await chain.response(context, value));
    if (refused) throw refused;
  }

  /** Sends what a handler yields, and ends the call with it. */
  async #sendAll(
    ticket: number,
    context: CallContext,
    method: HostedMethod,
    outlet: Outlet,
    items: unknown,
  ): Promise<void> {
    if (!isSource(items)) throw new TypeError(`${method.property}() must return an async iterable`);
    const chain = this.#chain;
    await pump(outlet, items, chain?.hasResponse ? (item) => chain.response(context, item) : undefined);
    if (chain && context.aborted) throw context.abortReason;
    this.#engine.running.delete(ticket);
    this.#engine.native.finish(ticket, 0, "", []);
  }

  #compress(ticket: number, { metadata }: CallContext): void {
    const note = metadata[COMPRESSION_NOTE];
    if (note !== undefined) this.#engine.native.compressAbove(ticket, Number(note));
  }

  #reply(ticket: number, context: CallContext, method: HostedMethod, value: unknown): Error | undefined {
    this.#engine.running.delete(ticket);
    const refused = outgoing.send(method.response, value, (slot, text, length, extra) =>
      this.#engine.native.reply(ticket, slot, text, length, extra),
    );
    if (refused) warn(context, refused);
    return refused;
  }

  #failed(ticket: number, context: CallContext, error: unknown): void {
    this.#engine.running.delete(ticket);
    if (error instanceof RpcError) {
      this.#engine.native.finish(ticket, error.code, error.message, Object.entries(error.details).flat());
      return;
    }
    // What a handler throws because it was told to stop is no defect.
    if (!context.aborted) warn(context, error);
    this.#engine.native.fail(ticket, messageOf(error));
  }

  /** Ends a failed call with the error that stands after the hooks, or normally without one. */
  async #failedBehind(chain: Chain, ticket: number, context: CallContext, error: unknown): Promise<void> {
    const { native, running } = this.#engine;
    const reason = context.aborted ? context.abortReason : error;
    if (!(reason instanceof RpcError)) warn(context, error);
    const failure = reason instanceof RpcError ? reason : new UnknownRpcError(messageOf(reason));
    const stands = await chain.error(context, failure);
    running.delete(ticket);
    if (stands === null) native.finish(ticket, 0, "", []);
    else if (stands === failure && failure !== reason) native.fail(ticket, failure.message);
    else native.finish(ticket, stands.code, stands.message, Object.entries(stands.details).flat());
  }
}

/** Returns what a handler gets, once the interceptors let it start. */
async function examinedInput(
  chain: Chain | undefined,
  context: CallContext,
  inbox: Inbox<unknown> | undefined,
  request: unknown,
): Promise<unknown> {
  if (!chain?.hasRequest) return inbox ? new Requests(inbox) : request;
  if (!inbox) return chain.request(context, request);
  const requests = new Requests(inbox, (item) => chain.request(context, item));
  if (!chain.startsAtOnce && (await requests.examineFirst())) await chain.examineEmpty(context);
  return requests;
}

/** A streaming call whose handler runs. */
class Handling implements Streaming {
  readonly #inbox: Inbox<unknown> | undefined;
  readonly #outlet: Outlet | undefined;

  constructor(inbox: Inbox<unknown> | undefined, outlet: Outlet | undefined) {
    this.#inbox = inbox;
    this.#outlet = outlet;
  }

  item(value: unknown): void {
    this.#inbox?.put(value);
  }

  end(): void {
    this.#inbox?.end();
  }

  fail(error: Error): void {
    this.#inbox?.end({ error }, true);
    this.#outlet?.end();
  }

  writable(): void {
    this.#outlet?.writable();
  }
}

/** The requests of a streaming call, as its handler iterates them. */
class Requests implements AsyncIterableIterator<unknown> {
  readonly #inbox: Inbox<unknown>;
  readonly #pass: Pass | undefined;
  #first: IteratorResult<unknown, undefined> | undefined;

  constructor(inbox: Inbox<unknown>, pass?: Pass) {
    this.#inbox = inbox;
    this.#pass = pass;
  }

  /** Lets the first item pass before a handler starts; true: there is none. */
  async examineFirst(): Promise<boolean> {
    this.#first = await this.#next();
    return this.#first.done ?? false;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    const first = this.#first;
    this.#first = undefined;
    return first ? Promise.resolve(first) : this.#next();
  }

  async #next(): Promise<IteratorResult<unknown, undefined>> {
    const result = await this.#inbox.next();
    return result.done || !this.#pass ? result : { done: false, value: await this.#pass(result.value) };
  }

  /** The handler wants no more: what still comes is held back by its credit. */
  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#inbox.cancel();
    return { done: true, value: undefined };
  }
}

/** The object of one session, or why there is none. */
class SessionObject implements HostedSession {
  readonly #engine: Engine;
  readonly #session: number;
  #made: { object: object } | { error: unknown };

  constructor(of: Engine, session: number, make: () => object) {
    this.#engine = of;
    this.#session = session;
    try {
      this.#made = { object: make() };
    } catch (error) {
      // Its calls fail with the same error.
      this.#made = { error };
    }
  }

  object(): object {
    if ("error" in this.#made) throw this.#made.error;
    return this.#made.object;
  }

  closed(): void {
    void this.#close();
  }

  async #close(): Promise<void> {
    try {
      if ("object" in this.#made) {
        const object = this.#made.object as { onSessionClose?: unknown; close?: unknown };
        const hook = object.onSessionClose ?? object.close;
        if (typeof hook === "function") await hook.call(object);
      }
    } catch (error) {
      process.emitWarning(`the close hook of a session failed: ${textOf(error)}`, { type: "AsterWarning" });
    } finally {
      this.#engine.native.releaseSession(this.#session);
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}

/** Tells the operator; what the caller sees is core's decision. */
function warn(context: CallContext, error: unknown): void {
  const text = `${context.service}.${context.method} failed (call ${context.callId}): ${textOf(error)}`;
  process.emitWarning(text, { type: "AsterWarning" });
}
