/** Wire types: classes with a tag and a field table (`node-api.md` section 3). */
import { Field, type FieldLike, type FieldOptions, type Fields, type Infer, type Shape, shapeOf } from "./fields.js";
import { compile } from "./tape.js";

/** A class whose instances travel: constructed without arguments when a value is read. */
export type WireClass<T extends object = object> = new () => T;

/** Documentation; never part of a contract id. */
export interface Metadata {
  description?: string;
  tags?: readonly string[];
  deprecated?: boolean;
}

/** Options of a wire type. */
export interface WireTypeOptions {
  /** How property names become contract names. */
  names?: "as-is" | "snake_case";
  /** Documentation of the type. */
  metadata?: Metadata;
}

/** A field as it was declared. */
export interface FieldInfo {
  readonly property: string;
  readonly helper: string;
  readonly shape: Shape;
  readonly options: FieldOptions<unknown>;
}

/** A wire type as it was declared. */
export interface WireInfo {
  readonly tag: string;
  readonly fields: readonly FieldInfo[];
  readonly snakeCase: boolean;
  readonly metadata: Metadata;
}

const wireTypes = new WeakMap<object, WireInfo>();

/** Returns the declaration of a class or of the class it extends. */
export function wireInfo(type: unknown): WireInfo | undefined {
  for (let at = type; typeof at === "function"; at = Object.getPrototypeOf(at)) {
    const info = wireTypes.get(at);
    if (info) return info;
  }
  return undefined;
}

/** Reads a field table. */
export function fieldTable(where: string, fields: Fields): FieldInfo[] {
  return Object.entries(fields).map(([property, field]) => {
    if (property === "__proto__") throw new TypeError(`${where}: '__proto__' cannot be a field`);
    const shape = shapeOf(field as FieldLike, `${where}.${property}`);
    const own = field instanceof Field;
    return { property, shape, helper: own ? field.helper : "f.ref", options: own ? field.options : {} };
  });
}

/** Reads a field table with its options. */
export function tableOf(where: string, fields: Fields | undefined, options: WireTypeOptions = {}): Omit<WireInfo, "tag"> {
  if (typeof fields !== "object" || fields === null) throw new TypeError(`${where}: expected a field table`);
  const { names = "as-is", metadata = {} } = options;
  if (names !== "as-is" && names !== "snake_case") throw new TypeError(`${where}: unknown names '${names}'`);
  if (typeof metadata !== "object" || metadata === null) throw new TypeError(`${where}: expected metadata as an object`);
  return { fields: fieldTable(where, fields), snakeCase: names === "snake_case", metadata };
}

function declare(tag: string, fields: Fields | undefined, options?: WireTypeOptions): WireInfo {
  if (typeof tag !== "string" || tag === "") throw new TypeError("WireType: expected a tag");
  return { tag, ...tableOf(`WireType("${tag}")`, fields, options) };
}

/** Registers a class that the package made. */
export function registerClass(type: WireClass, info: WireInfo): void {
  wireTypes.set(type, info);
}

/** Makes a class travel: as decorator of either kind, or called with the class. */
export function WireType<F extends Fields>(
  tag: string,
  fields: F,
  options?: WireTypeOptions,
): <C extends WireClass<Infer<F>>>(type: C, context?: ClassDecoratorContext<C>) => C {
  const info = declare(tag, fields, options);
  return (type) => {
    if (typeof type !== "function") throw new TypeError(`WireType("${tag}") can only be applied to classes`);
    wireTypes.set(type, info);
    return type;
  };
}

/** Makes a base class from a table; its fields start from their defaults, else from zero values. */
export function wireType<F extends Fields>(
  tag: string,
  fields: F,
  options?: WireTypeOptions,
): new (init?: Partial<Infer<F>>) => Infer<F> {
  const info = declare(tag, fields, options);
  const Base = makeClass(info);
  registerClass(Base, info);
  return Base as unknown as new (init?: Partial<Infer<F>>) => Infer<F>;
}

/** Makes a class from a declaration. */
export function makeClass(info: WireInfo): WireClass {
  const known = new Set(info.fields.map((field) => field.property));
  const assign = (self: object, init: object, name: string): void => {
    for (const [property, value] of Object.entries(init)) {
      if (!known.has(property)) throw new TypeError(`${name || info.tag}: unknown field '${property}'`);
      if (value !== undefined) (self as Record<string, unknown>)[property] = value;
    }
  };
  return compiledClass(info, assign) ?? plainClass(info, assign);
}

type Assign = (self: object, init: object, name: string) => void;

function plainClass(info: WireInfo, assign: Assign): WireClass {
  return class {
    constructor(init?: object) {
      const self = this as Record<string, unknown>;
      for (const field of info.fields) self[field.property] = initial(field);
      if (init !== undefined && init !== null) assign(this, init, new.target.name);
    }
  };
}

/** The same with each field by its name, which is many times as fast: every value that is read starts here. */
function compiledClass(info: WireInfo, assign: Assign): WireClass | undefined {
  const makers = info.fields.map((field) => () => initial(field));
  const sets = info.fields.map((field, at) => `this[${JSON.stringify(field.property)}]=${literal(field) ?? `m${at}()`};`);
  const body = `return class{constructor(i){${sets.join("")}if(i!==undefined&&i!==null)assign(this,i,new.target.name)}}`;
  const names = makers.map((_, at) => `m${at}`);
  return compile(["assign", ...names], [assign, ...makers], body) as WireClass | undefined;
}

/** Returns the initial value of a field as text, if it is the same each time and has one. */
function literal({ options, shape }: FieldInfo): string | undefined {
  if (options.default === undefined && shape.kind === "list") return "[]";
  const zeroed = shape.kind === "scalar" ? shape.zero() : shape.kind === "optional" ? null : undefined;
  const value = options.default === undefined ? zeroed : options.default;
  if (value === null || typeof value === "string" || typeof value === "boolean") return JSON.stringify(value);
  return typeof value === "number" && Number.isFinite(value) && !Object.is(value, -0) ? String(value) : undefined;
}

function initial(field: FieldInfo): unknown {
  const declared = field.options.default;
  return declared === undefined ? zero(field.shape) : fresh(declared);
}

/** Containers are copied, so that instances do not share them. */
function fresh(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice();
  if (value instanceof Map) return new Map(value);
  if (value instanceof Set) return new Set(value);
  if (value instanceof Date) return new Date(value);
  if (value instanceof Uint8Array) return value.slice();
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) return { ...value };
  return value;
}

function zero(shape: Shape): unknown {
  switch (shape.kind) {
    case "scalar":
      return shape.zero();
    case "enum":
      return shape.members.values().next().value;
    case "list":
      return [];
    case "set":
      return new Set();
    case "map":
      return shape.record ? {} : new Map();
    case "optional":
      return null;
    case "message":
      return new (shape.resolve())();
    // There is no smallest value of a class that contains itself: the field is required.
    case "self":
      return undefined;
  }
}
