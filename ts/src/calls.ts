/** Calls of a client: their options, the four patterns, what cancels them (`node-api.md` section 6). */
import type { Chain } from "./chain.js";
import { CallContext } from "./context.js";
import { type Engine, checked } from "./engine.js";
import { Examined, attempts, concluded } from "./examined.js";
import { type NativeStub, defaults } from "./native.js";
import type { RpcPattern } from "./services.js";
import { CancelledError } from "./status-errors.js";
import { BidiChannel, type Conversation, Exchange, ServerStreamCall } from "./stream-calls.js";
import { Outlet, type Pass, type Source, type Streaming, isSource, pump } from "./streams.js";
import { SerializationMode } from "./tables.js";
import { type Write, outgoing } from "./tape.js";

/** Options of one call. */
export interface CallOptions {
  /** Milliseconds until the call must have ended, its last item included. */
  timeout?: number;
  /** Cancels the call when it aborts. */
  signal?: AbortSignal;
  metadata?: Record<string, string>;
  /** Encoding, if the server lists it; default: negotiated. */
  serialization?: SerializationMode;
  /** Items of a stream that are read ahead of the reader, 1 to 1024; default 16. */
  prefetch?: number;
}

/** A method of one server, ready to be called. */
export interface Callable {
  readonly engine: Engine;
  readonly stub: NativeStub;
  readonly index: number;
  readonly write: Write;
  /** Why nothing can be called any more. */
  refusal(): Error | undefined;
  /** Interceptors of the client, if there are any. */
  readonly chain: Chain | undefined;
  readonly about: { service: string; method: string; pattern: RpcPattern; idempotent: boolean };
  /** Milliseconds that the method declares. */
  readonly timeout: number | undefined;
}

/** Options as a call takes them; all attempts of a call have one id. */
interface Submitted extends CallOptions {
  callId?: string;
}

const NO_OPTIONS: CallOptions = {};
const NO_METADATA: readonly string[] = [];
const MOST_PREFETCH = 1024;

/** Makes what a stub calls for a method of a pattern. */
export function caller(method: Callable): (...args: never[]) => unknown {
  const { chain } = method;
  if (chain) return examined(method, chain);
  switch (method.about.pattern) {
    case "unary":
      return (request: unknown, options?: CallOptions) => unary(method, request, options);
    case "server_stream":
      return (request: unknown, options?: CallOptions) => subscribe(method, request, options);
    case "client_stream":
      return (source: Source<unknown>, options?: CallOptions) => collect(method, source, options);
    case "bidi_stream":
      return (...[first, second]: [(Source<unknown> | CallOptions)?, CallOptions?]) =>
        isSource(first) ? exchange(method, first, second) : converse(method, first);
  }
}

/** Makes what a stub calls for a method behind interceptors. */
function examined(method: Callable, chain: Chain): (...args: never[]) => unknown {
  switch (method.about.pattern) {
    case "unary":
      return async (request: unknown, options?: CallOptions) => {
        check(method, options ?? NO_OPTIONS);
        const context = contextOf(method, options);
        return concluded(chain, context, async () => {
          await chain.start(context);
          const passed = await chain.request(context, request);
          const attempt = (): Promise<unknown> => unary(method, passed, attemptOf(context, options));
          return chain.response(context, await attempts(chain, context, options?.signal, attempt));
        });
      };
    case "client_stream":
      return async (source: Source<unknown>, options?: CallOptions) => {
        check(method, options ?? NO_OPTIONS);
        const context = contextOf(method, options);
        return concluded(chain, context, async () => {
          await chain.start(context);
          const pass = (item: unknown): Promise<unknown> => chain.request(context, item);
          return chain.response(context, await collect(method, source, attemptOf(context, options), pass));
        });
      };
    case "server_stream":
      return (request: unknown, options?: CallOptions) =>
        new ServerStreamCall(
          behind(method, chain, options, (context) => {
            let passed: unknown;
            const prepare = async (): Promise<void> => {
              await chain.start(context);
              passed = await chain.request(context, request);
            };
            const open = (): Conversation => subscription(method, passed, attemptOf(context, options));
            return [prepare, open];
          }),
        );
    case "bidi_stream":
      return (...[first, second]: [(Source<unknown> | CallOptions)?, CallOptions?]) => {
        const source = isSource(first) ? first : undefined;
        const options = source ? second : (first as CallOptions | undefined);
        const made = behind(method, chain, options, (context) => {
          const pass = (item: unknown): Promise<unknown> => chain.request(context, item);
          const open = (): Conversation => {
            const attempt = attemptOf(context, options);
            return source ? sourced(method, source, attempt, pass) : channelled(method, attempt);
          };
          return [() => chain.start(context), open];
        });
        return source ? new ServerStreamCall(made) : new BidiChannel(made);
      };
  }
}

