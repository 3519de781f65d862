/** Services: decorated classes, and contracts without an implementation (`node-api.md` section 4). */
import type { Requirement } from "./capability.js";
import type { Interceptor } from "./chain.js";
import type { CallContext } from "./context.js";
import { Field, type Fields, type Infer, type ValueOf } from "./fields.js";
import { type FieldInfo, type Metadata, type WireClass, fieldTable } from "./messages.js";
import { SerializationMode } from "./tables.js";

/** What a method takes or returns: a wire class, or a helper of a bare `string int float bool bytes`. */
export type Payload = WireClass | Field<string> | Field<number> | Field<boolean> | Field<Uint8Array>;

/** Which side of a call streams. */
export const RpcPattern = {
  UNARY: "unary",
  SERVER_STREAM: "server_stream",
  CLIENT_STREAM: "client_stream",
  BIDI_STREAM: "bidi_stream",
} as const;
export type RpcPattern = (typeof RpcPattern)[keyof typeof RpcPattern];

/** Whether callers share one object of a service. */
export const RpcScope = { SHARED: "shared", SESSION: "session" } as const;
export type RpcScope = (typeof RpcScope)[keyof typeof RpcScope];

interface MethodOptions {
  /** Wire name; default: the name of the method. */
  name?: string;
  /** Default deadline of calls, in milliseconds. */
  timeout?: number;
  idempotent?: boolean;
  requires?: Requirement;
  metadata?: Metadata;
}

/** A handler: streams of requests and responses are async iterables, a single response may be a promise. */
export type Handler<Q, R> = (
  request: Q,
  context: CallContext,
) => [R] extends [AsyncIterable<unknown>] ? R : R | Promise<R>;

/** A declared method of any types. */
export interface AnyMethod {
  /** Only for the compiler: there is no such property. */
  readonly types: (request: never) => unknown;
}

/** A declared method: a decorator of either kind, and a value for tables of methods. Streams are async iterables. */
export interface Method<Q, R> extends AnyMethod {
  (method: Handler<Q, R>, context: ClassMethodDecoratorContext): void;
  <M extends Handler<Q, R>>(target: object, property: string | symbol, descriptor: TypedPropertyDescriptor<M>): void;
  readonly types: (request: Q) => R;
}

/** A method as it was declared. */
export interface MethodInfo extends MethodOptions {
  readonly pattern: RpcPattern;
  readonly request?: Payload;
  readonly params?: readonly FieldInfo[];
  readonly response: Payload;
}

/** A service as it was declared; methods by property name. */
export interface ServiceInfo {
  readonly name: string;
  readonly version: number;
  readonly scope: RpcScope;
  readonly modes: readonly string[] | undefined;
  readonly producerLanguage: string | undefined;
  readonly requires: Requirement | undefined;
  readonly public: boolean;
  readonly metadata: Metadata;
  /** Run around the handlers, behind those of the server. */
  readonly interceptors: readonly Interceptor[];
  readonly methods: ReadonlyMap<string, MethodInfo>;
}

/** Options of {@link Service} and {@link defineService}. */
export interface ServiceOptions {
  /** Default: the name of the class. */
  name?: string;
  version?: number;
  /** One object for all callers, or one per session; `"stream"` is another word for `"session"`. Default: shared. */
  scoped?: RpcScope | "stream";
  serialization?: SerializationMode | readonly SerializationMode[];
  /** Language of the producer of a contract that lists NATIVE; for generated clients. Default: typescript. */
  producerLanguage?: string;
  requires?: Requirement;
  /** Meant for everyone, so that an open gate is no mistake. */
  public?: boolean;
  metadata?: Metadata;
  /** Run around the handlers, behind those of the server. */
  interceptors?: readonly Interceptor[];
  /** Methods by property name, for classes without method decorators. */
  methods?: Record<string, AnyMethod>;
}

/** A class of services. */
export type ServiceClass<S extends object = object> = abstract new (...args: never[]) => S;

/** A contract without an implementation. */
export class ServiceDefinition<S extends object> {
  /** Only for the compiler. */
  declare protected readonly service: S;
  readonly name: string;
  readonly version: number;

  /** @internal */
  constructor(info: ServiceInfo) {
    this.name = info.name;
    this.version = info.version;
    services.set(this, info);
  }
}

/** What a stub can be made of. */
export type ServiceLike<S extends object> = ServiceClass<S> | ServiceDefinition<S>;

const declarations = new WeakMap<object, MethodInfo>();
const decorated = new WeakMap<object, MethodInfo>();
const services = new WeakMap<object, ServiceInfo>();

