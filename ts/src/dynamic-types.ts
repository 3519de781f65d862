/** Wire types made at run time from a contract (`node-api.md` section 10). */
import { Codec, type MessageShape } from "./codec.js";
import { type DescribedField, type DescribedType, type Int64, Shapes, describedBy, formOf, plainClass } from "./described.js";
import { checked, engine } from "./engine.js";
import type { Shape } from "./fields.js";
import { type FieldInfo, type WireClass, makeClass, registerClass } from "./messages.js";
import { jsonOf, parseJson } from "./untyped.js";

/** The members of an enum: numbers, or texts. */
export type DynamicEnum = Readonly<Record<string, number | string>>;

/** Options of a {@link DynamicTypeFactory}. */
export interface DynamicTypeOptions {
  /** 64-bit integers: `"auto"`, number where that is exact, else bigint (the default); or always bigint. */
  int64?: Int64;
}

type Named = { fields: readonly DescribedField[]; type: WireClass } | { members: DynamicEnum };

/**
 * Makes wire classes and enums from the `types` of a service description or manifest.
 *
 * Classes have the contract's names as properties and take a record of initial values. Fields start from declared
 * defaults, else from zero values; messages that are not optional have none and must be given. Throws a `TypeError` if
 * the types break a rule of contracts.
 */
export class DynamicTypeFactory {
  readonly #named = new Map<string, Named>();

  constructor(types: Readonly<Record<string, DescribedType>>, options: DynamicTypeOptions = {}) {
    const entries = Object.entries(types);
    for (const [tag, { enum: members, texts }] of entries as [string, Extract<DescribedType, { fields?: undefined }>][]) {
      if (members) this.#named.set(tag, { members: enumOf(members, texts) });
    }
    const { int64 = "auto" } = options;
    const messages = entries.filter((entry): entry is [string, { fields: DescribedField[] }] => entry[1].fields !== undefined);
    const defaults = this.#defaults(types, messages, int64);
    for (const [tag, { fields }] of messages) this.#declare(tag, fields, int64, defaults);
  }

  /**
   * Makes the types of a manifest, given as its text. Throws a `TypeError` if it does not have the contract id that it
   * claims.
   */
  static fromManifest(manifest: string, options?: DynamicTypeOptions): DynamicTypeFactory {
    const [text] = describedBy(manifest);
    // Defaults may be numbers that JavaScript would round.
    return new DynamicTypeFactory((parseJson(text) as { types: Record<string, DescribedType> }).types, options);
  }

  /** The classes of all messages by tag. */
  get classes(): ReadonlyMap<string, WireClass> {
    return new Map([...this.#named].flatMap(([tag, named]) => ("type" in named ? [[tag, named.type]] : [])));
  }

  /** The members of all enums by tag. */
  get enums(): ReadonlyMap<string, DynamicEnum> {
    return new Map([...this.#named].flatMap(([tag, named]) => ("members" in named ? [[tag, named.members]] : [])));
  }

  /** Returns the class of a message by its tag, `package/Name` or `package.Name`. Throws a `TypeError` if there is none. */
  get(tag: string): new (init?: object) => object {
    const slashed = tag.replace(/\.([^./]*)$/, "/$1");
    const found = this.#named.get(tag) ?? this.#named.get(slashed);
    if (!found || !("type" in found)) {
      throw new TypeError(`no message '${tag}' (there are: ${[...this.classes.keys()].sort().join(", ")})`);
    }
    return found.type;
  }

  #declare(tag: string, fields: readonly DescribedField[], int64: Int64, defaults: ReadonlyMap<DescribedField, unknown>): void {
    const shapes = new Shapes(int64, (name) => this.#shape(name));
    const infos = fields.map((field): FieldInfo => {
      const { name, description, tags } = field;
      // An own property of this name would be hard to make.
      const property = name === "__proto__" ? "__proto___" : name;
      const options = {
        name,
        ...(defaults.has(field) ? { default: defaults.get(field) } : {}),
        ...(description === undefined ? {} : { description }),
        ...(tags === undefined ? {} : { tags }),
      };
      return { property, helper: field.type, shape: shapes.of(field.type), options };
    });
    const info = { tag, fields: infos, snakeCase: false, metadata: {} };
    const type = makeClass({ ...info, fields: infos.map((field) => ({ ...field, shape: startOf(field.shape) })) });
    Object.defineProperty(type, "name", { value: tag.slice(tag.lastIndexOf("/") + 1), configurable: true });
    registerClass(type, info);
    this.#named.set(tag, { fields, type });
  }

  #shape(tag: string): Shape {
    const named = this.#named.get(tag);
    if (named && "members" in named) return { kind: "enum", tag, members: new Map(Object.entries(named.members)) };
    return { kind: "message", resolve: () => (this.#named.get(tag) as { type: WireClass }).type };
  }

  /**
   * Returns declared defaults as values. Core reads them: for each there is a message with one field of its type, which
   * is decoded from nothing.
   */
  #defaults(
    types: Readonly<Record<string, DescribedType>>,
    messages: readonly (readonly [string, { fields: DescribedField[] }])[],
    int64: Int64,
  ): ReadonlyMap<DescribedField, unknown> {
    const plain = new Map(messages.map(([tag, { fields }]) => [tag, plainClass(tag, fields)]));
    const shapes = new Shapes(int64, (tag) => {
      const type = plain.get(tag);
      return type ? { kind: "message", resolve: () => type } : this.#shape(tag);
    });
    const shaped = (tag: string, fields: readonly DescribedField[], type: WireClass): MessageShape => {
      return { tag, type, properties: fields.map(({ name }) => name), shapes: fields.map((field) => shapes.of(field.type)) };
    };
    const given = messages.flatMap(([, { fields }]) => fields.filter((field) => field.default !== undefined));
    const scratch = given.map((field, at): [string, DescribedField[]] => [`aster-default-${at}/Value`, [{ ...field, name: "value" }]]);
    const all = [
      ...messages.map(([tag, { fields }]) => shaped(tag, fields, plain.get(tag) as WireClass)),
      ...scratch.map(([tag, fields]) => shaped(tag, fields, Object)),
    ];
    const codec = new Codec(all);
    const more = Object.fromEntries(scratch.map(([tag, fields]) => [tag, { fields }]));
    const description = jsonOf({ service: "aster-dynamic", version: 1, methods: [], types: { ...types, ...more } });
    const forms = Object.fromEntries(all.map(({ tag, shapes: of }) => [tag, of.map(formOf)]));
    const declared = JSON.stringify({ messages: all.map(({ tag }) => tag), forms, plain: "wide" });
    codec.join(checked(engine().native.plan(description, declared, codec.build)));
    return new Map(given.map((field, at) => [field, ownOf(codec.decode(scratch[at]?.[0] as string, true, EMPTY))]));
  }
}

const EMPTY = Buffer.from("{}");

/** Returns the default in a decoded message. */
function ownOf(decoded: unknown): unknown {
  if (decoded instanceof Error) throw decoded;
  const { value } = decoded as { value: unknown };
  // A record without prototype would be shared by all instances.
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null ? { ...value } : value;
}

/** Returns the shape that a field starts from: a message that is not optional might contain itself, and has no start. */
function startOf(shape: Shape): Shape {
  return shape.kind === "message" ? { kind: "self" } : shape;
}

function enumOf(members: readonly ([string, number] | string)[], texts: Readonly<Record<string, string>> = {}): DynamicEnum {
  return Object.freeze(Object.fromEntries(members.map((one) => (typeof one === "string" ? [one, texts[one] ?? one] : one))));
}