/** Makes a streaming call behind interceptors, or one that has failed. */
function behind(
  method: Callable,
  chain: Chain,
  options: CallOptions | undefined,
  plan: (context: CallContext) => [prepare: () => Promise<void>, open: () => Conversation],
): Conversation {
  try {
    if (options !== undefined && (typeof options !== "object" || options === null)) throw wrongOptions();
    check(method, options ?? NO_OPTIONS);
    const context = contextOf(method, options);
    return new Examined(chain, context, options?.signal, ...plan(context));
  } catch (error) {
    return Exchange.failed(method.engine, error);
  }
}

/** Makes what interceptors see of a call. Its deadline is fixed here. */
function contextOf({ stub, about, timeout }: Callable, options: CallOptions = NO_OPTIONS): CallContext {
  const left = options.timeout ?? timeout ?? null;
  const context = new CallContext(about, [stub.nextCallId(), null, null, null, left, null, stub.sessionId]);
  Object.assign(context.metadata, options.metadata);
  return context;
}

/** Returns the options of one attempt. */
function attemptOf(context: CallContext, options: CallOptions = NO_OPTIONS): Submitted {
  const { metadata, callId, remainingMs } = context;
  return { ...options, metadata, callId, ...(remainingMs === null ? {} : { timeout: remainingMs }) };
}

/** Submits a call with its only request and returns its ticket. */
function start({ engine, stub, index, write }: Callable, request: unknown, options: Submitted, prefetch?: number): number {
  const { timeout, metadata, serialization, callId } = options;
  const pairs = metadata === undefined ? NO_METADATA : metadataPairs(metadata);
  const submitted = outgoing.send(write, request, (slot, text, length, extra) =>
    engine.native.call(stub, index, slot, text, length, extra, timeout, pairs, serialization, prefetch, callId),
  );
  return checked(submitted);
}

/** Submits a call whose requests follow and returns its ticket. */
function open({ engine, stub, index }: Callable, options: Submitted, prefetch?: number): number {
  const { timeout, metadata, serialization, callId } = options;
  const pairs = metadata === undefined ? NO_METADATA : metadataPairs(metadata);
  return checked(engine.native.open(stub, index, timeout, pairs, serialization, prefetch, callId));
}

/** Makes the way out of a call. `awaited`: somebody has a promise of each item. */
function outlet({ engine, write }: Callable, ticket: number, awaited: boolean): Outlet {
  const hand = (slot: number, text: string, length: number, extra: Parameters<typeof engine.native.send>[4]) =>
    engine.native.send(ticket, slot, text, length, extra);
  return new Outlet(awaited ? engine : undefined, write, hand, () => engine.native.endInput(ticket));
}

/** Fails if the stub is closed, for options that cannot be, and if the call is cancelled already. */
function check(method: Callable, options: CallOptions): void {
  const refusal = method.refusal();
  if (refusal) throw refusal;
  if (options === NO_OPTIONS) return;
  const { timeout, signal, metadata, serialization, prefetch } = options;
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
  if (prefetch !== undefined && !(Number.isInteger(prefetch) && prefetch >= 1 && prefetch <= MOST_PREFETCH)) {
    throw new RangeError(`prefetch: expected a whole number of items from 1 to ${MOST_PREFETCH}`);
  }
  if (signal?.aborted) throw cancelledBy(signal);
}

function metadataPairs(metadata: Record<string, string>): string[] {
  const pairs = Object.entries<unknown>(metadata).flat();
  if (pairs.some((text) => typeof text !== "string")) throw new TypeError("metadata: expected an object of strings");
  return pairs as string[];
}

function cancelledBy(signal: AbortSignal): CancelledError {
  return new CancelledError("cancelled", {}, { cause: signal.reason });
}

/** What to do when a signal aborts: one listener serves all calls of a signal. */
const watched = new WeakMap<AbortSignal, Set<(error: CancelledError) => void>>();

