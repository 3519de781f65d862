/** Types of a service description as shapes, for programs that have no classes (`contract.md` sections 3 and 7). */
import { type Shape, f } from "./fields.js";
import { type WireClass, registerClass } from "./messages.js";
import { native } from "./native.js";
import { AsterError, messageOf } from "./rpc-error.js";
import type { RpcPattern, RpcScope } from "./services.js";

/** A field as a description has it. */
export interface DescribedField {
  name: string;
  type: string;
  default?: unknown;
  /** Its default is computed by the program that declared it. */
  factory?: boolean;
  description?: string;
  tags?: string[];
}

/** A message or an enum. */
export type DescribedType =
  | { fields: DescribedField[]; enum?: undefined }
  | { enum: ([name: string, value: number] | string)[]; texts?: Record<string, string>; fields?: undefined };

/** A method. */
export interface DescribedMethod {
  name: string;
  pattern: RpcPattern;
  request: string;
  response: string;
  timeout_s?: number | null;
  idempotent?: boolean;
}

/** A service. */
export interface Described {
  service: string;
  version: number;
  scoped?: RpcScope;
  methods: DescribedMethod[];
  types: Record<string, DescribedType>;
}

/** How 64-bit integers are held: as number where that is exact, else as bigint; or always as bigint. */
export type Int64 = "auto" | "bigint";

/** A type text as core parses it: a name, or a kind and its parts. */
type Tree = string | [kind: "list" | "set" | "optional", item: Tree] | [kind: "map", key: Tree, value: Tree];

type Scalar = Extract<Shape, { kind: "scalar" }>;

/** Scalars by their contract type. */
const SCALARS: ReadonlyMap<string, Scalar> = new Map(
  [
    ...[f.string(), f.bool(), f.int8(), f.int16(), f.int32(), f.uint8(), f.uint16(), f.uint32(), f.fixedInt32()],
    ...[f.fixedUint32(), f.int64(), f.uint64(), f.fixedInt64(), f.fixedUint64(), f.float64(), f.float32(), f.bytes()],
    ...[f.timestamp({ round: true }), f.date(), f.duration(), f.decimal()],
  ].map(({ shape }) => [(shape as Scalar).text, shape as Scalar]),
);

/** Verifies a manifest; returns the description that it stands for, as text and parsed. */
export function describedBy(manifest: string): [text: string, described: Described] {
  const text = refusing(() => native().descriptionOfManifest(manifest));
  return [text, JSON.parse(text) as Described];
}

/** Runs what core refuses with an error about a contract. */
export function refusing<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    const cause = new AsterError(messageOf(error), { kind: "contract" });
    throw new TypeError(cause.message, { cause });
  }
}

/** Makes the shapes of types; what named types are is told by the caller. */
export class Shapes {
  readonly #int64: Int64;
  readonly #named: (tag: string) => Shape;
  /** By text: many fields have the same type. */
  readonly #known = new Map<string, Shape>();

  constructor(int64: Int64, named: (tag: string) => Shape) {
    this.#int64 = int64;
    this.#named = named;
  }

  /** Returns the shape of a type text. */
  of(text: string): Shape {
    let shape = this.#known.get(text);
    if (!shape) {
      shape = this.#shape(JSON.parse(refusing(() => native().typeTree(text))) as Tree);
      this.#known.set(text, shape);
    }
    return shape;
  }

  #shape(tree: Tree): Shape {
    if (typeof tree === "string") return this.#scalar(tree) ?? this.#named(tree);
    const [kind] = tree;
    if (kind !== "map") {
      const item = this.#shape(tree[1]);
      return kind === "set" ? { kind, item, loose: true } : { kind, item };
    }
    const key = this.#shape(tree[1]);
    // Members of enums may be texts as well, but those of typed enums may also be numbers.
    const record = key.kind === "scalar" ? key.text === "string" : key.kind === "enum" && textual(key);
    return { kind, key, value: this.#shape(tree[2]), record, loose: true };
  }

  #scalar(text: string): Shape | undefined {
    const shape = SCALARS.get(text);
    if (shape?.form !== "bigint") return shape;
    const form = integerForm(this.#int64);
    return { ...shape, form, zero: () => (form === "auto" ? 0 : 0n) };
  }
}

function textual(shape: Extract<Shape, { kind: "enum" }>): boolean {
  return [...shape.members.values()].every((value) => typeof value === "string");
}

/** Returns how core is to hold the values of a shape: see `HostTypes::new` of the native library. */
export type Form = string | [string, ...Form[]];

/** Returns the form of a shape. */
export function formOf(shape: Shape): Form {
  switch (shape.kind) {
    case "scalar":
      return coreForm(shape.form);
    case "optional":
      return formOf(shape.item);
    case "list":
    case "set":
      return ["", formOf(shape.item)];
    case "map":
      return ["", formOf(shape.key), formOf(shape.value)];
    default:
      return "";
  }
}

/** Returns the form of integers that may be written as number or bigint. */
export function integerForm(int64: Int64): string {
  return int64 === "bigint" ? "wide" : "auto";
}

/** What may be a number or a bigint here crosses as bigint. */
export function coreForm(form: string): string {
  return form === "auto" || form === "wide" ? "bigint" : form;
}

/** Makes the class of a message that is a plain object, under the names of its contract. */
export function plainClass(tag: string, fields: readonly DescribedField[]): WireClass {
  // Assigning `__proto__` is harmless where nothing is inherited.
  const inherits = fields.every((field) => field.name !== "__proto__");
  const type = class {
    constructor() {
      return inherits ? {} : (Object.create(null) as object);
    }
  };
  registerClass(type, { tag, fields: [], snakeCase: false, metadata: {} });
  return type;
}