/** Returns the declaration of a service class, definition or instance. */
export function findService(of: unknown): ServiceInfo | undefined {
  if (typeof of === "function") {
    for (let at: unknown = of; typeof at === "function"; at = Object.getPrototypeOf(at)) {
      const info = services.get(at);
      if (info) return info;
    }
    return undefined;
  }
  if (typeof of !== "object" || of === null) return undefined;
  return services.get(of) ?? findService((of as { constructor?: unknown }).constructor);
}

/** Returns the declaration, or throws what tells that there is none. */
export function requireService(of: unknown): ServiceInfo {
  const info = findService(of);
  if (info) return info;
  const name = typeof of === "function" ? of.name : ((of as object | null)?.constructor?.name ?? String(of));
  throw new TypeError(`${name || "the class"} is not @Service-decorated`);
}

type Explicit<Q, R> = MethodOptions & { request: Q; response: R };
type Inline<P, R> = MethodOptions & { params: P; response: R };

/** Declares a unary method. */
export function Rpc<Q extends Payload, R extends Payload>(options: Explicit<Q, R>): Method<ValueOf<Q>, ValueOf<R>>;
/** Declares a unary method whose request has one field per parameter; the handler takes one object. */
export function Rpc<P extends Fields, R extends Payload>(options: Inline<P, R>): Method<Infer<P>, ValueOf<R>>;
export function Rpc(options: DeclaredOptions): object {
  return declare("Rpc", RpcPattern.UNARY, options);
}

/** Declares a method that answers with a stream: the handler is an async generator. */
export function ServerStream<Q extends Payload, R extends Payload>(
  options: Explicit<Q, R>,
): Method<ValueOf<Q>, AsyncIterable<ValueOf<R>>>;
/** Declares such a method whose request has one field per parameter; the handler takes one object. */
export function ServerStream<P extends Fields, R extends Payload>(
  options: Inline<P, R>,
): Method<Infer<P>, AsyncIterable<ValueOf<R>>>;
export function ServerStream(options: DeclaredOptions): object {
  return declare("ServerStream", RpcPattern.SERVER_STREAM, options);
}

/** Declares a method that takes a stream of requests and answers once. */
export function ClientStream<Q extends Payload, R extends Payload>(
  options: Explicit<Q, R>,
): Method<AsyncIterable<ValueOf<Q>>, ValueOf<R>>;
export function ClientStream(options: DeclaredOptions): object {
  return declare("ClientStream", RpcPattern.CLIENT_STREAM, options);
}

/** Declares a method with streams both ways: the handler is an async generator. */
export function BidiStream<Q extends Payload, R extends Payload>(
  options: Explicit<Q, R> & { idempotent?: never },
): Method<AsyncIterable<ValueOf<Q>>, AsyncIterable<ValueOf<R>>>;
export function BidiStream(options: DeclaredOptions): object {
  return declare("BidiStream", RpcPattern.BIDI_STREAM, options);
}

type DeclaredOptions = MethodOptions & { request?: Payload; params?: Fields; response: Payload };

const METHOD_OPTIONS = ["request", "response", "name", "timeout", "idempotent", "requires", "metadata"];

/** Makes a declaration: what decorates a method, and what tables of methods hold. */
function declare(what: string, pattern: RpcPattern, options: DeclaredOptions): object {
  if (typeof options !== "object" || options === null) throw new TypeError(`${what}: expected { request, response }`);
  const { params, ...rest } = options;
  const single = pattern === RpcPattern.UNARY || pattern === RpcPattern.SERVER_STREAM;
  checkKeys(what, options, single ? [...METHOD_OPTIONS, "params"] : METHOD_OPTIONS);
  if ((options.request === undefined) === (params === undefined)) {
    throw new TypeError(`${what}: expected ${single ? "either request or params" : "a request"}`);
  }
  checkPayload(`${what}: request`, options.request ?? options.response);
  checkPayload(`${what}: response`, options.response);
  if (options.timeout !== undefined && !(typeof options.timeout === "number" && options.timeout >= 0)) {
    throw new RangeError(`${what}: expected a timeout in milliseconds`);
  }
  const given = { ...rest, pattern };
  const info: MethodInfo = params === undefined ? given : { ...given, params: fieldTable(`${what}: params`, params) };
  const decorator = (method: unknown, at: unknown, descriptor?: PropertyDescriptor): void => {
    const target: unknown = descriptor ? descriptor.value : method;
    const name = descriptor ? String(at) : String((at as { name?: string | symbol } | undefined)?.name);
    if (typeof target !== "function") throw new TypeError(`${what} can only be applied to methods, not to '${name}'`);
    const answersOnce = pattern === RpcPattern.UNARY || pattern === RpcPattern.CLIENT_STREAM;
    if (answersOnce && /Generator/.test(Object.prototype.toString.call(target))) {
      const other = pattern === RpcPattern.UNARY ? "ServerStream" : "BidiStream";
      throw new TypeError(`${what} method '${name}' must not be a generator: declare it with ${other}`);
    }
    decorated.set(target, info);
  };
  declarations.set(decorator, info);
  return decorator;
}

