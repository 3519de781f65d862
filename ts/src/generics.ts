/** Generic wire types: one class per argument list, under the flattened name (`node-api.md` section 3). */
import { type Field, type FieldLike, type Fields, type Infer, type Shape, type ValueOf, shapeOf } from "./fields.js";
import { type WireClass, type WireTypeOptions, makeClass, registerClass, tableOf, wireInfo } from "./messages.js";
import { native } from "./native.js";

/** Stands for the type argument at a position while a table is typed. */
declare const HOLE: unique symbol;
export interface TypeParameter<At extends number> {
  readonly [HOLE]: At;
}

type Parameters9 = [
  Field<TypeParameter<0>>,
  Field<TypeParameter<1>>,
  Field<TypeParameter<2>>,
  Field<TypeParameter<3>>,
  Field<TypeParameter<4>>,
  Field<TypeParameter<5>>,
  Field<TypeParameter<6>>,
  Field<TypeParameter<7>>,
  Field<TypeParameter<8>>,
];

/** A type with the arguments `A` in place of the parameters. */
export type Filled<T, A extends readonly FieldLike[]> = T extends TypeParameter<infer At>
  ? ValueOf<A[At]>
  : T extends (infer Item)[]
    ? Filled<Item, A>[]
    : T extends Set<infer Item>
      ? Set<Filled<Item, A>>
      : T extends Map<infer Key, infer Value>
        ? Map<Filled<Key, A>, Filled<Value, A>>
        : T extends object
          ? string extends keyof T
            ? { [K in keyof T]: Filled<T[K], A> }
            : T
          : T;

/** The record that a generic table describes for arguments. */
export type Applied<F extends Fields, A extends readonly FieldLike[]> = { -readonly [K in keyof Infer<F>]: Filled<Infer<F>[K], A> };

/** A generic wire type: called with its arguments it gives a class, the same one each time. */
export type WireGeneric<F extends Fields> = <A extends [FieldLike, ...FieldLike[]]>(
  ...types: A
) => new (init?: Partial<Applied<F, A>>) => Applied<F, A>;

/**
 * Declares a generic wire type; `table` gets a field per type argument.
 *
 * The tag of `Page(Item)` is the flattened name: tag, `_`, and a part per argument, such as `ns/Page_Item`.
 */
export function wireGeneric<F extends Fields>(
  tag: string,
  table: (...types: Parameters9) => F,
  options?: WireTypeOptions,
): WireGeneric<F> {
  if (typeof tag !== "string" || tag === "") throw new TypeError("wireGeneric: expected a tag");
  if (typeof table !== "function") throw new TypeError(`wireGeneric("${tag}"): expected a function that makes a field table`);
  const where = `wireGeneric("${tag}")`;
  const classes = new Map<string, WireClass>();
  return ((...types: FieldLike[]) => {
    if (types.length === 0 || types.length < table.length) {
      throw new TypeError(`${where}: expected ${table.length || 1} type argument(s), got ${types.length}`);
    }
    const shapes = types.map((type) => shapeOf(type, where));
    const key = shapes.map((shape) => identity(where, shape)).join();
    let type = classes.get(key);
    if (!type) {
      type = flattened(where, tag, shapes, table(...(types as unknown as Parameters9)), options);
      classes.set(key, type);
    }
    return type;
  }) as unknown as WireGeneric<F>;
}

function flattened(where: string, base: string, shapes: Shape[], fields: Fields, options?: WireTypeOptions): WireClass {
  let name: string | undefined;
  const info = {
    ...tableOf(where, fields, options),
    // The name is core's, and asked for at first use only: declaring loads nothing.
    get tag(): string {
      return (name ??= native().flattenedName(base, shapes.map((shape) => textOf(where, shape))));
    },
  };
  const type = makeClass(info);
  Object.defineProperty(type, "name", { get: () => info.tag.slice(info.tag.lastIndexOf("/") + 1), configurable: true });
  registerClass(type, info);
  return type;
}

/** Numbers of classes and enum objects, by which arguments are told apart. */
const numbers = new WeakMap<object, number>();
let count = 0;

function numberOf(of: object): number {
  const known = numbers.get(of) ?? ++count;
  numbers.set(of, known);
  return known;
}

/** Returns a text that is equal for arguments that mean the same type in JavaScript. */
function identity(where: string, shape: Shape): string {
  switch (shape.kind) {
    case "scalar":
      return `${shape.text}:${shape.form}`;
    case "enum":
      return `enum:${JSON.stringify([shape.tag, ...shape.members])}`;
    case "message":
      return `class:${numberOf(argumentClass(where, shape))}`;
    case "map":
      return `${shape.record ? "record" : "map"}<${identity(where, shape.key)},${identity(where, shape.value)}>`;
    case "self":
      throw new TypeError(`${where}: f.self() cannot be a type argument; use f.lazy(() => ...) around the whole type`);
    default:
      return `${shape.kind}<${identity(where, shape.item)}>`;
  }
}

function argumentClass(where: string, shape: Extract<Shape, { kind: "message" }>): WireClass {
  let type: WireClass | undefined;
  try {
    type = shape.resolve();
  } catch (error) {
    throw new TypeError(`${where}: a class is not declared yet; use f.lazy(() => ...) around the whole type`, { cause: error });
  }
  if (!wireInfo(type)) throw new TypeError(`${where}: ${type?.name ?? String(type)} is not @WireType-decorated`);
  return type;
}

/** Returns the type text of an argument. */
function textOf(where: string, shape: Shape): string {
  switch (shape.kind) {
    case "scalar":
      return shape.text;
    case "enum":
      return shape.tag;
    case "message":
      return wireInfo(argumentClass(where, shape))?.tag ?? "";
    case "map":
      return `map<${textOf(where, shape.key)},${textOf(where, shape.value)}>`;
    case "optional":
      return `${textOf(where, shape.item)}?`;
    case "self":
      return "";
    default:
      return `${shape.kind}<${textOf(where, shape.item)}>`;
  }
}
