/** What streaming calls give to their callers (`node-api.md` section 6). */
import type { Engine } from "./engine.js";
import { StreamClosedError } from "./errors.js";
import { CancelledError } from "./status-errors.js";
import { Inbox, type Outlet, type Streaming } from "./streams.js";

/** A streaming call of this side, without the object that its caller holds. */
export interface Conversation {
  readonly over: boolean;
  /** Returns the next response. `keeper` must not become garbage meanwhile. */
  next(keeper?: object): Promise<IteratorResult<unknown, undefined>>;
  /** Sends a request: false if the call has ended. */
  send(value: unknown): boolean | Promise<boolean>;
  closeSend(): void;
  /** Cancels the call for a reader that wants no more. */
  cancel(): void;
  /** Cancels the call, unless it has ended; what was not read yet fails with the error. */
  abort(error: unknown): void;
}

/** A streaming call as the library runs it. */
export class Exchange implements Streaming, Conversation {
  readonly inbox: Inbox<unknown>;
  readonly outlet: Outlet | undefined;
  readonly #engine: Engine;
  readonly #ticket: number;
  #over = false;
  /** Runs when the call has ended. */
  onOver: (() => void) | undefined;

  constructor(of: Engine, ticket: number, prefetch: number, outlet?: Outlet) {
    this.#engine = of;
    this.#ticket = ticket;
    this.inbox = new Inbox(of, ticket, prefetch, true);
    this.outlet = outlet;
    of.streams.set(ticket, this);
  }

  /** Makes the exchange of a call that could not be submitted. */
  static failed(of: Engine, error: unknown): Exchange {
    const made = new Exchange(of, 0, 1);
    made.#conclude();
    made.inbox.end({ error });
    return made;
  }

  get over(): boolean {
    return this.#over;
  }

  next(keeper?: object): Promise<IteratorResult<unknown, undefined>> {
    return this.inbox.next(keeper);
  }

  send(value: unknown): boolean | Promise<boolean> {
    return this.outlet?.send(value) ?? false;
  }

  closeSend(): void {
    this.outlet?.close();
  }

  item(value: unknown): void {
    this.inbox.put(value);
  }

  end(): void {
    this.#conclude();
    this.inbox.end();
  }

  fail(error: Error): void {
    this.#conclude();
    this.inbox.end({ error });
  }

  writable(): void {
    this.outlet?.writable();
  }

  abort(error: unknown): void {
    if (this.#over) return;
    this.#conclude();
    this.inbox.end({ error }, true);
    this.#engine.native.cancel(this.#ticket);
  }

  cancel(): void {
    this.inbox.cancel();
    if (this.#over) return;
    this.#conclude();
    this.#engine.native.cancel(this.#ticket);
  }

  #conclude(): void {
    if (this.#over) return;
    this.#over = true;
    this.#engine.streams.delete(this.#ticket);
    this.outlet?.end();
    this.onOver?.();
    this.onOver = undefined;
  }
}

/** Cancels calls that nobody can read any more. */
const dropped = new FinalizationRegistry<Conversation>((exchange) => exchange.cancel());

/**
 * The responses of a streaming call: `for await`. The call has started already.
 *
 * Leaving the loop, `return()`, `cancel()` and disposing cancel the call; the next read after its failure rejects.
 */
export class ServerStreamCall<R> implements AsyncIterableIterator<R>, AsyncDisposable {
  readonly #exchange: Conversation;

  /** @internal */
  constructor(exchange: Conversation) {
    this.#exchange = exchange;
    if (!exchange.over) dropped.register(this, exchange, this);
  }

  /** @internal Gives the call to somebody else, who cancels it if need be. */
  release(): Conversation {
    dropped.unregister(this);
    return this.#exchange;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<R, undefined>> {
    return this.#exchange.next(this) as Promise<IteratorResult<R, undefined>>;
  }

  async return(): Promise<IteratorResult<R, undefined>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  async throw(error?: unknown): Promise<IteratorResult<R, undefined>> {
    this.cancel();
    throw error;
  }

  /** Cancels the call, unless it has ended. A read that is pending rejects, later ones find the end. */
  cancel(): void {
    this.#exchange.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel();
  }
}

/** Time that closing gives the server to end a call. */
const CLOSE_MS = 5000;

/**
 * Both directions of a bidi call. The call has started already: the server may speak first.
 *
 * Leaving `for await` cancels the call. Leaving `await using` closes the channel if its requests were ended with
 * {@link closeSend}, and cancels the call otherwise: half a conversation must not look like a whole one.
 */
export class BidiChannel<Q, R> implements AsyncIterable<R>, AsyncDisposable {
  readonly #exchange: Conversation;
  #closed = false;

  /** @internal */
  constructor(exchange: Conversation) {
    this.#exchange = exchange;
    if (!exchange.over) dropped.register(this, exchange, this);
  }

  /** @internal Gives the call to somebody else, who cancels it if need be. */
  release(): Conversation {
    dropped.unregister(this);
    return this.#exchange;
  }

  /**
   * Sends a request; resolves once the window has taken it.
   *
   * Rejects with StreamClosedError after `closeSend()` and once the call has ended, with ContractViolationError for a
   * value that does not fit; the call goes on without it.
   */
  async send(request: Q): Promise<void> {
    if (this.#closed) throw new StreamClosedError("the channel is closed for sending");
    const sent = await this.#exchange.send(request);
    if (!sent) throw new StreamClosedError("the channel is closed: the call has ended");
  }

  /** Ends the requests, behind those that wait for room; responses may still come. Repeatable. */
  async closeSend(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#exchange.closeSend();
  }

  /** Returns the next response; undefined after the last. Rejects with what the call failed with. */
  async recv(): Promise<R | undefined> {
    const { value } = await this.#exchange.next(this);
    return value as R | undefined;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<R> {
    const iterator: AsyncIterableIterator<R> = {
      next: () => this.#exchange.next(this) as Promise<IteratorResult<R, undefined>>,
      return: async () => {
        this.cancel();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Discards what still comes, until the call has ended. Rejects if it failed. */
  async waitForTrailer(): Promise<void> {
    while (!(await this.#exchange.next(this)).done);
  }

  /** Cancels the call, unless it has ended. A read that is pending rejects, later ones find the end. */
  cancel(): void {
    this.#closed = true;
    this.#exchange.cancel();
  }

  /**
   * Ends the requests and waits until the server has ended the call, at most five seconds; then cancels it. Rejects
   * with what the call failed with, unless that was told before.
   */
  async close(): Promise<void> {
    await this.closeSend();
    const late = new CancelledError("cancelled");
    const timer = setTimeout(() => this.#exchange.abort(late), CLOSE_MS);
    try {
      await this.waitForTrailer();
    } catch (error) {
      if (error !== late) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) await this.close();
    else this.cancel();
  }
}
