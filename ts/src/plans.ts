/** Service descriptions: what was declared, as the JSON that core compiles (`contract.md` sections 3 and 6). */
import { Codec, type MessageShape } from "./codec.js";
import { type Form, coreForm } from "./described.js";
import type { Field, Shape } from "./fields.js";
import { type FieldInfo, type Metadata, type WireClass, type WireInfo, registerClass, wireInfo } from "./messages.js";
import { type NativeEngine, type NativePlan, native } from "./native.js";
import type { MethodInfo, Payload, ServiceInfo } from "./services.js";
import { messageOf } from "./rpc-error.js";
import type { Write } from "./tape.js";

/** A compiled service. */
export interface Plan {
  readonly info: ServiceInfo;
  readonly native: NativePlan;
  readonly codec: Codec;
  /** What was compiled, in the form of core. */
  readonly description: string;
  /** The methods in declared order. */
  readonly methods: readonly MethodPlan[];
}

/** Property and wire name of a method, and how its values are written. */
export interface MethodPlan {
  readonly property: string;
  readonly name: string;
  readonly info: MethodInfo;
  readonly request: Write;
  readonly response: Write;
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

/** A method of a description, with the names of its types. */
interface DeclaredMethod extends Record<string, unknown> {
  readonly request: string;
  readonly response: string;
}

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
    const declared = methods.map(({ name, info }) => this.#method(name, info));
    this.#follow();
    this.#findDefaults(engine, declared);
    const { native, codec, description } = this.#build(engine, declared, []);
    const plans = methods.map((method, at) => {
      const { request, response } = declared[at] as DeclaredMethod;
      return { ...method, request: codec.writer(request), response: codec.writer(response) };
    });
    return { info: this.#info, native, codec, description, methods: plans };
  }

  #where(detail: string): string {
    return `service '${this.#info.name}': ${detail}`;
  }

  #method(name: string, info: MethodInfo): DeclaredMethod {
    const response = this.#root(`method '${name}': response`, info.response);
    const request = info.params
      ? this.#parameters(name, info.params, response)
      : this.#root(`method '${name}': request`, info.request as Payload);
    return {
      name,
      pattern: info.pattern,
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
        return [shape.text, coreForm(shape.form)];
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
    const scratch = found.map(({ message, at, tag }) => {
      const field = message.fields[at] as Message["fields"][number];
      return { tag, field, self: message.info.tag };
    });
    const { codec } = this.#build(engine, methods, scratch);
    for (const { message, at, value, tag } of found) {
      const bytes = codec.encode(tag, true, { value });
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
    scratch: readonly { tag: string; field: Message["fields"][number]; self: string }[],
  ): { native: NativePlan; codec: Codec; description: string } {
    const types: string[] = [];
    const forms: Record<string, Form[]> = {};
    const messages: MessageShape[] = [];
    for (const [tag, { type, fields, defaults }] of this.#messages) {
      const texts = fields.map(({ name, text, info }, at) => {
        const field = JSON.stringify({ name, type: text, ...docs(info.options) });
        return defaults[at] === undefined ? field : `${field.slice(0, -1)},"default":${defaults[at]}}`;
      });
      types.push(`${JSON.stringify(tag)}:{"fields":[${texts.join(",")}]}`);
      forms[tag] = fields.map((field) => field.form);
      const [properties, shapes] = [fields.map(({ info }) => info.property), fields.map(({ info }) => info.shape)];
      messages.push({ tag, type, properties, shapes });
    }
    for (const { tag, field, self } of scratch) {
      types.push(`${JSON.stringify(tag)}:{"fields":[${JSON.stringify({ name: "value", type: field.text })}]}`);
      forms[tag] = [field.form];
      messages.push({ tag, type: Object, properties: ["value"], shapes: [field.info.shape], self });
    }
    for (const [tag, { members }] of this.#enums) {
      const named = [...members.values()].some((value) => typeof value === "string");
      const declared = named ? { enum: [...members.keys()], texts: Object.fromEntries(members) } : { enum: [...members] };
      types.push(`${JSON.stringify(tag)}:${JSON.stringify(declared)}`);
    }
    const codec = new Codec(messages);
    const declared = JSON.stringify({ messages: messages.map(({ tag }) => tag), forms });
    const description = this.#text(methods, types);
    const plan = engine.plan(description, declared, codec.build);
    if (plan instanceof Error) throw plan;
    codec.join(plan);
    return { native: plan, codec, description };
  }

  #text(methods: object[], types: string[]): string {
    const { name, version, scope, modes, producerLanguage, requires, public: open, metadata } = this.#info;
    const head = JSON.stringify({
      service: name,
      version,
      scoped: scope,
      serialization_modes: modes,
      producer_language: modes?.includes("native") ? (producerLanguage ?? "typescript") : undefined,
      requires,
      public: open,
      methods,
      ...docs(metadata),
    });
    return `${head.slice(0, -1)},"types":{${types.join(",")}}}`;
  }
}