/** Cancels a call when its signal aborts; returns what ends that. */
function watch(signal: AbortSignal, cancel: (error: CancelledError) => void): () => void {
  let calls = watched.get(signal);
  if (!calls) {
    const made = new Set<(error: CancelledError) => void>();
    calls = made;
    watched.set(signal, made);
    signal.addEventListener("abort", () => made.forEach((one) => one(cancelledBy(signal))), { once: true });
  }
  calls.add(cancel);
  return () => void calls.delete(cancel);
}

/** Lets a promise wait for the end of a call. */
function settle(
  { engine }: Callable,
  ticket: number,
  signal: AbortSignal | undefined,
  resolve: (value: unknown) => void,
  reject: (error: unknown) => void,
): void {
  if (!signal) return void engine.calls.set(ticket, { resolve, reject });
  const forget = watch(signal, (error) => {
    engine.calls.delete(ticket);
    engine.native.cancel(ticket);
    reject(error);
  });
  engine.calls.set(ticket, {
    resolve(value) {
      forget();
      resolve(value);
    },
    reject(error) {
      forget();
      reject(error);
    },
  });
}

function unary(method: Callable, request: unknown, options: CallOptions = NO_OPTIONS): Promise<unknown> {
  return new Promise((resolve, reject) => {
    check(method, options);
    settle(method, start(method, request, options), options.signal, resolve, reject);
  });
}

function collect(
  method: Callable,
  source: Source<unknown>,
  options: Submitted = NO_OPTIONS,
  pass?: Pass,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (!isSource(source)) throw new TypeError("expected the requests as an iterable of messages");
    check(method, options);
    const ticket = open(method, options);
    const { engine } = method;
    const out = outlet(method, ticket, false);
    const ended = (): void => {
      engine.streams.delete(ticket);
      out.end();
    };
    const streaming: Streaming = { item() {}, end: ended, fail: ended, writable: () => out.writable() };
    engine.streams.set(ticket, streaming);
    const failed = (error: unknown): void => {
      ended();
      reject(error);
    };
    settle(method, ticket, options.signal, resolve, failed);
    pump(out, source, pass).then(
      () => out.close(),
      (error: unknown) => {
        // What the source failed with is what the caller has to know.
        if (out.ended) return;
        failed(error);
        engine.native.cancel(ticket);
      },
    );
  });
}

/** Which ways items go, seen from the client. */
type Ways = "in" | "both" | "both, awaited";

/** Makes the exchange of a streaming call, or one that has failed if it cannot be submitted. */
function begun(method: Callable, options: Submitted, ways: Ways, submit: (prefetch: number) => number): Exchange {
  const prefetch = options.prefetch ?? defaults().initialCredit;
  try {
    check(method, options);
    const ticket = submit(prefetch);
    const out = ways === "in" ? undefined : outlet(method, ticket, ways === "both, awaited");
    const made = new Exchange(method.engine, ticket, prefetch, out);
    const { signal } = options;
    if (signal) made.onOver = watch(signal, (error) => made.abort(error));
    return made;
  } catch (error) {
    return Exchange.failed(method.engine, error);
  }
}

function subscription(method: Callable, request: unknown, options: Submitted): Exchange {
  return begun(method, options, "in", (prefetch) => start(method, request, options, prefetch));
}

function sourced(method: Callable, source: Source<unknown>, options: Submitted, pass?: Pass): Exchange {
  const made = begun(method, options, "both", (prefetch) => open(method, options, prefetch));
  const { outlet: out } = made;
  if (out) {
    pump(out, source, pass).then(
      () => out.close(),
      (error: unknown) => made.abort(error),
    );
  }
  return made;
}

function channelled(method: Callable, options: Submitted): Exchange {
  return begun(method, options, "both, awaited", (prefetch) => open(method, options, prefetch));
}

function subscribe(method: Callable, request: unknown, options: CallOptions = NO_OPTIONS): ServerStreamCall<unknown> {
  return new ServerStreamCall(subscription(method, request, options));
}

function exchange(method: Callable, source: Source<unknown>, options?: CallOptions): ServerStreamCall<unknown> {
  return new ServerStreamCall(sourced(method, source, options ?? NO_OPTIONS));
}

function converse(method: Callable, options: CallOptions = NO_OPTIONS): BidiChannel<unknown, unknown> {
  const fits = typeof options === "object" && options !== null;
  return new BidiChannel(fits ? channelled(method, options) : Exchange.failed(method.engine, wrongOptions()));
}

function wrongOptions(): TypeError {
  return new TypeError("expected options, or the requests as an iterable of messages");
}
