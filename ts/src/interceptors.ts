/** Interceptors of the package (`node-api.md` section 8). */
import { Decider, type Interceptor, callEnded, streamsInput } from "./chain.js";
import type { CallContext } from "./context.js";
import { checked, engine } from "./engine.js";
import { type NativeCapabilities, defaults, native } from "./native.js";
import { RpcError, messageOf, statusName } from "./rpc-error.js";
import { type ServiceClass, type ServiceDefinition, requireService } from "./services.js";
import { DeadlineExceededError, ResourceExhaustedError, UnauthenticatedError, UnavailableError } from "./status-errors.js";
import { StatusCode } from "./tables.js";

/** Refuses calls that arrive too late. Those that become late are core's, which needs no interceptor. */
export class DeadlineInterceptor extends Decider {
  readonly #tolerance: number | undefined;

  /** `skewToleranceMs`: how long ago a deadline may have passed, 5000 by default. */
  constructor({ skewToleranceMs }: { skewToleranceMs?: number } = {}) {
    super();
    if (skewToleranceMs !== undefined && !(skewToleranceMs >= 0)) throw new RangeError("skewToleranceMs: expected 0 or more");
    this.#tolerance = skewToleranceMs;
  }

  protected decide({ deadline }: CallContext): void {
    const tolerance = this.#tolerance ?? defaults().deadlineSkewMs;
    if (deadline && Date.now() - deadline.getTime() > tolerance) throw new DeadlineExceededError(defaults().deadlineExpired);
  }
}

/** Options of an {@link AuthInterceptor}, for one side. */
export interface AuthOptions {
  /** A token, or what is asked for one per call that has none. */
  tokenProvider?: string | (() => string | null | undefined | Promise<string | null | undefined>);
  /** Tells whether a token is good. */
  validator?: (token: string, context: CallContext) => unknown;
  metadataKey?: string;
  /** What precedes the token; empty: nothing. */
  scheme?: string;
}

/** On clients adds `<scheme> <token>` to the metadata, on servers checks it. */
export class AuthInterceptor extends Decider {
  readonly #options: AuthOptions;
  readonly #key: string;
  readonly #scheme: string;

  constructor(options: AuthOptions = {}) {
    super();
    this.#options = options;
    this.#key = options.metadataKey ?? "authorization";
    this.#scheme = options.scheme ?? "Bearer";
  }

