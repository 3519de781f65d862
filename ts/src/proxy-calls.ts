/** The calls of proxies: by the contract if it can be had, else as JSON that nobody here checks. */
import { type CallOptions, type Callable, caller } from "./calls.js";
import type { Chain } from "./chain.js";
import type { Int64 } from "./described.js";
import type { Discovery, Known } from "./discovery.js";
import type { DynamicMethod, DynamicPlan } from "./dynamic-plan.js";
import { type Engine, checked } from "./engine.js";
import { Later } from "./later.js";
import type { NativeClient, NativeStub } from "./native.js";
import type { RpcPattern } from "./services.js";
import { CancelledError, DeadlineExceededError, UnimplementedError } from "./status-errors.js";
import { BidiChannel, type Conversation, ServerStreamCall } from "./stream-calls.js";
import { isSource } from "./streams.js";
import { openSession } from "./stubs.js";
import type { ServiceSummary } from "./summary.js";
import { untypedPlan, writeJson } from "./untyped.js";

/** How a method is called: as a function, `.stream`, `.bidi`. */
export type ProxyForm = "call" | "stream" | "bidi";

type Call = (...args: unknown[]) => unknown;

/** Where calls of a proxy go. */
export interface ProxyTarget {
  readonly engine: Engine;
  readonly native: NativeClient;
  readonly summary: ServiceSummary;
  readonly channel: string | undefined;
  readonly chain: Chain | undefined;
  readonly discovery: Discovery;
  readonly int64: Int64;
}

/** Methods that are kept; programs that make up names get new ones. */
const MOST_KEPT = 1000;

/** Calls of one service, or of one session of it. */
export class ProxyCalls {
  readonly #at: ProxyTarget;
  readonly #known: () => Known;
  readonly #calls = new Map<string, Call>();
  #bound: NativeStub | undefined;
  #closed: Error | undefined;

  constructor(at: ProxyTarget) {
    this.#at = at;
    let known: Known | undefined;
    this.#known = () => (known ??= at.discovery.of(at.summary, at.int64));
  }

  /** Name of the service. */
  get service(): string {
    return this.#at.summary.name;
  }

  /** Makes further calls part of a session; returns its id on the wire, and what ends it. */
  async openSession(): Promise<{ sessionId: string; close(): Promise<void> }> {
    const known = this.#known();
    await known.ready;
    const { engine } = this.#at;
    const bound = known.plan ? this.#bind(known.plan) : this.#bindUntyped("open", "unary");
    const { stub, close } = openSession(engine, bound);
    this.#bound = stub;
    return { sessionId: stub.sessionId ?? "", close };
  }

  /** Refuses calls from now on. */
  refuse(error: Error): void {
    this.#closed = error;
  }

