/** The two directions of a streaming call, of either side: items that wait for a reader, items that wait for room. */
import type { Engine } from "./engine.js";
import { LimitExceededError } from "./errors.js";
import { CancelledError } from "./status-errors.js";
import { type Extra, type Write, outgoing } from "./tape.js";

/** What the queue tells a streaming call. */
export interface Streaming {
  item(value: unknown): void;
  /** The items are complete. */
  end(): void;
  /** The call has failed. */
  fail(error: Error): void;
  /** There is room to send. */
  writable(): void;
}

interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
  /** What must not become garbage while somebody reads. */
  keeper: object | undefined;
}

const OVER = Object.freeze({ done: true, value: undefined }) as IteratorReturnResult<undefined>;

/** Items that have arrived; how many more may come is the library's count of those that were taken. */
export class Inbox<T> {
  readonly #engine: Engine;
  readonly #ticket: number;
  readonly #half: number;
  readonly #holds: boolean;
  #items: T[] = [];
  #readers: Reader<T>[] = [];
  #taken = 0;
  #over = false;
  #failure: { error: unknown } | undefined;

  /** `prefetch`: items that are read ahead; `holds`: whether a pending read keeps the process alive. */
  constructor(of: Engine, ticket: number, prefetch: number, holds: boolean) {
    this.#engine = of;
    this.#holds = holds;
    this.#ticket = ticket;
    this.#half = Math.ceil(prefetch / 2);
  }

  put(value: T): void {
    if (this.#over) return;
    const reader = this.#readers.shift();
    if (!reader) return void this.#items.push(value);
    this.#rest();
    this.#took();
    reader.resolve({ done: false, value });
  }

  /** Ends the items; only the first end counts. `discard`: those that wait are not read any more. */
  end(failure?: { error: unknown }, discard = false): void {
    if (discard) this.#items = [];
    if (this.#over) return;
    this.#over = true;
    this.#failure = failure;
    const readers = this.#readers;
    if (readers.length === 0) return;
    this.#readers = [];
    this.#rest();
    for (const reader of readers) this.#settle(reader);
  }

  /** Ends the items because the reader does not want them; somebody who reads meanwhile is told. */
  cancel(): void {
    this.end(this.#readers.length > 0 ? { error: new CancelledError("cancelled") } : undefined, true);
    this.#failure = undefined;
  }

  /** Returns the next item; a failure is told once. */
  next(keeper?: object): Promise<IteratorResult<T, undefined>> {
    if (this.#items.length > 0) {
      const value = this.#items.shift() as T;
      this.#took();
      return Promise.resolve({ done: false, value });
    }
    return new Promise((resolve, reject) => {
      const reader = { resolve, reject, keeper };
      if (this.#over) return this.#settle(reader);
      if (this.#readers.push(reader) === 1 && this.#holds) this.#engine.hold();
    });
  }

  #settle(reader: Reader<T>): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) reader.reject(failure.error);
    else reader.resolve(OVER);
  }

  #rest(): void {
    if (this.#readers.length === 0 && this.#holds) this.#engine.release();
  }

  #took(): void {
    // The other half may arrive meanwhile.
    if (++this.#taken < this.#half || this.#over) return;
    const refused = this.#engine.native.took(this.#ticket, this.#taken);
    this.#taken = 0;
    if (refused) this.end({ error: refused });
  }
}

/** Items that may wait for room, because their senders did not wait. */
const MOST_WAITING = 1024;

/** Hands an encoded item to the library; true: taken, false: no room, undefined: the call has ended. */
export type Hand = (slot: number, text: string, length: number, extra: Extra | undefined) => boolean | Error | undefined;

/** Items on their way out, in order, once there is room. */
export class Outlet {
  readonly #engine: Engine | undefined;
  readonly #write: Write;
  readonly #hand: Hand;
  readonly #close: () => void;
  #waiting: { value: unknown; resolve(sent: boolean): void; reject(error: Error): void }[] = [];
  #closing = false;
  #ended = false;
  /** The last failure of a value that does not fit. */
  refused: Error | undefined;
  /** Runs when the call ends before the items do. */
  onEnd: (() => void) | undefined;

  /** `close` tells the library that no more items come. With an engine, a pending send keeps the process alive. */
  constructor(of: Engine | undefined, write: Write, hand: Hand, close: () => void) {
    this.#engine = of;
    this.#write = write;
    this.#hand = hand;
    this.#close = close;
  }

  /** Whether no more items are taken. */
  get closed(): boolean {
    return this.#closing || this.#ended;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends an item: true, or false if the call has ended. Throws for a value that does not fit. */
  send(value: unknown): boolean | Promise<boolean> {
    if (this.closed) return false;
    if (this.#waiting.length === 0) {
      const sent = this.#try(value);
      if (sent instanceof Error) throw (this.refused = sent);
      // A call that has ended says so with its next event, behind which an outlet has ended, too.
      if (sent) return true;
    }
    if (this.#waiting.length >= MOST_WAITING) {
      const about = { field: "pending sends", limit: MOST_WAITING, actual: MOST_WAITING + 1 };
      throw new LimitExceededError("too many sends wait: await each of them", about);
    }
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ value, resolve, reject }) === 1) this.#engine?.hold();
    });
  }

  #try(value: unknown): boolean | Error | undefined {
    return outgoing.send(this.#write, value, this.#hand);
  }

  /** Sends what waited for room. */
  writable(): void {
    if (this.#waiting.length === 0) return;
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const sent = this.#try(first.value);
      if (!sent) return;
      this.#waiting.shift();
      if (sent instanceof Error) first.reject((this.refused = sent));
      else first.resolve(true);
    }
    this.#engine?.release();
    if (this.#closing && !this.#ended) this.#close();
  }

  /** Ends the items, behind those that wait. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.#closing = true;
    if (this.#waiting.length === 0) this.#close();
  }

  /** Takes note that the call has ended. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length > 0) this.#engine?.release();
    for (const one of waiting) one.resolve(false);
    this.onEnd?.();
    this.onEnd = undefined;
  }
}

/** What messages to be sent come from. */
export type Source<T> = Iterable<T> | AsyncIterable<T>;

/** Tells whether something can be iterated; a text is no stream of messages. */
export function isSource(value: unknown): value is Source<unknown> {
  if (typeof value !== "object" || value === null) return false;
  return Symbol.asyncIterator in value || Symbol.iterator in value;
}

/** Changes an item on its way. */
export type Pass = (item: unknown) => Promise<unknown>;

/**
 * Sends what a source yields, as `pass` returns it. True: all of it; false: the call has ended. Whatever happens, the
 * source is told to stop unless it is through.
 */
export async function pump(outlet: Outlet, source: Source<unknown>, pass?: Pass): Promise<boolean> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let through = false;
  const stop = async (): Promise<void> => {
    if (through) return;
    through = true;
    await iterator.return?.();
  };
  // Told at once, as the source may wait for something that does not come any more.
  outlet.onEnd = () => void stop().catch(() => {});
  if (outlet.ended) outlet.onEnd();
  try {
    for (;;) {
      let next: IteratorResult<unknown>;
      try {
        next = await iterator.next();
      } catch (error) {
        through = true;
        throw error;
      }
      if (next.done) {
        const complete = !through;
        through = true;
        return complete && !outlet.ended;
      }
      const sent = outlet.send(pass ? await pass(next.value) : next.value);
      if (sent !== true && !(await sent)) return false;
    }
  } finally {
    outlet.onEnd = undefined;
    await stop();
  }
}