  protected async decide(context: CallContext): Promise<void> {
    const { tokenProvider, validator } = this.#options;
    if (tokenProvider !== undefined && !(this.#key in context.metadata)) {
      const token = typeof tokenProvider === "string" ? tokenProvider : await tokenProvider();
      if (token) context.metadata[this.#key] = `${this.#scheme} ${token}`.trim();
    }
    if (validator && !(await this.#valid(validator, context))) throw new UnauthenticatedError("authentication failed");
  }

  async #valid(validator: NonNullable<AuthOptions["validator"]>, context: CallContext): Promise<boolean> {
    const token = this.#token(context.metadata[this.#key]);
    if (!token) return false;
    try {
      return Boolean(await validator(token, context));
    } catch (error) {
      if (error instanceof RpcError) throw error;
      process.emitWarning(`the validator failed; the call is refused: ${messageOf(error)}`, { type: "AsterWarning" });
      return false;
    }
  }

  #token(value: string | undefined): string | undefined {
    if (value === undefined || this.#scheme === "") return value;
    const space = value.indexOf(" ");
    if (space < 0 || value.slice(0, space).toLowerCase() !== this.#scheme.toLowerCase()) return undefined;
    return value.slice(space + 1).trim();
  }
}

/** Local note of a call: never sent, dropped on receipt. */
export const COMPRESSION_NOTE = "_aster_compression_threshold";

/** Sets from which size on the messages that this side sends are compressed. */
export class CompressionInterceptor extends Decider {
  readonly #threshold: number | undefined;

  /** `threshold`: bytes, 4096 by default; -1, or `enabled: false`, compresses nothing. */
  constructor({ threshold, enabled = true }: { threshold?: number; enabled?: boolean } = {}) {
    super();
    if (threshold !== undefined && !(Number.isInteger(threshold) && threshold >= -1)) {
      throw new RangeError("threshold: expected -1 or a number of bytes");
    }
    this.#threshold = enabled ? threshold : -1;
  }

  protected decide({ metadata }: CallContext): void {
    metadata[COMPRESSION_NOTE] ??= String(this.#threshold ?? defaults().compressionThreshold);
  }
}

/** Refuses calls whose attributes lack what the service or method requires. Core checks remote calls by itself. */
export class CapabilityInterceptor extends Decider {
  readonly #services: readonly (ServiceClass | ServiceDefinition<object> | object)[] | undefined;
  #map: NativeCapabilities | undefined;

  /** `services`: those that may be called, as classes, definitions or objects. */
  constructor({ services = [] }: { services?: readonly (ServiceClass | ServiceDefinition<object> | object)[] } = {}) {
    super();
    for (const one of services) requireService(one);
    this.#services = services.length > 0 ? services : undefined;
  }

  protected decide({ service, method, attributes }: CallContext): void {
    // Without services there is nothing to add to what core has checked.
    if (!this.#services) return;
    this.#map ??= mapOf(this.#services);
    checked(engine().native.permit(this.#map, service, method, Object.entries(attributes).flat()));
  }
}

function mapOf(services: readonly unknown[]): NativeCapabilities {
  const map = new (native().Capabilities)();
  const text = (requires: unknown): string => (requires === undefined ? "" : JSON.stringify(requires));
  for (const one of services) {
    const { name, requires, methods } = requireService(one);
    const each = [...methods].flatMap(([property, info]) => [info.name ?? property, text(info.requires)]);
    map.add(name, text(requires) || undefined, each);
  }
  return map;
}

type Per = "global" | "service" | "method" | "peer";

/** Options of a {@link RateLimitInterceptor}: calls per second, for each of `per`; or several limits at once. */
export interface RateLimitOptions {
  rate?: number;
  /** What may come at once; default: one second's worth, at least 1. */
  burst?: number;
  per?: Per;
  globalRps?: number;
  perServiceRps?: number;
  perMethodRps?: number;
  perPeerRps?: number;
}

interface Bucket {
  tokens: number;
  when: number;
}

/** Buckets of one limit; the one used longest ago makes room for a new one. */
const MOST_BUCKETS = 10_000;

/** Refuses calls with RESOURCE_EXHAUSTED when a token bucket is empty; the detail `retry_after_ms` says for how long. */
export class RateLimitInterceptor extends Decider {
  readonly #limits: readonly { per: Per; rate: number; burst: number; buckets: Map<string, Bucket> }[];

  constructor(options: RateLimitOptions = {}) {
    super();
    const { rate = 100, per = "global", burst } = options;
    if (!["global", "service", "method", "peer"].includes(per)) throw new TypeError("per: expected global, service, method or peer");
    if (burst !== undefined && !(burst >= 1)) throw new RangeError("burst: expected 1 or more");
    const { globalRps, perServiceRps, perMethodRps, perPeerRps } = options;
    const several = [
      ["global", globalRps],
      ["service", perServiceRps],
      ["method", perMethodRps],
      ["peer", perPeerRps],
    ] as const;
    const chosen = several.flatMap(([of, rps]) => (rps === undefined ? [] : [[of, rps] as const]));
    this.#limits = (chosen.length > 0 ? chosen : [[per, rate] as const]).map(([of, rps]) => {
      if (!(rps > 0 && Number.isFinite(rps))) throw new RangeError("rate: expected a positive number of calls per second");
      return { per: of, rate: rps, burst: burst ?? Math.max(1, rps), buckets: new Map() };
    });
  }

  protected decide(context: CallContext): void {
    const now = performance.now();
    const buckets = this.#limits.map(({ per, rate, burst, buckets }) => {
      const { service, method, peer } = context;
      const key = per === "global" ? "" : per === "service" ? service : per === "method" ? `${service}/${method}` : String(peer);
      const bucket = buckets.get(key) ?? { tokens: burst, when: now };
      buckets.delete(key);
      if (buckets.size >= MOST_BUCKETS) buckets.delete(buckets.keys().next().value as string);
      buckets.set(key, bucket);
      bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.when) / 1000) * rate);
      bucket.when = now;
      return bucket;
    });
    // A call that one limit refuses takes nothing from the others.
    this.#limits.forEach(({ per, rate }, at) => {
      const { tokens } = buckets[at] as Bucket;
      if (tokens >= 1) return;
      const wait = Math.ceil(((1 - tokens) / rate) * 1000);
      throw new ResourceExhaustedError(`Rate limit exceeded (${rate}/s per ${per})`, { retry_after_ms: String(wait) });
    });
    for (const bucket of buckets) bucket.tokens--;
  }
}

