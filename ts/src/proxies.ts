/** Clients that need no classes: plain objects in, plain objects out (`node-api.md` section 6). */
import type { CallOptions } from "./calls.js";
import { hasSiblings, withDefaults } from "./defaults.js";
import { InvalidStateError } from "./errors.js";
import type { ProxyCalls, ProxyForm } from "./proxy-calls.js";
import type { BidiChannel, ServerStreamCall } from "./stream-calls.js";
import type { Source } from "./streams.js";

/** What messages look like that no class describes. */
export type PlainMessage = Record<string, unknown>;

/** A method of a proxy. Wrong forms of call fail with a `TypeError` that names the right one. */
export interface ProxyMethod {
  /** Calls a unary method with a message, or a client-stream method with an iterable of messages. */
  <R = PlainMessage>(request?: unknown, options?: CallOptions): Promise<R>;
  /** Calls a server-stream method. */
  stream<R = PlainMessage>(request?: unknown, options?: CallOptions): ServerStreamCall<R>;
  /** Calls a bidi method with the messages of an iterable. */
  bidi<R = PlainMessage>(source: Source<unknown>, options?: CallOptions): ServerStreamCall<R>;
  /** Opens a channel of a bidi method. */
  bidi<Q = PlainMessage, R = PlainMessage>(options?: CallOptions): BidiChannel<Q, R>;
}

/** Methods by any name, also by those that a proxy has for itself. */
export interface ProxyCall {
  <R = PlainMessage>(method: string, request?: unknown, options?: CallOptions): Promise<R>;
  stream<R = PlainMessage>(method: string, request?: unknown, options?: CallOptions): ServerStreamCall<R>;
  bidi<R = PlainMessage>(method: string, source: Source<unknown>, options?: CallOptions): ServerStreamCall<R>;
  bidi<Q = PlainMessage, R = PlainMessage>(method: string, options?: CallOptions): BidiChannel<Q, R>;
}

/** Methods that are kept; programs that make up names get new ones. */
const MOST_KEPT = 1000;
/** What engines and libraries look for in any object; a method of such a name is called through `$call`. */
const NO_METHODS = new Set(["then", "catch", "finally", "toJSON", "inspect"]);

/** Calls a method by name and form. */
type Invoke = (name: string, form: ProxyForm, args: unknown[]) => unknown;

class Base {
  /** Calls a method by its name. */
  readonly $call: ProxyCall;

  /** @internal */
  constructor(invoke: Invoke) {
    const by = (form: ProxyForm) => (name: unknown, ...args: unknown[]): unknown => invoke(methodName(name), form, args);
    this.$call = Object.freeze(Object.assign(by("call"), { stream: by("stream"), bidi: by("bidi") })) as ProxyCall;
  }
}

function methodName(name: unknown): string {
  if (typeof name === "string") return name;
  throw new TypeError("$call: expected the name of a method");
}

/** A client of one service; its properties are the methods, by their names in the contract. Harmless to await. */
class AnyProxy extends Base {}

/** A session of one service. */
class AnySession extends Base implements AsyncDisposable {
  /** Id of the session on the wire. */
  readonly sessionId: string;
  /** Ends the session and waits for its close hook at the server. Repeatable. */
  readonly close: () => Promise<void>;

  /** @internal */
  constructor(invoke: Invoke, sessionId: string, close: () => Promise<void>) {
    super(invoke);
    this.sessionId = sessionId;
    this.close = close;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A client of one service without classes. `M`: names of its methods, if they are known. */
export type ProxyClient<M extends string = string> = AnyProxy & { readonly [K in M]: ProxyMethod };
export const ProxyClient: abstract new (...args: never[]) => AnyProxy = AnyProxy;

/** A session of one service without classes: its methods, `sessionId`, `close()`. */
export type SessionProxy<M extends string = string> = AnySession & { readonly [K in M]: ProxyMethod };
export const SessionProxy: abstract new (...args: never[]) => AnySession = AnySession;

/** Makes the proxy of a service. */
export function makeProxy(calls: ProxyCalls): ProxyClient {
  const make = (invoke: Invoke): Base => new AnyProxy(invoke);
  return withMethods(make, (...call) => calls.invoke(...call)) as ProxyClient;
}

/** Opens a session. */
export async function makeSession(calls: ProxyCalls): Promise<SessionProxy> {
  const session = await calls.openSession();
  const close = (): Promise<void> => {
    calls.refuse(new InvalidStateError("session is closed", { kind: "closed" }));
    return session.close();
  };
  const make = (invoke: Invoke): Base => new AnySession(invoke, session.sessionId, close);
  return withMethods(make, (...call) => calls.invoke(...call)) as SessionProxy;
}

function withMethods(make: (invoke: Invoke) => Base, invoke: Invoke): Base {
  const methods = new Map<string, ProxyMethod>();
  const method = (name: string): ProxyMethod => {
    const by = (form: ProxyForm) => (...args: unknown[]): unknown => invoke(name, form, args);
    const made = Object.freeze(Object.assign(by("call"), { stream: by("stream"), bidi: by("bidi") })) as ProxyMethod;
    if (methods.size >= MOST_KEPT) methods.clear();
    methods.set(name, made);
    return made;
  };
  const proxy = new Proxy(Object.freeze(make(invoke)), {
    get(target, name) {
      if (typeof name === "symbol" || name in target || name.startsWith("_") || NO_METHODS.has(name)) {
        return Reflect.get(target, name, target) as unknown;
      }
      return methods.get(name) ?? method(name);
    },
  });
  return hasSiblings(proxy, (defaults) => {
    return withMethods(make, (name, form, args) => invoke(name, form, withDefaults(args, form === "bidi", defaults)));
  });
}
