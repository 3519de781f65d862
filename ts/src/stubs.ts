/** Stubs: objects whose methods are calls, of shared services and of sessions (`node-api.md` section 6). */
import { type CallOptions, caller } from "./calls.js";
import type { Chain } from "./chain.js";
import { type CallDefaults, hasSiblings, joined, withDefaults } from "./defaults.js";
import type { Engine } from "./engine.js";
import { checked } from "./engine.js";
import { InvalidStateError } from "./errors.js";
import type { NativeStub } from "./native.js";
import type { Plan } from "./plans.js";
import { RpcPattern, RpcScope, type ServiceLike, requireService } from "./services.js";
import type { BidiChannel, ServerStreamCall } from "./stream-calls.js";
import type { Source } from "./streams.js";

/** How a method with such a request and answer is called. */
export type Call<Q, R> = [Q] extends [AsyncIterable<infer I>]
  ? [R] extends [AsyncIterable<infer O>]
    ? {
        (options?: CallOptions): BidiChannel<I, O>;
        (source: Source<I>, options?: CallOptions): ServerStreamCall<O>;
      }
    : (source: Source<I>, options?: CallOptions) => Promise<Awaited<R>>
  : [R] extends [AsyncIterable<infer O>]
    ? (request: Q, options?: CallOptions) => ServerStreamCall<O>
    : (request: Q, options?: CallOptions) => Promise<Awaited<R>>;

/** Names of the methods of a service that can be called; hooks of sessions cannot. */
type Callables<S> = {
  [K in keyof S]: S[K] extends (...args: never[]) => unknown
    ? K extends "onSessionClose" | "close"
      ? S[K] extends () => unknown
        ? never
        : K
      : K
    : never;
}[keyof S];

/** What a stub has beside its methods. */
export interface Closable extends AsyncDisposable {
  /** Lets go of the service; of a session service ends the session and waits for its close hook. The connection stays. */
  close(): Promise<void>;
}

/** The methods of a service, to be called. */
export type Stub<S extends object> = {
  readonly [K in Callables<S>]: S[K] extends (request: infer Q, ...rest: never[]) => infer R ? Call<Q, R> : never;
} & ("close" extends Callables<S> ? AsyncDisposable : Closable);

/** Makes the stub of a service; of a session service it opens a session. */
export function makeStub(
  of: Engine,
  plan: Plan,
  bound: NativeStub,
  chain: Chain | undefined,
): Record<string, unknown> & Closable {
  const session = plan.info.scope === RpcScope.SESSION ? openSession(of, bound) : undefined;
  const native = session?.stub ?? bound;
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    await session?.close();
  };
  const stub = Object.create(null) as Record<string, unknown> & Closable;
  const hidden = { value: close, enumerable: false, configurable: true };
  Object.defineProperties(stub, { close: hidden, [Symbol.asyncDispose]: hidden });
  const text = session ? "session is closed" : `client of '${plan.info.name}' is closed`;
  for (const { property, name, request: write, info } of plan.methods) {
    const { pattern, idempotent = false, timeout } = info;
    const about = { service: plan.info.name, method: name, pattern, idempotent };
    const call = caller({ engine: of, stub: native, index: native.method(name), write, refusal, chain, about, timeout });
    Object.defineProperty(stub, property, { value: call, enumerable: true, configurable: true });
  }
  return hasSiblings(Object.freeze(stub), (defaults) => sibling(plan, stub, defaults));

  function refusal(): Error | undefined {
    return closed ? new InvalidStateError(text, { kind: "closed" }) : undefined;
  }
}

/** Makes a stub whose methods are those of another one, with defaults. */
function sibling(plan: Plan, stub: Record<string, unknown> & Closable, defaults: CallDefaults): object {
  // A method may have taken the place of `close`.
  const { close, [Symbol.asyncDispose]: dispose } = Object.getOwnPropertyDescriptors(stub);
  const made = Object.create(null, {
    close: { ...close, configurable: true },
    [Symbol.asyncDispose]: dispose as PropertyDescriptor,
  }) as Record<string, unknown>;
  for (const { property, info } of plan.methods) {
    const call = stub[property] as (...args: unknown[]) => unknown;
    const bidi = info.pattern === RpcPattern.BIDI_STREAM;
    const value = (...args: unknown[]): unknown => call(...withDefaults(args, bidi, defaults));
    Object.defineProperty(made, property, { value, enumerable: true, configurable: true });
  }
  return hasSiblings(Object.freeze(made), (more) => sibling(plan, stub, joined(defaults, more)));
}

/** Opens a session of a service. */
export function openSession(of: Engine, bound: NativeStub): { stub: NativeStub; close(): Promise<void> } {
  const stub = checked(bound.openSession());
  const ended = new Promise<void>((resolve) => of.sessionEnds.set(stub.sessionTicket as number, resolve));
  const close = async (): Promise<void> => {
    stub.closeSession();
    of.native.hold();
    try {
      await ended;
    } finally {
      of.native.release();
    }
  };
  return { stub, close };
}

/** Makes a stub for a session object. */
export type StubMaker = <S extends object>(service: ServiceLike<S>, options: { channel?: string }) => Promise<Stub<S>>;

/** Stubs that are closed together: one per session service, and of shared services as well. */
export class ClientSession implements AsyncDisposable {
  /** Counts the sessions of a client, from 1. */
  readonly sessionId: number;
  readonly #make: StubMaker;
  readonly #channel: string | undefined;
  readonly #stubs = new Map<object, Promise<Closable>>();
  #closed = false;

  /** @internal */
  constructor(sessionId: number, channel: string | undefined, make: StubMaker) {
    this.sessionId = sessionId;
    this.#channel = channel;
    this.#make = make;
  }

  /** Returns the stub of a service; of a session service always the same one. */
  async client<S extends object>(service: ServiceLike<S>): Promise<Stub<S>> {
    if (this.#closed) throw new InvalidStateError("ClientSession is closed", { kind: "closed" });
    const info = requireService(service);
    const known = this.#stubs.get(info);
    if (known) return known as Promise<unknown> as Promise<Stub<S>>;
    const made = this.#make(service, this.#channel === undefined ? {} : { channel: this.#channel });
    if (info.scope === RpcScope.SESSION) {
      const kept = made as Promise<unknown> as Promise<Closable>;
      this.#stubs.set(info, kept);
      // A stub that could not be made may be asked for again.
      kept.catch(() => this.#stubs.delete(info));
    }
    return made;
  }

  /** Closes its session stubs. Repeatable. */
  async close(): Promise<void> {
    this.#closed = true;
    const stubs = [...this.#stubs.values()];
    this.#stubs.clear();
    await Promise.allSettled(stubs.map(async (stub) => (await stub)[Symbol.asyncDispose]()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