/** Decides once per call and is told once how the call ended. */
abstract class Witness extends Decider {
  readonly #open = new WeakSet<CallContext>();

  protected decide(context: CallContext): void {
    this.began(context);
    this.#open.add(context);
  }

  /** @internal */
  [callEnded](context: CallContext, error: RpcError | null): void {
    if (this.#open.delete(context)) this.ended(context, error);
  }

  protected abstract began(context: CallContext): void;
  protected abstract ended(context: CallContext, error: RpcError | null): void;
}

const FAILURES: ReadonlySet<number> = new Set([StatusCode.UNAVAILABLE, StatusCode.INTERNAL, StatusCode.UNKNOWN]);
/** Our own doing, or too little to say that the other side works. */
const NEUTRAL: ReadonlySet<number> = new Set([
  StatusCode.CANCELLED,
  StatusCode.DEADLINE_EXCEEDED,
  StatusCode.RESOURCE_EXHAUSTED,
]);

/** Options of a {@link CircuitBreakerInterceptor}. */
export interface CircuitBreakerOptions {
  failureThreshold?: number;
  recoveryTimeoutMs?: number;
  halfOpenMaxCalls?: number;
}

/**
 * Refuses calls with UNAVAILABLE after several failures in a row, until a trial call succeeds. Failures are UNAVAILABLE,
 * INTERNAL and UNKNOWN.
 */
export class CircuitBreakerInterceptor extends Witness {
  readonly #options: Required<CircuitBreakerOptions>;
  readonly #generations = new WeakMap<CallContext, number>();
  #state: "closed" | "open" | "half_open" = "closed";
  #failures = 0;
  #trials = 0;
  #openedAt = 0;
  /** Calls of an earlier state have no say in this one. */
  #generation = 0;

  constructor({ failureThreshold = 3, recoveryTimeoutMs = 5000, halfOpenMaxCalls = 1 }: CircuitBreakerOptions = {}) {
    super();
    if (!(failureThreshold >= 1 && halfOpenMaxCalls >= 1 && recoveryTimeoutMs >= 0)) {
      throw new RangeError("failureThreshold and halfOpenMaxCalls: expected 1 or more, recoveryTimeoutMs: 0 or more");
    }
    this.#options = { failureThreshold, recoveryTimeoutMs, halfOpenMaxCalls };
  }

  get state(): "closed" | "open" | "half_open" {
    if (this.#state === "open" && performance.now() - this.#openedAt >= this.#options.recoveryTimeoutMs) {
      this.#become("half_open");
    }
    return this.#state;
  }

  protected began(context: CallContext): void {
    const { state } = this;
    if (state === "open") throw new UnavailableError("circuit breaker is open");
    if (state === "half_open" && this.#trials >= this.#options.halfOpenMaxCalls) {
      throw new UnavailableError("circuit breaker is half-open");
    }
    if (state === "half_open") this.#trials++;
    this.#generations.set(context, this.#generation);
  }

