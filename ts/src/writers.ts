/** JavaScript values to slots (`node-api.md` section 3, "Encoding"); which values fit is core's to tell. */
import type { Shape } from "./fields.js";
import { dateDays, isPlain } from "./host.js";
import type { WireClass } from "./messages.js";
import { ABSENT, BAD, NULL, type Write, compile, outgoing as out } from "./tape.js";

/** A message with its class, and how its values are written. */
export interface Written {
  readonly type: WireClass;
  readonly properties: readonly string[];
  readonly shapes: readonly Shape[];
  write: Write;
}

/** What writers need to know of their schema. */
export interface WriteContext {
  /** The message of a class, or of `self`. */
  message(shape: Shape, owner: Written | undefined): Written;
  /** Positions of the members of an enum by their value. */
  positions(shape: Extract<Shape, { kind: "enum" }>): ReadonlyMap<unknown, number>;
  readonly maxDepth: number;
}

/** Messages with more fields are written by a loop. */
const MOST_UNROLLED = 100;

const bad = (slot: number): void => out.refuse(slot);

/** Writes what a record has no value for. */
function none(value: null | undefined, slot: number): void {
  out.mark(slot, value === null ? NULL : ABSENT);
}

/** Writes an element, a key or the value of an entry. */
function element(write: Write, value: unknown, slot: number): void {
  if (value === null || value === undefined) out.mark(slot, NULL);
  else write(value, slot);
}

function text(value: unknown, slot: number): void {
  if (typeof value !== "string") return bad(slot);
  writeText(value, slot);
}

/** Writes a text. */
export function writeText(value: string, slot: number): void {
  const { U } = out;
  U[2 * slot] = out.length;
  U[2 * slot + 1] = value.length;
  out.length += value.length;
  out.text += value;
}

function number(value: unknown, slot: number): void {
  if (typeof value !== "number") return bad(slot);
  out.F[slot] = value;
  if (value !== value) notANumber(slot);
}

/** A NaN keeps its bits, unless they are those of a mark. */
function notANumber(slot: number): void {
  if ((out.U[2 * slot + 1] as number) >= NULL && (out.U[2 * slot + 1] as number) <= BAD) out.F[slot] = NaN;
}

function boolean(value: unknown, slot: number): void {
  if (typeof value !== "boolean") return bad(slot);
  out.F[slot] = value ? 1 : 0;
}

/** Writes the low 64 bits, and whether they are the number as signed (0) or unsigned (1) ones, or not (2). */
function bigint(value: unknown, slot: number): void {
  if (typeof value !== "bigint") return bad(slot);
  const at = out.reserve(2);
  out.B[at] = value;
  out.F[at + 1] = BigInt.asIntN(64, value) === value ? 0 : BigInt.asUintN(64, value) === value ? 1 : 2;
  out.mark(slot, 0, at);
}

/** A whole number, or a bigint. */
function whole(value: unknown, slot: number): void {
  if (typeof value !== "number") bigint(value, slot);
  else if (Number.isSafeInteger(value)) bigint(BigInt(value), slot);
  else bad(slot);
}

const getTime = Function.prototype.call.bind(Date.prototype.getTime) as (value: unknown) => number;

function date(value: unknown, slot: number): void {
  if (typeof value !== "object") return bad(slot);
  let millis: number;
  try {
    millis = getTime(value);
  } catch {
    return bad(slot);
  }
  out.F[slot] = millis;
}

function day(value: unknown, slot: number): void {
  const days = dateDays(value);
  if (days === null) bad(slot);
  else out.F[slot] = days;
}

function bytes(value: unknown, slot: number): void {
  if (ArrayBuffer.isView(value)) out.keep(slot, value);
  else bad(slot);
}

