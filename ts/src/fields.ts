/** Field helpers: the table of a wire type (`node-api.md` section 3). */
import type { WireClass } from "./messages.js";

/** What every helper takes beside its own options. */
export interface FieldOptions<T> {
  /** Contract name; default: the property name. */
  name?: string;
  /** Value of a record that leaves the field out. */
  default?: T;
  description?: string;
  tags?: readonly string[];
  deprecated?: boolean;
}

/** The contract type of a field and how JavaScript holds it. */
export type Shape =
  | { kind: "scalar"; text: string; form: string; zero: () => unknown }
  | { kind: "enum"; tag: string; members: ReadonlyMap<string, number | string> }
  | { kind: "list" | "optional"; item: Shape }
  /** `loose`: what looks alike may be written as well, an array or an object. */
  | { kind: "set"; item: Shape; loose?: boolean }
  | { kind: "map"; key: Shape; value: Shape; record: boolean; loose?: boolean }
  | { kind: "message"; resolve: () => WireClass }
  | { kind: "self" };

/** A field of type `T` in a table; made by the helpers of {@link f}. */
export class Field<T> {
  /** @internal */
  readonly helper: string;
  /** @internal */
  readonly shape: Shape;
  /** @internal */
  readonly options: FieldOptions<unknown>;
  /** Only for the compiler. */
  declare protected readonly type: T;

  /** @internal */
  constructor(helper: string, shape: Shape, options: FieldOptions<unknown> = {}) {
    this.helper = `f.${helper}`;
    this.shape = shape;
    this.options = options;
  }
}

/** A field by its helper, or a wire class. */
export type FieldLike = Field<unknown> | WireClass;
/** The table of a wire type. */
export type Fields = Record<string, FieldLike>;
/** The value that a field holds. */
export type ValueOf<F> = F extends Field<infer T> ? T : F extends new () => infer T ? T : never;
/** The record that a table describes. */
export type Infer<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> };

/** Returns the shape of a field or class. */
export function shapeOf(field: FieldLike, helper: string): Shape {
  if (field instanceof Field) return field.shape;
  if (typeof field === "function") return { kind: "message", resolve: () => field };
  throw new TypeError(`${helper}: expected a field helper or a wire class`);
}

function scalar<T>(helper: string, text: string, zero: () => T, form = ""): (options?: FieldOptions<T>) => Field<T> {
  return (options) => new Field<T>(helper, { kind: "scalar", text, form, zero }, options);
}

/** A helper whose values are bigint, or safe integers on request. */
function wide(helper: string, text: string) {
  return <A extends "bigint" | "number" = "bigint">(
    options: FieldOptions<Wide<A>> & { as?: A } = {},
  ): Field<Wide<A>> => {
    const form = choice(helper, options.as ?? "bigint", ["bigint", "number"]) === "bigint" ? "bigint" : "";
    return new Field(helper, { kind: "scalar", text, form, zero: () => (form ? 0n : 0) }, options);
  };
}

type Wide<A> = A extends "number" ? number : bigint;
type Timestamp<A> = A extends "micros" ? bigint : Date;
type Duration<A> = A extends "micros" ? bigint : number;

function choice(helper: string, value: string, choices: readonly string[]): string {
  if (choices.includes(value)) return value;
  throw new TypeError(`f.${helper}: unknown form '${value}'`);
}

function timestamp<A extends "micros" | undefined = undefined>(
  options: FieldOptions<Timestamp<A>> & { as?: A; round?: boolean } = {},
): Field<Timestamp<A>> {
  if (options.as !== undefined) choice("timestamp", options.as, ["micros"]);
  const micros = options.as === "micros";
  const form = micros ? "micros" : options.round ? "rounded" : "";
  const zero = () => (micros ? 0n : new Date(0));
  return new Field("timestamp", { kind: "scalar", text: "timestamp", form, zero }, options);
}

function duration<A extends "micros" | undefined = undefined>(
  options: FieldOptions<Duration<A>> & { as?: A } = {},
): Field<Duration<A>> {
  if (options.as !== undefined) choice("duration", options.as, ["micros"]);
  const micros = options.as === "micros";
  const zero = () => (micros ? 0n : 0);
  return new Field("duration", { kind: "scalar", text: "duration", form: micros ? "micros" : "", zero }, options);
}

