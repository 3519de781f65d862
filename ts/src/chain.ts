/** Interceptors, and what runs them: each hook exactly as often as `wire.md` section 17 says. */
import type { CallContext } from "./context.js";
import { RpcError } from "./rpc-error.js";

/** What a hook returns: a value or a promise of it. */
type Later<T> = T | Promise<T>;

/**
 * Looks at calls, of a server or of a client. Throwing an RpcError in a hook refuses the call with that status.
 *
 * Requests and responses pass in the order of the list, errors in reverse. One object sees many calls at once.
 */
export interface Interceptor {
  /** Runs once per call, before any item. */
  onStart?(context: CallContext): Later<void>;
  /**
   * Runs for the request, or for each item of a client or bidi stream; returns what goes on. Without an `onStart` of the
   * same interceptor a handler of such a stream waits for the first item; if there is none, this runs once without it.
   */
  onRequest?(context: CallContext, request: unknown): Later<unknown>;
  /** Runs for the response, or for each item of a server or bidi stream; returns what goes on. */
  onResponse?(context: CallContext, response: unknown): Later<unknown>;
  /** Runs once if the call failed; returns the error that goes on, or null to end a stream of responses normally. */
  onError?(context: CallContext, error: RpcError): Later<RpcError | null>;
}

/** Runs once at the very end of a call, however it ended; for interceptors of this package that count. */
export const callEnded = Symbol("callEnded");

/** Decides whether and how a call is sent again. */
export interface Retrying {
  shouldRetry(context: CallContext, error: RpcError): boolean;
  backoffMs(attempt: number): number;
}

interface Counting extends Interceptor {
  [callEnded]?(context: CallContext, error: RpcError | null): void;
}

/** Tells whether requests of a call are a stream. */
export function streamsInput({ pattern }: CallContext): boolean {
  return pattern === "client_stream" || pattern === "bidi_stream";
}

/** Tells whether responses of a call are a stream, so that it can end without one. */
export function streamsOutput({ pattern }: CallContext): boolean {
  return pattern === "server_stream" || pattern === "bidi_stream";
}

/** Decides once per call: at its start if requests are a stream, else with its request. */
export abstract class Decider implements Interceptor {
  async onStart(context: CallContext): Promise<void> {
    if (streamsInput(context)) await this.decide(context);
  }

  async onRequest(context: CallContext, request: unknown): Promise<unknown> {
    if (!streamsInput(context)) await this.decide(context);
    return request;
  }

  /** Throws to refuse the call. */
  protected abstract decide(context: CallContext): Later<void>;
}

/** How far the hooks of one call have come. */
interface Progress {
  stoppedAtStart?: number;
  stoppedAtRequest?: number;
  passed: boolean;
  ended: boolean;
}

/** The interceptors of one side. One call uses one context: start, requests, responses, then finish or error. */
export class Chain {
  readonly #all: readonly Counting[];
  readonly #progress = new WeakMap<CallContext, Progress>();
  readonly hasRequest: boolean;
  readonly hasResponse: boolean;
  /** Whether a handler of a client or bidi stream may start before the first item has passed. */
  readonly startsAtOnce: boolean;
  readonly retry: Retrying | undefined;

  private constructor(all: readonly Interceptor[]) {
    this.#all = all;
    this.hasRequest = all.some((one) => one.onRequest);
    this.hasResponse = all.some((one) => one.onResponse);
    this.startsAtOnce = all.every((one) => !one.onRequest || one.onStart);
    this.retry = all.find((one): one is Interceptor & Retrying => "shouldRetry" in one && "backoffMs" in one);
  }

  /** Makes a chain; undefined if there are no interceptors. */
  static of(interceptors: readonly Interceptor[]): Chain | undefined {
    const wrong = interceptors.find((one) => typeof one !== "object" || one === null);
    if (wrong !== undefined) throw new TypeError("interceptors: expected objects with hooks");
    return interceptors.length > 0 ? new Chain(interceptors) : undefined;
  }

