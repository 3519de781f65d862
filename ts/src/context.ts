/** What a handler knows of its call (`node-api.md` section 8). */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ContextParts } from "./engine.js";
import type { RpcPattern } from "./services.js";

const storage = new AsyncLocalStorage<CallContext>();

/** A running call, as its handler sees it. */
export class CallContext {
  readonly service: string;
  readonly method: string;
  readonly callId: string;
  /** Endpoint id of the caller; null in process. */
  readonly peer: string | null;
  /** Metadata of the caller. Interceptors of a client may add to it before it is sent. */
  readonly metadata: Record<string, string>;
  /** Attributes that admission granted. */
  readonly attributes: Readonly<Record<string, string>>;
  /** When the call must have ended. */
  readonly deadline: Date | null;
  /** Id of the session on the wire; null outside of sessions. */
  readonly sessionId: string | null;
  readonly pattern: RpcPattern;
  /** Whether requests or responses are a stream. */
  readonly isStreaming: boolean;
  readonly idempotent: boolean;
  /** Number of this attempt of the call. */
  attempt = 1;
  #controller: AbortController | undefined;
  #reason: unknown;
  #aborted = false;

  /** @internal */
  constructor(
    of: { service: string; method: string; pattern: RpcPattern; idempotent: boolean },
    [callId, peer, metadata, attributes, leftMs, , sessionId]: ContextParts,
  ) {
    this.service = of.service;
    this.method = of.method;
    this.pattern = of.pattern;
    this.isStreaming = of.pattern !== "unary";
    this.idempotent = of.idempotent;
    this.sessionId = sessionId;
    this.callId = callId;
    this.peer = peer;
    this.metadata = recordOfPairs(metadata);
    this.attributes = Object.freeze(recordOfPairs(attributes));
    this.deadline = leftMs === null ? null : new Date(Date.now() + leftMs);
  }

  /** Returns the context of the handler that is running, from anywhere below it. */
  static current(): CallContext | undefined {
    return storage.getStore();
  }

  /** Milliseconds until the deadline; null without one. */
  get remainingMs(): number | null {
    return this.deadline === null ? null : Math.max(0, this.deadline.getTime() - Date.now());
  }

  /** Whether the deadline has passed. */
  get expired(): boolean {
    return this.remainingMs === 0;
  }

  /** Aborts when the caller cancels, the deadline passes, the connection is lost or the server stops. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** @internal */
  get aborted(): boolean {
    return this.#aborted;
  }

  /** @internal */
  get abortReason(): unknown {
    return this.#reason;
  }

  /** @internal */
  abort(reason: unknown): void {
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }

  /** @internal */
  run<T>(work: () => T): T {
    return storage.run(this, work);
  }
}

/** Makes a record of keys and values in turn. */
export function recordOfPairs(pairs: readonly string[] | null): Record<string, string> {
  const out = Object.create(null) as Record<string, string>;
  for (let at = 0; pairs && at + 1 < pairs.length; at += 2) out[pairs[at] as string] = pairs[at + 1] as string;
  return out;
}
