/** The loop side of the native engine: one per JavaScript environment (`node-api.md` section 12). */
import type { CallContext } from "./context.js";
import { makeError } from "./errors.js";
import { type NativeEngine, native } from "./native.js";
import { incoming, outgoing } from "./tape.js";

/** A call that waits for its end. */
export interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Answers the calls of one service. */
export type Dispatch = (ticket: number, method: number, request: unknown, told: ContextParts) => void;

/** Call id, peer, metadata, attributes, milliseconds left. */
export type ContextParts = [string, string | null, string[] | null, string[] | null, number | null];

/** Kinds of entries; the native library has the same list. */
const RESPONSE = 0;
const FAILURE = 1;
const STARTED = 2;
const CANCELLED = 3;
const DONE = 4;

/** Calls, operations and handlers of this environment. */
export class Engine {
  readonly native: NativeEngine;
  /** Submitted calls by ticket. */
  readonly calls = new Map<number, Waiting>();
  /** Services by tag. */
  readonly services = new Map<number, Dispatch>();
  /** Contexts of running handlers by ticket. */
  readonly running = new Map<number, CallContext>();
  readonly #operations = new Map<number, Waiting>();
  #operation = 0;

  constructor() {
    this.native = new (native().Engine)(() => this.#drain(), makeError as never, outgoing.kept, incoming.kept);
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
    const [more, ...entries] = this.native.drain();
    for (const entry of entries) {
      try {
        this.#take(entry);
      } catch (error) {
        // Other entries must not suffer from a defect here.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    // The rest of a long queue comes after what the loop has to do meanwhile.
    if (more) setImmediate(() => this.#drain());
  }

  #take([kind, number, first, ...rest]: unknown[]): void {
    const id = number as number;
    switch (kind) {
      case RESPONSE:
      case FAILURE: {
        const call = this.calls.get(id);
        this.calls.delete(id);
        if (kind === RESPONSE) call?.resolve(first);
        else call?.reject(first as Error);
        return;
      }
      case STARTED: {
        const [method, request, ...told] = rest as [number, unknown, ...ContextParts];
        this.services.get(first as number)?.(id, method, request, told);
        return;
      }
      case CANCELLED:
        this.running.get(id)?.abort(first);
        return;
      default: {
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