  #of(context: CallContext): Progress {
    let progress = this.#progress.get(context);
    if (!progress) this.#progress.set(context, (progress = { passed: false, ended: false }));
    return progress;
  }

  async start(context: CallContext): Promise<void> {
    for (const [at, one] of this.#all.entries()) {
      try {
        if (one.onStart) await one.onStart(context);
      } catch (error) {
        this.#of(context).stoppedAtStart = at;
        throw error;
      }
    }
  }

  async request(context: CallContext, request: unknown): Promise<unknown> {
    const progress = this.#of(context);
    let item = request;
    for (const [at, one] of this.#all.entries()) {
      try {
        if (one.onRequest) item = passedOn(await one.onRequest(context, item), item, "onRequest");
      } catch (error) {
        if (!progress.passed) progress.stoppedAtRequest = at;
        throw error;
      }
    }
    if (streamsInput(context)) progress.passed = true;
    return item;
  }

  /** Examines a call whose input ended empty, where no `onStart` has. */
  async examineEmpty(context: CallContext): Promise<void> {
    const progress = this.#of(context);
    for (const [at, one] of this.#all.entries()) {
      try {
        if (!one.onStart) await one.onRequest?.(context, undefined);
      } catch (error) {
        progress.stoppedAtRequest = at;
        throw error;
      }
    }
    progress.passed = true;
  }

  async response(context: CallContext, response: unknown): Promise<unknown> {
    let item = response;
    for (const one of this.#all) {
      if (one.onResponse) item = passedOn(await one.onResponse(context, item), item, "onResponse");
    }
    return item;
  }

  /** Runs the error hooks of those that saw the call, last first. Null: the call ends normally, as streams can. */
  async error(context: CallContext, error: RpcError): Promise<RpcError | null> {
    const progress = this.#of(context);
    if (progress.ended) return error;
    progress.ended = true;
    let stands: RpcError | null = error;
    for (let at = this.#all.length - 1; at >= 0 && stands; at--) {
      const one = this.#all[at] as Counting;
      if (!one.onError || !saw(progress, one, at, context)) continue;
      const answer: RpcError | null = await answered(one, context, stands);
      if (answer !== null || streamsOutput(context)) stands = answer;
    }
    this.#end(context, stands);
    return stands;
  }

  /** Notes the normal end of a call; or, without hooks, an error that nobody can wait for. */
  finish(context: CallContext, error: RpcError | null = null): void {
    const progress = this.#of(context);
    if (progress.ended) return;
    progress.ended = true;
    this.#end(context, error);
  }

  #end(context: CallContext, error: RpcError | null): void {
    for (const one of this.#all) one[callEnded]?.(context, error);
  }
}

/** Tells whether the turn of an interceptor came before one refused the call. */
function saw(progress: Progress, one: Interceptor, at: number, context: CallContext): boolean {
  if (progress.stoppedAtStart !== undefined) return at <= progress.stoppedAtStart;
  if (progress.stoppedAtRequest === undefined || at <= progress.stoppedAtRequest) return true;
  return one.onStart !== undefined && (!(one instanceof Decider) || streamsInput(context));
}

function passedOn(next: unknown, item: unknown, hook: string): unknown {
  if ((next === undefined || next === null) && item !== undefined && item !== null) {
    throw new TypeError(`${hook} returned nothing; it must return the message that goes on`);
  }
  return next;
}

async function answered(one: Interceptor, context: CallContext, error: RpcError): Promise<RpcError | null> {
  let answer: unknown;
  try {
    answer = await one.onError?.(context, error);
  } catch (thrown) {
    if (thrown instanceof RpcError) return thrown;
    process.emitWarning(`onError failed; the error of the call stands: ${String(thrown)}`, { type: "AsterWarning" });
    return error;
  }
  return answer === null || answer instanceof RpcError ? answer : error;
}
