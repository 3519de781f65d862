/** Declarations of the vectors as wire classes, through the same helpers that programs use. */
import {
  BidiStream,
  ClientStream,
  DynamicTypeFactory,
  type Field,
  type FieldLike,
  Rpc,
  SerializationMode,
  ServerStream,
  type ServiceDefinition,
  WireType,
  defineService,
  f,
} from "@aster/rpc";
import { root } from "./support.js";

/** Types of a description. */
export type Types = Record<string, TypeText>;
interface TypeText {
  fields?: { name: string; type: string; default?: unknown; factory?: boolean }[];
  enum?: ([string, number] | string)[];
  texts?: Record<string, string>;
}

/** A service of a description. */
export interface Description {
  service: string;
  version: number;
  types: Types;
  scoped?: string;
  serialization_modes?: string[];
  requires?: unknown;
  methods: {
    name: string;
    pattern: string;
    request: string;
    response: string;
    timeout_s?: number;
    idempotent?: boolean;
    requires?: unknown;
  }[];
}

/** What the package has for a service; private, but the vectors need bytes. */
export interface Compiled {
  encode(type: string, json: boolean, value: unknown): Uint8Array | Error;
  decode(type: string, json: boolean, bytes: Uint8Array): unknown;
}

const SCALARS: Record<string, () => FieldLike> = {
  string: f.string,
  bool: f.bool,
  int: () => f.int64(),
  varint64: () => f.int64(),
  var_uint64: () => f.uint64(),
  int8: f.int8,
  int16: f.int16,
  varint32: f.int32,
  uint8: f.uint8,
  uint16: f.uint16,
  var_uint32: f.uint32,
  int32: f.fixedInt32,
  int64: () => f.fixedInt64(),
  uint32: f.fixedUint32,
  uint64: () => f.fixedUint64(),
  float: f.float,
  float64: f.float64,
  float32: f.float32,
  bytes: f.bytes,
  binary: f.bytes,
  timestamp: () => f.timestamp({ as: "micros" }),
  date: f.date,
  duration: () => f.duration({ as: "micros" }),
  decimal: f.decimal,
  uuid: f.uuid,
};
const BARE: Record<string, Field<unknown>> = {
  string: f.string(),
  int: f.int(),
  float: f.float(),
  bool: f.bool(),
  bytes: f.bytes(),
};

/** Splits a type text. */
export function parse(text: string): { optional: boolean; name: string; parts: string[] } {
  const optional = text.endsWith("?");
  const rest = optional ? text.slice(0, -1) : text;
  const found = /^(list|set|map)<(.*)>$/.exec(rest);
  if (!found) return { optional, name: rest, parts: [] };
  const [, name = "", inner = ""] = found;
  const parts = [""];
  let depth = 0;
  for (const char of inner) {
    depth += Number(char === "<") - Number(char === ">");
    if (char === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += char;
  }
  return { optional, name, parts };
}

/** Wire classes of a description, made on demand. */
export class Declared {
  readonly #types: Types;
  readonly #classes = new Map<string, new () => object>();

  constructor(types: Types) {
    this.#types = types;
  }

  #field(text: string): FieldLike {
    const { optional, name, parts } = parse(text);
    const [first, second] = parts.map((part) => this.#field(part)) as [FieldLike, FieldLike];
    const plain = (): FieldLike => {
      if (name === "list") return f.list(first);
      if (name === "set") return f.set(first);
      if (name === "map") return f.map(first, second);
      const { enum: members, texts } = this.#types[name] ?? {};
      if (members) return f.enum(name, enumOf(members, texts));
      return SCALARS[name]?.() ?? f.lazy(() => this.class(name));
    };
    return optional ? f.optional(plain()) : plain();
  }

  /** Returns the class with a tag. */
  class(tag: string): new () => object {
    let type = this.#classes.get(tag);
    if (!type) {
      const fields: Record<string, FieldLike> = {};
      for (const { name, type: text, default: value } of this.#types[tag]?.fields ?? []) {
        fields[name] = this.#field(text);
        if (value !== undefined) (fields[name] as unknown as { options: object }).options = { default: hostValue(text, value) };
      }
      type = WireType(tag, fields)(class {} as new () => Record<string, unknown>) as new () => object;
      this.#classes.set(tag, type);
    }
    return type;
  }

  #payload(text: string): never {
    return (BARE[text] ?? this.class(text)) as never;
  }

  /** Declares the service. */
  service(description: Description): ServiceDefinition<object> {
    return defined(description, (text) => this.#payload(text));
  }

  /** Compiles a service with one root type. */
  async compile(type: string): Promise<Compiled> {
    const methods = [{ name: "call", pattern: "unary", request: type, response: type }];
    const service = this.service({ service: "Vectors", version: 1, types: this.#types, methods });
    return compiled(service);
  }
}

const PATTERNS = { unary: Rpc, server_stream: ServerStream, client_stream: ClientStream, bidi_stream: BidiStream };

function defined(description: Description, payload: (text: string) => never): ServiceDefinition<object> {
  const { service: name, version, requires, scoped, serialization_modes: modes } = description;
  const methods = Object.fromEntries(
    description.methods.map((method) => [
      method.name,
      PATTERNS[method.pattern as "unary"]({
        request: payload(method.request),
        response: payload(method.response),
        timeout: method.timeout_s === undefined ? undefined : method.timeout_s * 1000,
        idempotent: method.idempotent,
        requires: method.requires as never,
      }),
    ]),
  );
  const serialization = modes?.map((mode) => SerializationMode[mode.toUpperCase() as "JSON"]);
  return defineService({ name, version, requires, scoped, serialization, methods } as never);
}

/** Declares the service with classes that are made of its types. */
export function dynamic(description: Description): ServiceDefinition<object> {
  const factory = new DynamicTypeFactory(description.types as never);
  return defined(description, (text) => (BARE[text] ?? factory.get(text)) as never);
}

function enumOf(members: ([string, number] | string)[], texts?: Record<string, string>): Record<string, number | string> {
  return Object.fromEntries(
    members.map((member) => (typeof member === "string" ? [member, texts?.[member] ?? member] : member)),
  );
}

/** Turns JSON into what a program would pass, as far as the type asks for it; anything else stays as it is. */
export function hostValue(text: string, value: unknown): unknown {
  const { name, parts } = parse(text);
  const [first = "", second = ""] = parts;
  const wide = ["int", "varint64", "var_uint64", "int64", "uint64"].includes(name);
  if (typeof value === "string" && value.startsWith("@")) return BigInt(value.slice(1));
  if (wide && typeof value === "number" && Number.isInteger(value)) return BigInt(value);
  if (name === "list" && Array.isArray(value)) return value.map((item) => hostValue(first, item));
  if (name === "set" && Array.isArray(value)) return new Set(value.map((item) => hostValue(first, item)));
  if (name === "map" && typeof value === "object" && value !== null && !Array.isArray(value)) {
    const key = (of: string): unknown => (/^-?\d+$/.test(of) ? hostValue(first, Number(of)) : of);
    return new Map(Object.entries(value).map(([of, item]) => [key(of), hostValue(second, item)]));
  }
  return value;
}

/** Compiles a service as the package does at first use. */
export async function compiled(service: ServiceDefinition<object>): Promise<Compiled> {
  const load = (file: string): Promise<Record<string, (...of: unknown[]) => unknown>> => import(`${root}ts/dist/${file}.js`);
  const { engine } = await load("engine");
  const { planOf } = await load("plans");
  const { requireService } = await load("services");
  const { native } = engine?.() as { native: unknown };
  return (planOf?.(native, requireService?.(service)) as { codec: Compiled }).codec;
}