/** The members of an enum: those of a numeric TypeScript enum also have entries from value to name. */
function members(tag: string, of: Record<string, number | string>): ReadonlyMap<string, number | string> {
  const out = new Map<string, number | string>();
  for (const [name, value] of Object.entries(of)) {
    const reverse = /^-?\d+$/.test(name) && typeof value === "string" && of[value] === Number(name);
    if (!reverse) out.set(name, value);
  }
  const kinds = new Set([...out.values()].map((value) => typeof value));
  if (out.size === 0 || kinds.size !== 1 || ![...kinds].every((kind) => kind === "number" || kind === "string")) {
    throw new TypeError(`f.enum("${tag}"): expected members that are all numbers or all strings`);
  }
  return out;
}

/** The helpers of field tables. */
export const f = {
  string: scalar("string", "string", () => ""),
  bool: scalar("bool", "bool", () => false),
  /** Safe integers, both ways. */
  int: scalar("int", "varint64", () => 0),
  int64: wide("int64", "varint64"),
  uint64: wide("uint64", "var_uint64"),
  int8: scalar("int8", "int8", () => 0),
  int16: scalar("int16", "int16", () => 0),
  int32: scalar("int32", "varint32", () => 0),
  uint8: scalar("uint8", "uint8", () => 0),
  uint16: scalar("uint16", "uint16", () => 0),
  uint32: scalar("uint32", "var_uint32", () => 0),
  fixedInt32: scalar("fixedInt32", "int32", () => 0),
  fixedInt64: wide("fixedInt64", "int64"),
  fixedUint32: scalar("fixedUint32", "uint32", () => 0),
  fixedUint64: wide("fixedUint64", "uint64"),
  float: scalar("float", "float64", () => 0),
  float64: scalar("float64", "float64", () => 0),
  /** Refuses values that four bytes would change. */
  float32: scalar("float32", "float32", () => 0),
  bytes: scalar<Uint8Array>("bytes", "binary", () => new Uint8Array()),
  timestamp,
  /** Text, `YYYY-MM-DD`. */
  date: scalar("date", "date", () => "1970-01-01"),
  /** Milliseconds, or microseconds as bigint. */
  duration,
  /** Text, such as `"123.4500"`. */
  decimal: scalar("decimal", "decimal", () => "0"),
  /** Text in lower case. */
  uuid: scalar("uuid", "uuid", () => "00000000-0000-0000-0000-000000000000", "uuid"),

  enum<E extends Record<string, number | string>>(
    tag: string,
    of: E,
    options?: FieldOptions<E[keyof E]>,
  ): Field<E[keyof E]> {
    return new Field("enum", { kind: "enum", tag, members: members(tag, of) }, options);
  },
  list<F extends FieldLike>(item: F, options?: FieldOptions<ValueOf<F>[]>): Field<ValueOf<F>[]> {
    return new Field("list", { kind: "list", item: shapeOf(item, "f.list") }, options);
  },
  set<F extends FieldLike>(item: F, options?: FieldOptions<Set<ValueOf<F>>>): Field<Set<ValueOf<F>>> {
    return new Field("set", { kind: "set", item: shapeOf(item, "f.set") }, options);
  },
  map<K extends FieldLike, V extends FieldLike>(
    key: K,
    value: V,
    options?: FieldOptions<Map<ValueOf<K>, ValueOf<V>>>,
  ): Field<Map<ValueOf<K>, ValueOf<V>>> {
    const shape: Shape = { kind: "map", key: shapeOf(key, "f.map"), value: shapeOf(value, "f.map"), record: false };
    return new Field("map", shape, options);
  },
  /** An object with string keys; those that are read have no prototype. */
  record<V extends FieldLike>(
    value: V,
    options?: FieldOptions<Record<string, ValueOf<V>>>,
  ): Field<Record<string, ValueOf<V>>> {
    const shape: Shape = { kind: "map", key: f.string().shape, value: shapeOf(value, "f.record"), record: true };
    return new Field("record", shape, options);
  },
  optional<F extends FieldLike>(item: F, options?: FieldOptions<ValueOf<F> | null>): Field<ValueOf<F> | null> {
    const shape = shapeOf(item, "f.optional");
    return new Field("optional", shape.kind === "optional" ? shape : { kind: "optional", item: shape }, options);
  },
  ref<C extends WireClass>(type: C, options?: FieldOptions<InstanceType<C>>): Field<InstanceType<C>> {
    if (typeof type !== "function") throw new TypeError("f.ref: expected a wire class; use f.lazy for one declared below");
    return new Field("ref", { kind: "message", resolve: () => type }, options);
  },
  /** A class that is declared further below. */
  lazy<C extends WireClass>(type: () => C, options?: FieldOptions<InstanceType<C>>): Field<InstanceType<C>> {
    return new Field("lazy", { kind: "message", resolve: type }, options);
  },
  /** The class that the table belongs to. */
  self(options?: FieldOptions<object>): Field<object> {
    return new Field("self", { kind: "self" }, options);
  },
};