/** Returns the writer of a scalar. */
function scalar({ text: type, form }: Extract<Shape, { kind: "scalar" }>): Write {
  if (form === "bigint" || form === "micros") return bigint;
  if (form === "auto" || form === "wide") return whole;
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

/** Writes the elements of an array behind their count. */
function elements(items: readonly unknown[], slot: number, write: Write): void {
  const { length } = items;
  const at = out.reserve(length + 1);
  out.mark(at, 0, length);
  out.mark(slot, 0, at);
  for (let index = 0; index < length; index++) element(write, items[index], at + 1 + index);
}

function entries(items: readonly (readonly [unknown, unknown])[], slot: number, key: Write, value: Write): void {
  const at = out.reserve(2 * items.length + 1);
  out.mark(at, 0, items.length);
  out.mark(slot, 0, at);
  items.forEach((entry, index) => {
    element(key, entry[0], at + 1 + 2 * index);
    element(value, entry[1], at + 2 + 2 * index);
  });
}

/** Makes the writer of a type. */
export function writer(context: WriteContext, shape: Shape, owner?: Written): Write {
  switch (shape.kind) {
    case "scalar":
      return scalar(shape);
    case "optional":
      return writer(context, shape.item, owner);
    case "enum": {
      const positions = context.positions(shape);
      return (value, slot) => {
        const position = positions.get(value);
        if (position === undefined) bad(slot);
        else out.F[slot] = position;
      };
    }
    case "list": {
      const item = writer(context, shape.item, owner);
      return (value, slot) => (Array.isArray(value) ? elements(value, slot, item) : bad(slot));
    }
    case "set": {
      const item = writer(context, shape.item, owner);
      return (value, slot) => {
        const given = shape.loose && Array.isArray(value) ? new Set<unknown>(value) : value;
        if (given instanceof Set) elements([...(given as Set<unknown>)], slot, item);
        else bad(slot);
      };
    }
    case "map": {
      const [key, item] = [writer(context, shape.key, owner), writer(context, shape.value, owner)];
      return (value, slot) => {
        if (value instanceof Map && (!shape.record || shape.loose)) entries([...(value as Map<unknown, unknown>)], slot, key, item);
        else if (shape.record && isPlain(value)) entries(Object.entries(value), slot, key, item);
        else bad(slot);
      };
    }
    case "message":
    case "self": {
      const message = context.message(shape, owner);
      return (value, slot) => message.write(value, slot);
    }
  }
}

/** Makes the writer of a message. Its text accesses each property by name; the loop beside it does all other cases. */
export function recordWriter(context: WriteContext, message: Written): Write {
  const { type, properties, shapes } = message;
  const count = properties.length;
  const known = new Set(properties);
  const writers = shapes.map((shape) => writer(context, shape, message));

  const put = (values: readonly unknown[], slot: number): void => {
    out.depth++;
    const at = out.reserve(count);
    out.mark(slot, 0, at);
    values.forEach((value, index) => {
      if (value === null || value === undefined) none(value, at + index);
      else (writers[index] as Write)(value, at + index);
    });
    out.depth--;
  };
  /** A message below the deepest is written without fields: core refuses it before it looks at them. */
  const deep = (slot: number): void => {
    const at = out.reserve(count);
    for (let index = 0; index < count; index++) none(undefined, at + index);
    out.mark(slot, 0, at);
  };
  /** Tells whether the properties can be read as they are; what cannot is written or refused here. */
  const fits = (value: object, keys: readonly string[], slot: number): boolean => {
    const instance = value instanceof type;
    // Without own properties, only what is meant as a record is one: no Map, no Date, no Promise.
    if (keys.length === 0 && !instance && !isPlain(value)) {
      bad(slot);
      return false;
    }
    const unknown = keys.filter((key) => !known.has(key));
    if (unknown.length > 0) {
      out.refuse(slot, `unknown:${JSON.stringify(unknown)}`);
      return false;
    }
    if (instance || keys.length === count) return true;
    const record = value as Record<string, unknown>;
    put(
      properties.map((name) => (Object.hasOwn(record, name) ? record[name] : undefined)),
      slot,
    );
    return false;
  };

  const compiled = count > MOST_UNROLLED ? undefined : unrolled(message, context.maxDepth, { writers, bad, deep, fits });
  if (compiled) return compiled;
  return (value, slot) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return bad(slot);
    if (out.depth >= context.maxDepth) return deep(slot);
    if (!fits(value, Object.keys(value), slot)) return;
    put(
      properties.map((name) => (value as Record<string, unknown>)[name]),
      slot,
    );
  };
}

interface Parts {
  writers: readonly Write[];
  bad: (slot: number) => void;
  deep: (slot: number) => void;
  fits: (value: object, keys: readonly string[], slot: number) => boolean;
}

/** Numbers, bools and texts in line, everything else after them, because it may take slots. */
function unrolled({ properties }: Written, maxDepth: number, { writers, bad, deep, fits }: Parts): Write | undefined {
  const names = properties.map((name) => JSON.stringify(name));
  const same = names.map((name, at) => `&&k[${at}]===${name}`).join("");
  const reads = names.map((name, at) => `const a${at}=v[${name}];`).join("");
  const [simple, other]: [string[], string[]] = [[], []];
  writers.forEach((write, at) => {
    const [value, slot] = [`a${at}`, `at+${at}`];
    const rest = `else if(${value}===undefined||${value}===null)none(${value},${slot});else w${at}(${value},${slot});`;
    if (write === number) {
      simple.push(`if(typeof ${value}==="number"&&${value}===${value})F[${slot}]=${value};${rest}`);
    } else if (write === boolean) {
      simple.push(`if(typeof ${value}==="boolean")F[${slot}]=${value}?1:0;${rest}`);
    } else if (write === text) {
      const place = `const n=${value}.length,i=2*(${slot});U[i]=T.length;U[i+1]=n;T.length+=n;T.text+=${value};`;
      simple.push(`if(typeof ${value}==="string"){${place}}${rest}`);
    } else {
      other.push(rest.slice("else ".length));
    }
  });
  const body = `return(v,s)=>{
    if(typeof v!=="object"||isArray(v))return bad(s);
    if(T.depth>=${maxDepth})return deep(s);
    const k=keys(v);
    if(!(k.length===${names.length}&&k.length>0${same})&&!fits(v,k,s))return;
    ${reads}
    T.depth++;
    const at=T.reserve(${names.length}),U=T.U,F=T.F;
    U[2*s]=at;U[2*s+1]=0;
    ${simple.join("\n")}
    ${other.join("\n")}
    T.depth--;
  }`;
  const scope = { T: out, keys: Object.keys, isArray: Array.isArray, bad, deep, fits, none };
  const params = [...Object.keys(scope), ...writers.map((_, at) => `w${at}`)];
  return compile(params, [...Object.values(scope), ...writers], body) as Write | undefined;
}