  protected ended(context: CallContext, error: RpcError | null): void {
    if (this.#generations.get(context) !== this.#generation || this.#state === "open") return;
    if (error && NEUTRAL.has(error.code)) {
      if (this.#trials > 0) this.#trials--;
    } else if (error && FAILURES.has(error.code)) {
      this.#failures++;
      if (this.#state === "half_open" || this.#failures >= this.#options.failureThreshold) {
        this.#openedAt = performance.now();
        this.#become("open");
      }
    } else {
      this.#failures = 0;
      if (this.#state === "half_open") this.#become("closed");
    }
  }

  #become(state: "closed" | "open" | "half_open"): void {
    this.#state = state;
    this.#generation++;
    this.#failures = this.#trials = 0;
  }
}

/** One line of an audit log. */
export interface AuditEntry {
  event: "request" | "response" | "error";
  service: string;
  method: string;
  call_id: string;
  attempt: number;
  /** Seconds since 1970. */
  ts: number;
  /** Name of the status. */
  code?: string;
  message?: string;
}

/** Writes down who called what, and how it ended; never messages or metadata. */
export class AuditLogInterceptor extends Witness {
  readonly #sink: AuditEntry[] | ((entry: AuditEntry) => void) | undefined;
  readonly #logger: { info(text: string): void } | undefined;

  /** Entries go to `sink`, and as JSON to `logger`; without either to the standard error. */
  constructor(options: { sink?: AuditEntry[] | ((entry: AuditEntry) => void); logger?: { info(text: string): void } } = {}) {
    super();
    this.#sink = options.sink;
    this.#logger = options.logger ?? (options.sink === undefined ? { info: (text) => console.error(text) } : undefined);
  }

  protected began(context: CallContext): void {
    this.#write(context, { event: "request" });
  }

  protected ended(context: CallContext, error: RpcError | null): void {
    if (error) this.#write(context, { event: "error", code: statusName(error.code), message: error.message });
    else this.#write(context, { event: "response" });
  }

  #write({ service, method, callId, attempt }: CallContext, about: Pick<AuditEntry, "event" | "code" | "message">): void {
    const { event, ...more } = about;
    const entry: AuditEntry = { event, service, method, call_id: callId, attempt, ts: Date.now() / 1000, ...more };
    try {
      this.#logger?.info(JSON.stringify(entry));
      if (typeof this.#sink === "function") this.#sink(entry);
      else this.#sink?.push(entry);
    } catch (error) {
      process.emitWarning(`the audit sink failed: ${messageOf(error)}`, { type: "AsterWarning" });
    }
  }
}

/** Counts calls. */
export class MetricsInterceptor extends Witness {
  #started = 0;
  #succeeded = 0;
  #failed = 0;

  /** Returns all numbers as they are now. */
  snapshot(): { started: number; succeeded: number; failed: number; inFlight: number } {
    const [started, succeeded, failed] = [this.#started, this.#succeeded, this.#failed];
    return { started, succeeded, failed, inFlight: started - succeeded - failed };
  }

  protected began(): void {
    this.#started++;
  }

  protected ended(_: CallContext, error: RpcError | null): void {
    if (error) this.#failed++;
    else this.#succeeded++;
  }
}

/** Waits between attempts: `min(maxMs, initialMs * multiplier ** (n - 1))`, and up to the share `jitter` more. */
export interface ExponentialBackoff {
  initialMs?: number;
  maxMs?: number;
  multiplier?: number;
  jitter?: number;
}

/** How often a call is sent at most, the first time counted, and the waits between. */
export interface RetryPolicy {
  maxAttempts?: number;
  backoff?: ExponentialBackoff;
}

/**
 * Makes clients send idempotent calls again that ended with UNAVAILABLE: unary calls, and server streams before their
 * first item. All attempts share the deadline and the call id; `context.attempt` counts them.
 */
export class RetryInterceptor implements Interceptor {
  readonly #most: number;
  readonly #backoff: Required<ExponentialBackoff>;
  readonly #codes: ReadonlySet<number>;

  constructor({ policy = {}, retryableCodes = [StatusCode.UNAVAILABLE] }: { policy?: RetryPolicy; retryableCodes?: readonly number[] } = {}) {
    const { maxAttempts = 3, backoff = {} } = policy;
    if (!(Number.isInteger(maxAttempts) && maxAttempts >= 1)) throw new RangeError("maxAttempts: expected 1 or more");
    this.#most = maxAttempts;
    this.#backoff = { initialMs: 100, maxMs: 30_000, multiplier: 2, jitter: 0.1, ...backoff };
    if (!Object.values(this.#backoff).every((value) => value >= 0)) throw new RangeError("backoff: expected 0 or more");
    this.#codes = new Set(retryableCodes);
  }

  onError(_: CallContext, error: RpcError): RpcError {
    return error;
  }

  /** Tells whether a call, whose attempt `context.attempt` ended so, may be sent once more. */
  shouldRetry(context: CallContext, error: RpcError): boolean {
    const repeatable = context.idempotent && !streamsInput(context) && !context.expired;
    return repeatable && context.attempt < this.#most && this.#codes.has(error.code);
  }

  /** Returns the milliseconds to wait after an attempt, counted from 1. */
  backoffMs(attempt: number): number {
    const { initialMs, maxMs, multiplier, jitter } = this.#backoff;
    return Math.min(maxMs, initialMs * multiplier ** (attempt - 1)) * (1 + Math.random() * jitter);
  }
}