  /** Calls a method. The contract is looked for first. */
  invoke(name: string, form: ProxyForm, args: unknown[]): unknown {
    const { plan } = this.#known();
    if (plan !== undefined && form === "call") return settled(() => this.#call(plan, name, form, args));
    const options = (form === "bidi" && !isSource(args[0]) ? args[0] : args[1]) as CallOptions | undefined;
    const began = performance.now();
    const left = (): unknown[] => args.map((arg) => (arg === options && options ? remaining(options, began) : arg));
    if (form === "call") return settled(() => this.#ready(options)).then(() => this.#now(name, form, left()));
    const ready = plan === undefined ? settled(() => this.#ready(options)) : Promise.resolve();
    const open = (): Conversation => (this.#now(name, form, left()) as { release(): Conversation }).release();
    const sourced = form === "stream" || isSource(args[0]);
    return sourced ? new ServerStreamCall(new Later(ready, open)) : new BidiChannel(new Later(ready, open));
  }

  /** Resolves when it is known whether there is a contract, unless the call must have ended before. */
  #ready({ timeout, signal }: CallOptions = {}): Promise<void> {
    const { ready } = this.#known();
    if (timeout === undefined && signal === undefined) return ready;
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(new CancelledError("cancelled", {}, { cause: signal?.reason }));
      const late = (): void => reject(new DeadlineExceededError("deadline exceeded"));
      const timer = timeout === undefined ? undefined : setTimeout(late, timeout);
      if (signal?.aborted) aborted();
      signal?.addEventListener("abort", aborted, { once: true });
      ready.then(resolve, reject).finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
      });
    });
  }

  #now(name: string, form: ProxyForm, args: unknown[]): unknown {
    return this.#call(this.#known().plan ?? null, name, form, args);
  }

  #call(plan: DynamicPlan | null, name: string, form: ProxyForm, args: unknown[]): unknown {
    if (this.#closed) throw this.#closed;
    const pattern = plan ? this.#checkForm(plan, name, form, args[0]) : patternOf(form, args[0]);
    const key = `${pattern} ${name}`;
    let call = this.#calls.get(key);
    if (!call) {
      call = plan ? this.#typed(plan, name) : this.#untyped(name, pattern);
      if (this.#calls.size >= MOST_KEPT) this.#calls.clear();
      this.#calls.set(key, call);
    }
    const single = pattern === "unary" || pattern === "server_stream";
    const takesMessage = plan?.methods.get(name)?.takesMessage ?? true;
    if (single && takesMessage && args[0] === undefined) return call({}, ...args.slice(1));
    return call(...args);
  }

  #checkForm(plan: DynamicPlan, name: string, form: ProxyForm, request: unknown): RpcPattern {
    const method = plan.methods.get(name);
    if (!method) throw new UnimplementedError(`Method '${this.service}.${name}' not implemented`);
    const { pattern } = method;
    const forms: Record<RpcPattern, [ProxyForm, string]> = {
      unary: ["call", `proxy.${name}({...})`],
      server_stream: ["stream", `proxy.${name}.stream({...})`],
      client_stream: ["call", `proxy.${name}(asyncIterable)`],
      bidi_stream: ["bidi", `proxy.${name}.bidi()`],
    };
    const [right, text] = forms[pattern];
    const fits = pattern === "client_stream" ? isSource(request) : !(form === "call" && method.takesMessage && isSource(request));
    if (form !== right || !fits) throw new TypeError(`'${this.service}.${name}' is a ${pattern} method. Use ${text}.`);
    return pattern;
  }

  #bind(plan: DynamicPlan): NativeStub {
    if (!this.#bound) {
      const { native, channel } = this.#at;
      this.#bound = checked(native.bind(plan.native, channel));
    }
    return this.#bound;
  }

  #bindUntyped(name: string, pattern: RpcPattern): NativeStub {
    const { engine, native, summary } = this.#at;
    const plan = untypedPlan(engine.native, summary, name, pattern);
    return checked(this.#bound ? this.#bound.withPlan(plan) : native.bindUntyped(plan));
  }

  #typed(plan: DynamicPlan, name: string): Call {
    const stub = this.#bind(plan);
    const { pattern, idempotent, write, timeout } = plan.methods.get(name) as DynamicMethod;
    const about = { service: this.service, method: name, pattern, idempotent };
    return this.#caller({ stub, index: stub.method(name), write, about, timeout });
  }

  #untyped(name: string, pattern: RpcPattern): Call {
    const stub = this.#bindUntyped(name, pattern);
    const about = { service: this.service, method: name, pattern, idempotent: false };
    return this.#caller({ stub, index: 0, write: writeJson, about, timeout: undefined });
  }

  #caller(of: Pick<Callable, "stub" | "index" | "write" | "about" | "timeout">): Call {
    const { engine, chain } = this.#at;
    return caller({ ...of, engine, chain, refusal: () => this.#closed }) as Call;
  }
}

function patternOf(form: ProxyForm, request: unknown): RpcPattern {
  if (form === "stream") return "server_stream";
  if (form === "bidi") return "bidi_stream";
  return isSource(request) && !ArrayBuffer.isView(request) ? "client_stream" : "unary";
}

/** Runs what may throw at once. */
async function settled<T>(run: () => T): Promise<Awaited<T>> {
  return await run();
}

/** Returns the options with the time that is left. */
function remaining(options: CallOptions, began: number): CallOptions {
  const { timeout } = options;
  return timeout === undefined ? options : { ...options, timeout: timeout - (performance.now() - began) };
}
