/** Service descriptions: what was declared, as the JSON that core compiles (`contract.md` sections 3 and 6). */
import type { Field, Shape } from "./fields.js";
import { recordFunctions } from "./host.js";
import { type FieldInfo, type Metadata, type WireClass, type WireInfo, registerClass, wireInfo } from "./messages.js";
import { type NativeEngine, type NativePlan, native } from "./native.js";
import type { MethodInfo, Payload, ServiceInfo } from "./services.js";
import { messageOf } from "./rpc-error.js";

/** A compiled service. */
export interface Plan {
  readonly info: ServiceInfo;
  readonly native: NativePlan;
  /** Property and wire name of each method, in declared order. */
  readonly methods: readonly { property: string; name: string; info: MethodInfo }[];
}

const plans = new WeakMap<ServiceInfo, Plan>();

/** Compiles a service, once. */
export function planOf(engine: NativeEngine, info: ServiceInfo): Plan {
  let plan = plans.get(info);
  if (!plan) {
    plan = new Description(info).compile(engine);
    plans.set(info, plan);
  }
  return plan;
}

type Form = string | [string, ...Form[]];

interface Message {
  readonly type: WireClass;
  readonly info: WireInfo;
  readonly fields: { name: string; text: string; form: Form; info: FieldInfo }[];
  /** JSON text of the defaults, by position. */
  readonly defaults: (string | undefined)[];
}

/** Texts of the bare scalars, by the contract type of the helper. */
const BARE = new Map([
  ["string", "string"],
  ["varint64", "int"],
  ["float64", "float"],
  ["bool", "bool"],
  ["binary", "bytes"],
]);

/** Returns documentation as members of a description. */
function docs({ description, tags, deprecated }: Metadata): object {
  return { description, tags, deprecated };
}

class Description {
  readonly #info: ServiceInfo;
  readonly #messages = new Map<string, Message>();
  readonly #enums = new Map<string, Extract<Shape, { kind: "enum" }>>();
  readonly #waiting: Message[] = [];

  constructor(info: ServiceInfo) {
    this.#info = info;
  }

  compile(engine: NativeEngine): Plan {
    const methods = [...this.#info.methods].map(([property, info]) => ({ property, name: info.name ?? property, info }));
    const declared = methods.map((method) => this.#method(method.name, method.info));
    this.#follow();
    this.#findDefaults(engine, declared);
    return { info: this.#info, native: this.#build(engine, declared, []), methods };
  }

  #where(detail: string): string {
    return `service '${this.#info.name}': ${detail}`;
  }

  #method(name: string, info: MethodInfo): object {
    const response = this.#root(`method '${name}': response`, info.response);
    const request = info.params
      ? this.#parameters(name, info.params, response)
      : this.#root(`method '${name}': request`, info.request as Payload);
    return {
      name,
      pattern: "unary",
      request,
      response,
      timeout_s: info.timeout === undefined ? undefined : info.timeout / 1000,
      idempotent: info.idempotent,
      requires: info.requires,
      request_style: info.params ? "inline" : undefined,
      ...docs(info.metadata ?? {}),
    };
  }

  #root(where: string, payload: Payload): string {
    if (typeof payload === "function") return this.#message(where, payload);
    const { shape, helper } = payload as Field<unknown>;
    if (shape.kind === "message") return this.#message(where, shape.resolve());
    const bare = shape.kind === "scalar" && shape.form === "" ? BARE.get(shape.text) : undefined;
    if (bare === undefined) throw new TypeError(this.#where(`${where}: ${helper} is neither a message nor a bare scalar`));
    return bare;
  }

  /** Makes the request class of a method that declares parameters. */
  #parameters(method: string, params: readonly FieldInfo[], response: string): string {
    const words = method.split("_").filter((word) => word !== "");
    const simple = `${words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join("")}Request`;
    const slash = response.lastIndexOf("/");
    const tag = slash < 0 ? simple : response.slice(0, slash + 1) + simple;
    const type = { [simple]: class {} }[simple] as WireClass;
    registerClass(type, { tag, fields: params, snakeCase: false, metadata: {} });
    return this.#message(`method '${method}': params`, type);
  }

  #message(where: string, type: WireClass): string {
    const info = wireInfo(type);
    if (!info) throw new TypeError(this.#where(`${where}: ${type?.name ?? String(type)} is not @WireType-decorated`));
    const known = this.#messages.get(info.tag);
    if (known && known.info !== info) {
      throw new TypeError(this.#where(`${where}: the tag '${info.tag}' belongs to ${known.type.name} and ${type.name}`));
    }
    if (!known) {
      const message: Message = { type, info, fields: [], defaults: [] };
      this.#messages.set(info.tag, message);
      this.#waiting.push(message);
    }
    return info.tag;
  }

  /** Reads the fields of every message that is reached. */
  #follow(): void {
    for (let message = this.#waiting.pop(); message; message = this.#waiting.pop()) {
      for (const info of message.info.fields) {
        const where = `${message.type.name}.${info.property} (${info.helper})`;
        const [text, form] = this.#type(where, message, info.shape);
        const snake = message.info.snakeCase ? native().wireName(info.property) : info.property;
        message.fields.push({ name: info.options.name ?? snake, text, form, info });
      }
    }
  }

