/** Slots to JavaScript values (`node-api.md` section 3, "Decoding"). */
import type { Shape } from "./fields.js";
import { dateText } from "./host.js";
import type { WireClass } from "./messages.js";
import { NULL, compile, incoming as inn } from "./tape.js";

/** Reads the value of a slot that is not null. */
export type Read = (slot: number) => unknown;

/** A message with its class, and how its values are read. */
export interface Readable {
  readonly type: WireClass;
  readonly properties: readonly string[];
  readonly shapes: readonly Shape[];
  read: Read;
}

/** What readers need to know of their schema. */
export interface ReadContext {
  /** The message of a class, or of `self`. */
  message(shape: Shape, owner: Readable | undefined): Readable;
  /** Values of the members of an enum by position. */
  members(shape: Extract<Shape, { kind: "enum" }>): readonly unknown[];
}

/** Messages with more fields are read by a loop. */
const MOST_UNROLLED = 100;

const text: Read = (slot) => inn.string(slot);
const number: Read = (slot) => inn.F[slot];
const boolean: Read = (slot) => inn.U[2 * slot] === 1;
const signed: Read = (slot) => inn.B[inn.U[2 * slot] as number];
const unsigned: Read = (slot) => BigInt.asUintN(64, inn.B[inn.U[2 * slot] as number] as bigint);
const narrow = (read: Read): Read => (slot) => {
  const value = read(slot) as bigint;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
const date: Read = (slot) => new Date(inn.F[slot] as number);
const day: Read = (slot) => dateText(inn.F[slot] as number);
const bytes: Read = (slot) => inn.objects[inn.U[2 * slot] as number];

function scalar({ text: type, form }: Extract<Shape, { kind: "scalar" }>): Read {
  if (form === "micros") return signed;
  if (form === "bigint" || form === "wide") return type === "uint64" || type === "var_uint64" ? unsigned : signed;
  if (form === "auto") return narrow(scalar({ kind: "scalar", text: type, form: "bigint", zero: () => 0n }));
  switch (type) {
    case "string":
    case "uuid":
    case "decimal":
      return text;
    case "bool":
      return boolean;
    case "binary":
      return bytes;
    case "timestamp":
      return date;
    case "date":
      return day;
    default:
      return number;
  }
}

function elements(slot: number, read: Read): unknown[] {
  const { U } = inn;
  const at = U[2 * slot] as number;
  const length = U[2 * at] as number;
  const out: unknown[] = [];
  for (let index = at + 1; index <= at + length; index++) out.push(U[2 * index + 1] === NULL ? null : read(index));
  return out;
}

function entries(slot: number, put: (key: number, value: number, isNull: boolean) => void): void {
  const { U } = inn;
  const at = U[2 * slot] as number;
  const end = at + 1 + 2 * (U[2 * at] as number);
  for (let index = at + 1; index < end; index += 2) put(index, index + 1, U[2 * index + 3] === NULL);
}

/** Makes the reader of a type. */
export function reader(context: ReadContext, shape: Shape, owner?: Readable): Read {
  switch (shape.kind) {
    case "scalar":
      return scalar(shape);
    case "optional":
      return reader(context, shape.item, owner);
    case "enum": {
      const members = context.members(shape);
      return (slot) => members[inn.U[2 * slot] as number];
    }
    case "list": {
      const item = reader(context, shape.item, owner);
      return (slot) => elements(slot, item);
    }
    case "set": {
      const item = reader(context, shape.item, owner);
      return (slot) => new Set(elements(slot, item));
    }
    case "map": {
      const [key, item] = [reader(context, shape.key, owner), reader(context, shape.value, owner)];
      if (shape.record) {
        return (slot) => {
          const out = Object.create(null) as Record<string, unknown>;
          entries(slot, (at, value, isNull) => (out[key(at) as string] = isNull ? null : item(value)));
          return out;
        };
      }
      return (slot) => {
        const out = new Map<unknown, unknown>();
        entries(slot, (at, value, isNull) => out.set(key(at), isNull ? null : item(value)));
        return out;
      };
    }
    case "message":
    case "self": {
      const message = context.message(shape, owner);
      return (slot) => message.read(slot);
    }
  }
}

/** Makes the reader of a message: its parts first, then `new`, then the fields. */
export function recordReader(context: ReadContext, message: Readable): Read {
  const { type, properties, shapes } = message;
  const readers = shapes.map((shape) => reader(context, shape, message));
  const refused = (error: unknown): Error => new Error(`${type.name} refused its values`, { cause: error });
  const compiled = properties.length > MOST_UNROLLED ? undefined : unrolled(message, readers, refused);
  if (compiled) return compiled;
  return (slot) => {
    const at = inn.U[2 * slot] as number;
    const { U } = inn;
    const values = readers.map((read, index) => (U[2 * (at + index) + 1] === NULL ? null : read(at + index)));
    try {
      const made = new type() as Record<string, unknown>;
      properties.forEach((name, index) => (made[name] = values[index]));
      return made;
    } catch (error) {
      throw refused(error);
    }
  };
}

function unrolled({ type, properties, shapes }: Readable, readers: readonly Read[], refused: (error: unknown) => Error) {
  const reads = readers.map((read, index) => {
    const slot = `at+${index}`;
    const value =
      read === number ? `F[${slot}]` : read === boolean ? `U[2*(${slot})]===1` : read === text ? `T.string(${slot})` : `r${index}(${slot})`;
    const isNull = shapes[index]?.kind === "optional" ? `U[2*(${slot})+1]===${NULL}?null:` : "";
    return `const a${index}=${isNull}${value};`;
  });
  const sets = properties.map((name, index) => `o[${JSON.stringify(name)}]=a${index};`);
  const body = `return(s)=>{
    const U=T.U,F=T.F,at=U[2*s];
    ${reads.join("\n")}
    try{
      const o=new C();
      ${sets.join("\n")}
      return o;
    }catch(e){throw refused(e)}
  }`;
  const params = ["T", "C", "refused", ...readers.map((_, index) => `r${index}`)];
  return compile(params, [inn, type, refused, ...readers], body) as Read | undefined;
}