/** Makes a class a service: as decorator of either kind, or called with the class. */
export function Service(
  options: ServiceOptions = {},
): <C extends ServiceClass>(type: C, context?: ClassDecoratorContext<C>) => C {
  checkService("Service", options);
  return (type) => {
    if (typeof type !== "function") throw new TypeError("Service can only be applied to classes");
    const name = options.name ?? type.name;
    const methods = new Map<string, MethodInfo>();
    for (let at: unknown = type.prototype; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      for (const [property, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
        const info = typeof descriptor.value === "function" ? decorated.get(descriptor.value as object) : undefined;
        if (info && !methods.has(property)) methods.set(property, info);
      }
    }
    for (const [property, info] of declaredMethods(name, options.methods)) {
      if (typeof (type.prototype as Record<string, unknown>)[property] !== "function") {
        throw new TypeError(`service '${name}': ${type.name} has no method '${property}'`);
      }
      methods.set(property, info);
    }
    services.set(type, serviceInfo(name, options, methods));
    return type;
  };
}

/** The object type of a table of methods. */
export type ServiceOf<M extends Record<string, AnyMethod>> = {
  [K in keyof M]: M[K]["types"] extends (request: infer Q) => infer R
    ? (request: Q) => [R] extends [AsyncIterable<unknown>] ? R : Promise<R>
    : never;
};

/** Declares a contract without an implementation, for clients. */
export function defineService<M extends Record<string, AnyMethod>>(
  options: ServiceOptions & { name: string; methods: M },
): ServiceDefinition<ServiceOf<M>> {
  checkService("defineService", options);
  if (typeof options.name !== "string") throw new TypeError("defineService: expected a name");
  const methods = new Map(declaredMethods(options.name, options.methods));
  return new ServiceDefinition(serviceInfo(options.name, options, methods));
}

function serviceInfo(name: string, options: ServiceOptions, methods: Map<string, MethodInfo>): ServiceInfo {
  const { serialization } = options;
  const modes = serialization === undefined ? undefined : [serialization].flat();
  const modeName = (mode: number): string => {
    const found = Object.entries(SerializationMode).find(([, number]) => number === mode);
    if (!found) throw new TypeError(`service '${name}': unknown serialization mode ${String(mode)}`);
    return found[0].toLowerCase();
  };
  return {
    name,
    version: options.version ?? 1,
    scope: options.scoped === undefined || options.scoped === "shared" ? RpcScope.SHARED : RpcScope.SESSION,
    modes: modes?.map(modeName),
    producerLanguage: options.producerLanguage,
    requires: options.requires,
    public: options.public ?? false,
    metadata: options.metadata ?? {},
    interceptors: options.interceptors ?? [],
    methods,
  };
}

function* declaredMethods(name: string, methods: ServiceOptions["methods"] = {}): Generator<[string, MethodInfo]> {
  for (const [property, method] of Object.entries(methods)) {
    const info = typeof method === "function" ? declarations.get(method) : undefined;
    if (!info) throw new TypeError(`service '${name}': method '${property}' is not declared with Rpc(...) or a stream`);
    yield [property, info];
  }
}

function checkService(what: string, options: ServiceOptions): void {
  if (typeof options !== "object" || options === null) throw new TypeError(`${what}: expected options`);
  const { scoped } = options;
  if (scoped !== undefined && !["shared", "session", "stream"].includes(scoped)) {
    throw new TypeError(`${what}: unknown scope '${String(scoped)}'`);
  }
  checkKeys(what, options, ["name", "version", "scoped", "serialization", "producerLanguage", "requires", "public", "metadata", "interceptors", "methods"]);
}

/** Refuses options that do not exist: in JavaScript nobody else would. */
export function checkKeys(what: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new TypeError(`${what}: unknown option '${unknown}'`);
}

function checkPayload(what: string, payload: unknown): void {
  if (typeof payload !== "function" && !(payload instanceof Field)) {
    throw new TypeError(`${what}: expected a wire class, or a helper such as f.string()`);
  }
}
