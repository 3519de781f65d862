/** The loop side of the native engine: one per JavaScript environment (`node-api.md` section 12). */
import type { CallContext } from "./context.js";
import { makeError } from "./errors.js";
import { type NativeEngine, native } from "./native.js";
import { Questions } from "./questions.js";
import type { Streaming } from "./streams.js";
import { incoming, outgoing } from "./tape.js";

/** A call that waits for its end. */
export interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Runs the handlers of one service. */
export interface Hosted {
  call(ticket: number, method: number, request: unknown, told: ContextParts): void;
  /** A client has opened a session. */
  opened(session: number, peer: string | null): void;
}

/** The object of one session. */
export interface HostedSession {
  /** Its last handler has returned. */
  closed(): void;
}

/** Call id, peer, metadata, attributes, milliseconds left, session, its id on the wire. */
export type ContextParts = [
  callId: string,
  peer: string | null,
  metadata: string[] | null,
  attributes: string[] | null,
  leftMs: number | null,
  session: number | null,
  sessionId: string | null,
];

/** An event: its kind, the ticket, what it carries. */
type Entry = [kind: number, ticket: number, first: unknown, ...rest: unknown[]];

/** Kinds of entries; the native library has the same list. */
const RESPONSE = 0;
const FAILURE = 1;
const STARTED = 2;
const CANCELLED = 3;
const DONE = 4;
const FAILED = 5;
const ITEM = 6;
const END = 7;
const WRITABLE = 8;
const SESSION_OPENED = 9;
const SESSION_CLOSED = 10;
const SESSION_ENDED = 11;
const ASKED = 12;

/** Calls, operations and handlers of this environment. */
export class Engine {
  readonly native: NativeEngine;
  /** Submitted calls by ticket. */
  readonly calls = new Map<number, Waiting>();
  /** Streaming calls of both sides by ticket. */
  readonly streams = new Map<number, Streaming>();
  /** What waits for the end of sessions of this side, by ticket. */
  readonly sessionEnds = new Map<number, () => void>();
  /** Services by tag. */
  readonly services = new Map<number, Hosted>();
  /** Objects of sessions. */
  readonly sessions = new Map<number, HostedSession>();
  /** Contexts of running handlers by ticket. */
  readonly running = new Map<number, CallContext>();
  /** What core asks. */
  readonly questions = new Questions();
  readonly #operations = new Map<number, Waiting>();
  #operation = 0;
  #holds = 0;
  #held = false;
  #resting = false;

  constructor() {
    this.native = new (native().Engine)(() => this.#drain(), makeError as never, outgoing.kept, incoming.kept);
  }

  /** Keeps the process alive until {@link release}. */
  hold(): void {
    if (this.#holds++ > 0 || this.#held) return;
    this.#held = true;
    this.native.hold();
  }

  /** Takes back one hold. Somebody who reads one item after the other holds again before the turn is over. */
  release(): void {
    if (--this.#holds > 0 || this.#resting) return;
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      if (this.#holds > 0) return;
      this.#held = false;
      this.native.release();
    });
  }

  /** Runs a control-plane operation; `began` gets its number, for {@link NativeEngine.abandon}. */
  operate(start: (op: number) => Error | undefined, began?: (op: number) => void): Promise<unknown> {
    const op = ++this.#operation;
    began?.(op);
    return new Promise((resolve, reject) => {
      this.#operations.set(op, { resolve, reject });
      const error = start(op);
      if (error) {
        this.#operations.delete(op);
        reject(error);
      }
    });
  }

  #drain(): void {
    const entries = this.native.drain();
    for (let at = 1; at < entries.length; at++) {
      try {
        this.#take(entries[at] as Entry);
      } catch (error) {
        // Other entries must not suffer from a defect here.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    // The rest of a long queue comes after what the loop has to do meanwhile.
    if (entries[0]) setImmediate(() => this.#drain());
  }

  #take(entry: Entry): void {
    const kind = entry[0];
    const id = entry[1];
    const first = entry[2];
    switch (kind) {
      case RESPONSE: {
        const call = this.calls.get(id);
        this.calls.delete(id);
        this.streams.get(id)?.end();
        return call?.resolve(first);
      }
      case FAILURE: {
        const call = this.calls.get(id);
        this.calls.delete(id);
        this.streams.get(id)?.fail(first as Error);
        return call?.reject(first as Error);
      }
      case ITEM:
        return this.streams.get(id)?.item(first);
      case END:
        return this.streams.get(id)?.end();
      case WRITABLE:
        return this.streams.get(id)?.writable();
      case STARTED: {
        const [method, request, ...told] = entry.slice(3) as [number, unknown, ...ContextParts];
        return this.services.get(first as number)?.call(id, method, request, told);
      }
      case CANCELLED:
        this.running.get(id)?.abort(first);
        return this.streams.get(id)?.fail(first as Error);
      case SESSION_OPENED:
        return this.services.get(first as number)?.opened(id, entry[4] as string | null);
      case SESSION_CLOSED: {
        const session = this.sessions.get(id);
        this.sessions.delete(id);
        return session ? session.closed() : this.native.releaseSession(id);
      }
      case SESSION_ENDED: {
        const ended = this.sessionEnds.get(id);
        this.sessionEnds.delete(id);
        return ended?.();
      }
      case ASKED: {
        const [object, method, ...args] = entry.slice(2) as [number, string, ...unknown[]];
        return void this.questions.ask(object, method, args).then((said) => this.native.answer(id, said));
      }
      case DONE:
      case FAILED: {
        const operation = this.#operations.get(id);
        this.#operations.delete(id);
        if (kind === DONE) operation?.resolve(first);
        else operation?.reject(first as Error);
      }
    }
  }
}

let current: Engine | undefined;

/** Returns the engine of this environment, started at first use. */
export function engine(): Engine {
  return (current ??= new Engine());
}

/** Returns a value of the native library, or throws its error. */
export function checked<T>(value: T | Error): T {
  if (value instanceof Error) throw value;
  return value;
}
