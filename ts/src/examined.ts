/** Calls of a client that pass interceptors (`node-api.md` section 8). */
import { setTimeout as sleep } from "node:timers/promises";
import type { Chain } from "./chain.js";
import type { CallContext } from "./context.js";
import { StreamClosedError } from "./errors.js";
import { RpcError } from "./rpc-error.js";
import { CancelledError } from "./status-errors.js";
import type { Conversation } from "./stream-calls.js";

/** Runs attempts of one call until one succeeds, or it is not to be sent again. */
export async function attempts<T>(
  chain: Chain,
  context: CallContext,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
): Promise<T> {
  for (; ; context.attempt++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RpcError) || !chain.retry?.shouldRetry(context, error)) throw error;
      const wait = chain.retry.backoffMs(context.attempt);
      if (context.remainingMs !== null && wait >= context.remainingMs) throw error;
      await sleep(wait, undefined, signal ? { signal } : {}).catch(() => {
        throw new CancelledError("cancelled", {}, { cause: signal?.reason });
      });
    }
  }
}

/** Runs a call that ends with one response, and tells the interceptors how it ended. */
export async function concluded<T>(chain: Chain, context: CallContext, call: () => Promise<T>): Promise<T> {
  let response: T;
  try {
    response = await call();
  } catch (error) {
    if (!(error instanceof RpcError)) {
      chain.finish(context, RpcError.from(error));
      throw error;
    }
    throw (await chain.error(context, error)) ?? error;
  }
  chain.finish(context);
  return response;
}

type Result = IteratorResult<unknown, undefined>;

const OVER: Result = { done: true, value: undefined };

/** A streaming call whose messages pass interceptors, one after the other each way. */
export class Examined implements Conversation {
  readonly #chain: Chain;
  readonly #context: CallContext;
  readonly #signal: AbortSignal | undefined;
  readonly #open: () => Conversation;
  readonly #started: Promise<void>;
  #exchange: Conversation | undefined;
  #first: Result | undefined;
  #reads: Promise<unknown> = Promise.resolve();
  #sends: Promise<unknown> = Promise.resolve();
  #over = false;

  /** `prepare` runs the hooks before the call; `open` submits an attempt. */
  constructor(
    chain: Chain,
    context: CallContext,
    signal: AbortSignal | undefined,
    prepare: () => Promise<void>,
    open: () => Conversation,
  ) {
    this.#chain = chain;
    this.#context = context;
    this.#signal = signal;
    this.#open = open;
    this.#started = prepare().then(() => {
      if (!this.#over) this.#exchange = open();
    });
    this.#started.catch(() => {});
  }

  get over(): boolean {
    return this.#over;
  }

  next(keeper?: object): Promise<Result> {
    const read = this.#reads.then(() => this.#next(keeper));
    this.#reads = read.catch(() => {});
    return read;
  }

  async #next(keeper: object | undefined): Promise<Result> {
    if (this.#over) return OVER;
    try {
      await this.#started;
      const result = this.#first ? await this.#read(keeper) : (this.#first = await this.#attempted(keeper));
      if (this.#over) return OVER;
      if (result.done) {
        this.#over = true;
        this.#chain.finish(this.#context);
        return OVER;
      }
      return { done: false, value: await this.#chain.response(this.#context, result.value) };
    } catch (error) {
      const stands = await this.#failed(error);
      if (stands === null) return OVER;
      throw stands;
    }
  }

  async #read(keeper: object | undefined): Promise<Result> {
    return (await this.#exchange?.next(keeper)) ?? OVER;
  }

  /** Reads the first item; what fails before it may be sent again. */
  #attempted(keeper: object | undefined): Promise<Result> {
    let again = false;
    return attempts(this.#chain, this.#context, this.#signal, () => {
      if (again && !this.#over) this.#exchange = this.#open();
      again = true;
      return this.#read(keeper);
    });
  }

  /** Ends the call; returns what its caller is told, null for a normal end. */
  async #failed(error: unknown): Promise<unknown> {
    this.#over = true;
    this.#exchange?.cancel();
    if (error instanceof RpcError) return this.#chain.error(this.#context, error);
    this.#chain.finish(this.#context, RpcError.from(error));
    return error;
  }

  send(value: unknown): Promise<boolean> {
    const send = this.#sends.then(() => this.#send(value));
    this.#sends = send.catch(() => {});
    return send;
  }

  async #send(value: unknown): Promise<boolean> {
    if (this.#over) return false;
    let item: unknown;
    try {
      await this.#started;
      item = await this.#chain.request(this.#context, value);
    } catch (error) {
      throw (await this.#failed(error)) ?? new StreamClosedError("the channel is closed");
    }
    return (await this.#exchange?.send(item)) ?? false;
  }

  closeSend(): void {
    this.#sends = this.#sends.then(() => this.#started).then(() => this.#exchange?.closeSend());
    this.#sends.catch(() => {});
  }

  cancel(): void {
    if (!this.#over) this.#chain.finish(this.#context, new CancelledError("cancelled"));
    this.#over = true;
    this.#exchange?.cancel();
  }

  abort(error: unknown): void {
    if (this.#exchange) this.#exchange.abort(error);
    else this.cancel();
  }
}