  /** Returns the type text of a shape and how JavaScript holds its values. */
  #type(where: string, owner: Message, shape: Shape): [text: string, form: Form] {
    switch (shape.kind) {
      case "scalar":
        return [shape.text, shape.form];
      case "enum":
        return [this.#enum(where, shape), ""];
      case "self":
        return [owner.info.tag, ""];
      case "message":
        return [this.#message(where, shape.resolve()), ""];
      case "optional": {
        const [text, form] = this.#type(where, owner, shape.item);
        return [text.endsWith("?") ? text : `${text}?`, form];
      }
      case "list":
      case "set": {
        const [text, form] = this.#type(where, owner, shape.item);
        return [`${shape.kind}<${text}>`, ["", form]];
      }
      case "map": {
        const [key, keyForm] = this.#type(where, owner, shape.key);
        const [value, valueForm] = this.#type(where, owner, shape.value);
        return [`map<${key},${value}>`, [shape.record ? "record" : "", keyForm, valueForm]];
      }
    }
  }

  #enum(where: string, shape: Extract<Shape, { kind: "enum" }>): string {
    const known = this.#enums.get(shape.tag);
    const same = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
      a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
    if (known && !same(known.members, shape.members)) {
      throw new TypeError(this.#where(`${where}: the tag '${shape.tag}' has two sets of members`));
    }
    this.#enums.set(shape.tag, shape);
    return shape.tag;
  }

  /**
   * Writes defaults as JSON. Core does it: a first compilation has, for each default, a message with one field of
   * its type, which is encoded.
   */
  #findDefaults(engine: NativeEngine, methods: object[]): void {
    const found: { message: Message; at: number; value: unknown; tag: string }[] = [];
    for (const message of this.#messages.values()) {
      const initial = this.#instance(message.type);
      message.fields.forEach(({ info }, at) => {
        let value = info.options.default ?? initial[info.property];
        if (info.options.default === null) value = null;
        if (value === undefined) return;
        // Null is what an optional field is anyway; elsewhere it stands for "not set yet".
        if (value === null && info.options.default === undefined) return;
        found.push({ message, at, value, tag: `aster-default-${found.length}/Value` });
      });
    }
    if (found.length === 0) return;
    const scratch = found.map(({ message, at, tag }) => ({ tag, field: message.fields[at] as Message["fields"][number] }));
    const plan = this.#build(engine, methods, scratch);
    for (const { message, at, value, tag } of found) {
      const bytes = plan.encode(tag, true, { value });
      if (bytes instanceof Error) {
        const { info } = message.fields[at] as Message["fields"][number];
        const reason = bytes.message.replace(/^contract violation at \S+: /, "");
        const where = `${message.type.name}.${info.property} (${info.helper}): bad default: ${reason}`;
        throw new TypeError(this.#where(where), { cause: bytes });
      }
      const text = Buffer.from(bytes).toString();
      message.defaults[at] = text.slice('{"value":'.length, -1);
    }
  }

  #instance(type: WireClass): Record<string, unknown> {
    try {
      return new type() as Record<string, unknown>;
    } catch (error) {
      const where = `new ${type.name}() fails, but values are read so: ${messageOf(error)}`;
      throw new TypeError(this.#where(where), { cause: error });
    }
  }

  #build(
    engine: NativeEngine,
    methods: object[],
    scratch: readonly { tag: string; field: Message["fields"][number] }[],
  ): NativePlan {
    const types: string[] = [];
    const forms: Record<string, Form[]> = {};
    const functions: unknown[] = [];
    for (const [tag, { type, fields, defaults }] of this.#messages) {
      const texts = fields.map(({ name, text, info }, at) => {
        const field = JSON.stringify({ name, type: text, ...docs(info.options) });
        return defaults[at] === undefined ? field : `${field.slice(0, -1)},"default":${defaults[at]}}`;
      });
      types.push(`${JSON.stringify(tag)}:{"fields":[${texts.join(",")}]}`);
      forms[tag] = fields.map((field) => field.form);
      const properties = fields.map((field) => field.info.property);
      functions.push(tag, ...recordFunctions(type, properties));
    }
    for (const { tag, field } of scratch) {
      types.push(`${JSON.stringify(tag)}:{"fields":[${JSON.stringify({ name: "value", type: field.text })}]}`);
      forms[tag] = [field.form];
      functions.push(tag, ...recordFunctions(Object, ["value"]));
    }
    const enums: Record<string, Record<string, number | string>> = {};
    for (const [tag, { members }] of this.#enums) {
      enums[tag] = Object.fromEntries(members);
      const texts = [...members.values()].some((value) => typeof value === "string");
      const declared = texts ? { enum: [...members.keys()], texts: enums[tag] } : { enum: [...members] };
      types.push(`${JSON.stringify(tag)}:${JSON.stringify(declared)}`);
    }
    const plan = engine.plan(this.#text(methods, types), JSON.stringify({ forms, enums }), functions);
    if (plan instanceof Error) throw plan;
    return plan;
  }

  #text(methods: object[], types: string[]): string {
    const { name, version, modes, requires, public: open, metadata } = this.#info;
    const head = JSON.stringify({
      service: name,
      version,
      scoped: "shared",
      serialization_modes: modes,
      producer_language: modes?.includes("native") ? "typescript" : undefined,
      requires,
      public: open,
      methods,
      ...docs(metadata),
    });
    return `${head.slice(0, -1)},"types":{${types.join(",")}}}`;
  }
}
